import type { Channel } from '../core/channel.ts';
import { type Cipher, connectionOwner } from '../core/cipher.ts';
import type { Delivery, Placeholder } from '../core/delivery.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import type { ConnectionAccess } from '../core/outbound.ts';
import type { Credentials } from '../core/tenant.ts';
import type { ClaimedTurn, StoredConnection } from '../core/turn.ts';
import { type AnswerRefusalOptions, createAnswerRefusal } from './create-answer-refusal.ts';
import { createSendAnswer } from './create-send-answer.ts';
import { createSendFile } from './create-send-file.ts';
import { createTurnMessages } from './create-turn-messages.ts';
import { markerOf } from './delivery-marker.ts';
import { outcomeOf } from './send-outcome.ts';
import {
  around,
  authorOf,
  earlierFiles,
  furtherParts,
  newestMessage,
  placeholderDelivery,
  provisionalAuthor,
  targetOf,
} from './turn-messages.ts';

export interface DeliveryOptions extends AnswerRefusalOptions {
  readonly channels: ReadonlyMap<string, Channel>;
  readonly cipher: Cipher;
  /** Whether this process may still act for the turn: asked right before anything is sent. */
  readonly isHeld: (turn: ClaimedTurn) => boolean;
  readonly metrics?: Metrics;
}

/**
 * Sends what turns have to say. A send whose outcome is unknown is never simply repeated: first the platform is asked
 * whether the message with this delivery's marker stands there (invariant 2). Where the platform cannot be asked, an
 * answer that may have arrived is not sent again: the turn is kept as a dead letter, for somebody who can look.
 */
export function createDelivery(options: DeliveryOptions): Delivery {
  const { metrics = noMetrics } = options;
  const answerRefusal = createAnswerRefusal(options);
  const channelOf = (turn: ClaimedTurn): Channel => requireChannel(options.channels, turn.connection.channel);
  const count = (
    { connection }: ClaimedTurn,
    kind: 'placeholder' | 'answer' | 'file',
    outcome: string,
  ): void =>
    metrics.counter('konstruct_deliveries_total', { channel: connection.channel, kind, outcome }).increment();
  // Decrypted once for all that a turn sends, and forgotten with it.
  const accesses = new WeakMap<ClaimedTurn, ConnectionAccess>();
  const accessOf = (turn: ClaimedTurn): ConnectionAccess => {
    const access = accesses.get(turn) ?? openConnection(options.cipher, turn.tenantId, turn.connection);
    accesses.set(turn, access);
    return access;
  };

  const parts = { ...options, channelOf, accessOf };
  const messages = createTurnMessages(parts);
  const { post, replace, standing, take } = messages;
  const sendAnswer = createSendAnswer({
    ...parts,
    messages,
    sendFile: createSendFile({ ...parts, answerRefusal }),
    count,
    answerRefusal,
  });

  async function placeholder(turn: ClaimedTurn, signal: AbortSignal): Promise<Placeholder> {
    const channel = channelOf(turn);
    const access = accessOf(turn);
    const target = targetOf(turn);
    const earlier = turn.deliveries.find(({ kind }) => kind === 'placeholder');
    if (earlier?.externalId) return { state: 'shown', messageId: earlier.externalId };
    const deliveryId = earlier?.id ?? turn.placeholderId;
    if (!channel.capabilities.edit) return { state: 'unsupported' };
    if (deliveryId === null) return { state: 'absent' };
    try {
      if (earlier) {
        // Where nobody can tell whether it stands there, the turn goes on without: two of them would be worse.
        if (!channel.capabilities.findByMarker) return { state: 'absent' };
        const found = await channel.findByMarker(access, target, markerOf(turn, deliveryId), signal);
        if (found) return { state: 'shown', messageId: found.messageId };
      }
      const posted = await channel.post(
        access,
        {
          target,
          markdown: turn.agent.placeholder,
          marker: markerOf(turn, deliveryId),
          ...provisionalAuthor(channel, turn),
          mayStillSend: () => options.isHeld(turn),
          isProvisional: true,
        },
        signal,
      );
      count(turn, 'placeholder', 'sent');
      return { state: 'shown', messageId: posted.messageId };
    } catch (failure) {
      count(turn, 'placeholder', outcomeOf(failure));
      const error = await answerRefusal(turn, failure);
      if (!isKonstructError(error) || !error.retryable || error.code === 'credentials_replaced') throw error;
      options.log.warn('placeholder.failed', {
        tenantId: turn.tenantId,
        turnId: turn.turnId,
        code: error.code,
      });
      // A 429 or a refused connection means that it was not sent; an earlier attempt's fate stays open, though.
      const unknown =
        earlier !== undefined || error.details.outcomeUnknown === true || error.code === 'aborted';
      return unknown ? { state: 'unknown', deliveryId } : { state: 'absent' };
    }
  }

  /** Says something where nothing can be replaced. Once: what may stand there already is not said again. */
  async function say(turn: ClaimedTurn, sentence: string, signal: AbortSignal): Promise<void> {
    const deliveryId = turn.placeholderId ?? turn.deliveries[0]?.id ?? 0;
    try {
      const part = { deliveryId, content: sentence, detail: null, state: 'new', externalId: null } as const;
      await post(turn, part, signal, { ...around(turn, part), isAnswer: false });
    } catch (error) {
      const mayStand = isKonstructError(error) && error.details.outcomeUnknown === true;
      if (!mayStand && !isKonstructError(error, 'delivery_uncertain')) throw error;
    }
  }

  return {
    placeholder,
    earlierPlaceholder(turn) {
      if (!channelOf(turn).capabilities.edit) return { state: 'unsupported' };
      const earlier = turn.deliveries.find(({ kind }) => kind === 'placeholder');
      if (earlier === undefined) return { state: 'absent' };
      return earlier.externalId === null
        ? { state: 'unknown', deliveryId: earlier.id }
        : { state: 'shown', messageId: earlier.externalId };
    },
    async progress(turn, messageId, text, signal) {
      const deliveryId = placeholderDelivery(turn);
      if (deliveryId === null) return;
      const edit = {
        target: targetOf(turn),
        messageId,
        markdown: text,
        marker: markerOf(turn, deliveryId), // an edit replaces it: it is still this delivery's message
        author: authorOf(turn),
        mayStillSend: () => options.isHeld(turn),
        isProvisional: true,
      };
      await channelOf(turn).edit(accessOf(turn), edit, signal);
    },
    showsWriting(turn) {
      const channel = channelOf(turn);
      const { stream, edit } = channel.capabilities;
      const { streaming } = turn.connection.settings;
      if (streaming === false) return 'none';
      const hasStream = channel.openStream !== undefined && (channel.hasStream?.(targetOf(turn)) ?? true);
      if (streaming === 'native' && hasStream) return 'native';
      return stream === 'edits' && !edit ? 'none' : stream;
    },
    openStream(turn, messageId, heard) {
      const channel = channelOf(turn);
      const deliveryId = placeholderDelivery(turn);
      if (channel.openStream === undefined || deliveryId === null)
        throw new KonstructError('internal', `The channel "${channel.type}" has no stream of its own.`);
      return channel.openStream(accessOf(turn), {
        target: targetOf(turn),
        messageId,
        marker: markerOf(turn, deliveryId),
        ...provisionalAuthor(channel, turn),
        recipientId:
          turn.messages.findLast(({ ofTurn, direction }) => ofTurn && direction === 'in')?.senderId ?? '',
        mayStillSend: () => options.isHeld(turn),
        ...heard,
      });
    },
    ...sendAnswer,
    findsAgain: (turn) => channelOf(turn).capabilities.findByMarker,
    async withdraw(turn, shown, sentence, signal) {
      try {
        if (shown.state === 'unsupported' && sentence !== null) await say(turn, sentence, signal);
        const messageId = await standing(turn, shown, signal);
        if (messageId !== null && sentence === null) await take(turn, messageId, signal);
        if (messageId !== null && sentence !== null) await replace(turn, messageId, sentence, signal);
        for (const { messageId } of [...furtherParts(turn), ...earlierFiles(turn)])
          await take(turn, messageId, signal);
        return null;
      } catch (error) {
        return answerRefusal(turn, error);
      }
    },
    abilities(turn) {
      const { capabilities, react, upload, fetchFile } = channelOf(turn);
      return {
        buttons: capabilities.buttons,
        reactions: capabilities.reactions && react !== undefined,
        incomingBytes: fetchFile === undefined ? null : capabilities.files.incoming,
        outgoingBytes: upload === undefined ? null : capabilities.files.outgoing,
      };
    },
    async typing(turn, signal) {
      const channel = channelOf(turn);
      const { edit, typing } = channel.capabilities;
      if (edit || !typing || channel.typing === undefined || !options.isHeld(turn)) return false;
      const sign = { target: targetOf(turn), messageId: newestMessage(turn) };
      await channel.typing(accessOf(turn), sign, signal);
      return true;
    },
    status(turn) {
      const { status } = channelOf(turn);
      const target = targetOf(turn);
      if (status === undefined || !status.isShownIn(target) || !options.isHeld(turn)) return null;
      return {
        lastsMs: status.lastsMs,
        set: (isWorking, signal) => status.set(accessOf(turn), target, isWorking, signal),
      };
    },
    async react(turn, emoji, signal) {
      const channel = channelOf(turn);
      const messageId = newestMessage(turn);
      if (channel.react === undefined || messageId === null)
        throw new KonstructError('not_found', 'There is no message that can carry a reaction.');
      const reaction = { target: targetOf(turn), messageId, emoji, present: true };
      const mayStillSend = () => options.isHeld(turn);
      await channel.react(accessOf(turn), { ...reaction, mayStillSend }, signal);
    },
    async fetchFile(turn, file, maxBytes, signal) {
      const channel = channelOf(turn);
      if (channel.fetchFile === undefined)
        throw new KonstructError('not_found', `The channel "${channel.type}" fetches no files.`);
      return channel.fetchFile(accessOf(turn), file, { maxBytes }, signal);
    },
    split: (turn, reply, choices) => channelOf(turn).split(reply, choices),
    readThread: (turn, limit, signal) =>
      channelOf(turn).fetchThread(accessOf(turn), targetOf(turn), limit, signal),
    personName: (turn, personId, signal) => channelOf(turn).personName(accessOf(turn), personId, signal),
  };
}

/** @throws KonstructError `not_found` for a channel this installation does not have */
export function requireChannel(channels: ReadonlyMap<string, Channel>, type: string): Channel {
  const channel = channels.get(type);
  if (!channel) throw new KonstructError('not_found', `There is no channel "${type}" in this installation.`);
  return channel;
}

/** Decrypts a connection's credentials for one use. @throws KonstructError `credentials_unreadable` */
export function openConnection(
  cipher: Cipher,
  tenantId: string,
  connection: StoredConnection,
): ConnectionAccess {
  const envelope = Buffer.from(connection.credentials, 'base64');
  const credentials = JSON.parse(
    cipher.decrypt(envelope, connectionOwner(tenantId, connection.id)),
  ) as Credentials;
  const { id: connectionId, externalId, settings } = connection;
  return { connectionId, externalId, credentials, settings };
}
