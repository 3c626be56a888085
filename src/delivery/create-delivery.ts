import type { Channel } from '../core/channel.ts';
import { type Cipher, connectionOwner } from '../core/cipher.ts';
import type { Answer, AnswerPart, Delivery, Placeholder } from '../core/delivery.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import type { ConnectionAccess, DeliveryMarker } from '../core/outbound.ts';
import type { Credentials } from '../core/tenant.ts';
import type { ClaimedTurn, StoredConnection } from '../core/turn.ts';

export interface DeliveryOptions {
  readonly channels: ReadonlyMap<string, Channel>;
  readonly cipher: Cipher;
  /** Whether this process may still act for the turn: asked right before anything is sent. */
  readonly isHeld: (turn: ClaimedTurn) => boolean;
  readonly log: Log;
  readonly metrics?: Metrics;
}

const CLOCK_MARGIN_MS = 60_000;
/** Where a platform cannot take a message away. */
const REMOVED = '(removed)';

/**
 * Sends what turns have to say. A send whose outcome is unknown is never simply repeated: first the platform is asked
 * whether the message with this delivery's marker stands there (invariant 2). Where the platform cannot be asked, an
 * answer that may have arrived is not sent again: the turn is kept as a dead letter, for somebody who can look.
 */
export function createDelivery(options: DeliveryOptions): Delivery {
  const { metrics = noMetrics } = options;
  const channelOf = (turn: ClaimedTurn): Channel => requireChannel(options.channels, turn.connection.channel);
  const count = ({ connection }: ClaimedTurn, kind: 'placeholder' | 'answer', outcome: string): void =>
    metrics.counter('konstruct_deliveries_total', { channel: connection.channel, kind, outcome }).increment();
  // Decrypted once for all that a turn sends, and forgotten with it.
  const accesses = new WeakMap<ClaimedTurn, ConnectionAccess>();
  const accessOf = (turn: ClaimedTurn): ConnectionAccess => {
    const access = accesses.get(turn) ?? openConnection(options.cipher, turn.tenantId, turn.connection);
    accesses.set(turn, access);
    return access;
  };

  async function placeholder(turn: ClaimedTurn, signal: AbortSignal): Promise<Placeholder> {
    const channel = channelOf(turn);
    const access = accessOf(turn);
    const target = { channelId: turn.channelId, threadId: turn.replyThreadId };
    const earlier = turn.deliveries.find(({ kind }) => kind === 'placeholder');
    if (earlier?.externalId) return { state: 'shown', messageId: earlier.externalId };
    const deliveryId = earlier?.id ?? turn.placeholderId;
    if (deliveryId === null || !channel.capabilities.edit) return { state: 'absent' };
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
          mayStillSend: () => options.isHeld(turn),
          isProvisional: true,
        },
        signal,
      );
      count(turn, 'placeholder', 'sent');
      return { state: 'shown', messageId: posted.messageId };
    } catch (error) {
      count(turn, 'placeholder', outcomeOf(error));
      if (!isKonstructError(error) || !error.retryable) throw error;
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

  /** Puts a part where the placeholder, or that part of an earlier answer, stands. Returns the id of its message. */
  async function deliverInPlace(
    turn: ClaimedTurn,
    part: AnswerPart,
    shown: Placeholder,
    signal: AbortSignal,
  ): Promise<string> {
    const channel = channelOf(turn);
    const access = accessOf(turn);
    const target = { channelId: turn.channelId, threadId: turn.replyThreadId };
    const messageId = await standing(turn, shown, signal);
    if (messageId !== null) {
      try {
        // Editing twice to the same text does no harm, so no look-up is needed before a repeated edit.
        const marker = markerOf(turn, part.deliveryId);
        const mayStillSend = () => options.isHeld(turn);
        await channel.edit(
          access,
          { target, messageId, markdown: part.content, marker, mayStillSend },
          signal,
        );
        return messageId;
      } catch (error) {
        if (!isGone(error)) throw error; // somebody deleted the placeholder: the answer comes as a new message
      }
    }
    return post(turn, part, signal);
  }

  /** The message that stands there, if any does. */
  async function standing(
    turn: ClaimedTurn,
    shown: Placeholder,
    signal: AbortSignal,
  ): Promise<string | null> {
    if (shown.state !== 'unknown') return shown.state === 'shown' ? shown.messageId : null;
    if (!channelOf(turn).capabilities.findByMarker) return null;
    const target = { channelId: turn.channelId, threadId: turn.replyThreadId };
    const marker = markerOf(turn, shown.deliveryId);
    return (await channelOf(turn).findByMarker(accessOf(turn), target, marker, signal))?.messageId ?? null;
  }

  async function take(turn: ClaimedTurn, messageId: string, signal: AbortSignal): Promise<void> {
    const channel = channelOf(turn);
    if (!channel.capabilities.remove) return replace(turn, messageId, REMOVED, signal);
    const target = { channelId: turn.channelId, threadId: turn.replyThreadId };
    await channel.remove(
      accessOf(turn),
      { target, messageId, mayStillSend: () => options.isHeld(turn) },
      signal,
    );
  }

  /** Puts a sentence where a message stands; one that is gone needs none. */
  async function replace(
    turn: ClaimedTurn,
    messageId: string,
    sentence: string,
    signal: AbortSignal,
  ): Promise<void> {
    const target = { channelId: turn.channelId, threadId: turn.replyThreadId };
    const deliveryId = turn.placeholderId ?? turn.deliveries[0]?.id ?? 0;
    try {
      await channelOf(turn).edit(
        accessOf(turn),
        {
          target,
          messageId,
          markdown: sentence,
          marker: markerOf(turn, deliveryId),
          mayStillSend: () => options.isHeld(turn),
        },
        signal,
      );
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  async function post(turn: ClaimedTurn, part: AnswerPart, signal: AbortSignal): Promise<string> {
    const channel = channelOf(turn);
    const access = accessOf(turn);
    const target = { channelId: turn.channelId, threadId: turn.replyThreadId };
    const marker = markerOf(turn, part.deliveryId);
    const { findByMarker } = channel.capabilities;
    if (part.state === 'unknown') {
      if (!findByMarker) throw new KonstructError('delivery_uncertain');
      const found = await channel.findByMarker(access, target, marker, signal);
      if (found) return found.messageId;
    }
    try {
      const mayStillSend = () => options.isHeld(turn);
      return (await channel.post(access, { target, markdown: part.content, marker, mayStillSend }, signal))
        .messageId;
    } catch (error) {
      if (!isKonstructError(error) || error.details.outcomeUnknown !== true) throw error;
      if (!findByMarker) throw new KonstructError('delivery_uncertain', undefined, { cause: error });
      const found = await channel.findByMarker(access, target, marker, signal);
      if (found) return found.messageId;
      throw error;
    }
  }

  return {
    placeholder,
    async progress(turn, messageId, text, signal) {
      const deliveryId = placeholderDelivery(turn);
      if (deliveryId === null) return;
      const edit = {
        target: { channelId: turn.channelId, threadId: turn.replyThreadId },
        messageId,
        markdown: text,
        marker: markerOf(turn, deliveryId), // an edit replaces it: it is still this delivery's message
        mayStillSend: () => options.isHeld(turn),
        isProvisional: true,
      };
      await channelOf(turn).edit(accessOf(turn), edit, signal);
    },
    showsWriting(turn) {
      const { stream, edit } = channelOf(turn).capabilities;
      if (turn.connection.settings.streaming === false) return 'none';
      return stream === 'edits' && !edit ? 'none' : stream;
    },
    openStream(turn, messageId, onMessage) {
      const channel = channelOf(turn);
      const deliveryId = placeholderDelivery(turn);
      if (channel.openStream === undefined || deliveryId === null)
        throw new KonstructError('internal', `The channel "${channel.type}" has no stream of its own.`);
      return channel.openStream(accessOf(turn), {
        target: { channelId: turn.channelId, threadId: turn.replyThreadId },
        messageId,
        marker: markerOf(turn, deliveryId),
        recipientId:
          turn.messages.findLast(({ ofTurn, direction }) => ofTurn && direction === 'in')?.senderId ?? '',
        mayStillSend: () => options.isHeld(turn),
        onMessage,
      });
    },
    async answer(turn: ClaimedTurn, answer: Answer, shown: Placeholder, signal: AbortSignal) {
      const externalIds: (string | null)[] = answer.parts.map(({ externalId }) => externalId);
      for (const [index, part] of answer.parts.entries()) {
        if (part.state === 'sent') continue;
        try {
          const earlier = index === 0 ? shown : furtherParts(turn)[index - 1];
          externalIds[index] =
            earlier === undefined
              ? await post(turn, part, signal)
              : await deliverInPlace(turn, part, earlier, signal);
          count(turn, 'answer', 'sent');
        } catch (error) {
          count(turn, 'answer', outcomeOf(error));
          return { externalIds, error };
        }
      }
      try {
        // An answer that replaces a longer one: the rest of that goes.
        for (const { messageId } of furtherParts(turn).slice(answer.parts.length - 1))
          await take(turn, messageId, signal);
      } catch (error) {
        const { tenantId, turnId } = turn;
        options.log.warn('answer.rest_left_standing', { tenantId, turnId, error });
        // The answer itself is there: what the platform will never take away does not make it undelivered.
        if (!isKonstructError(error, 'platform_rejected')) return { externalIds, error };
      }
      return { externalIds, error: null };
    },
    findsAgain: (turn) => channelOf(turn).capabilities.findByMarker,
    async withdraw(turn, shown, sentence, signal) {
      try {
        const messageId = await standing(turn, shown, signal);
        if (messageId !== null && sentence === null) await take(turn, messageId, signal);
        if (messageId !== null && sentence !== null) await replace(turn, messageId, sentence, signal);
        for (const part of furtherParts(turn)) await take(turn, part.messageId, signal);
        return null;
      } catch (error) {
        return error;
      }
    },
    split: (turn, reply) => channelOf(turn).split(reply),
    readThread: (turn, limit, signal) =>
      channelOf(turn).fetchThread(
        accessOf(turn),
        { channelId: turn.channelId, threadId: turn.replyThreadId },
        limit,
        signal,
      ),
    personName: (turn, personId, signal) => channelOf(turn).personName(accessOf(turn), personId, signal),
  };
}

function placeholderDelivery({ placeholderId, deliveries }: ClaimedTurn): number | null {
  return placeholderId ?? deliveries.find(({ kind }) => kind === 'placeholder')?.id ?? null;
}

/** What stands of a longer answer that this turn replaces or takes back, beside its first message. */
function furtherParts({ deliveries }: ClaimedTurn): readonly { state: 'shown'; messageId: string }[] {
  return deliveries
    .filter(({ kind, position, externalId }) => kind === 'placeholder' && position > 0 && externalId !== null)
    .map(({ externalId }) => ({ state: 'shown', messageId: externalId ?? '' }));
}

/** `unknown`: it may stand there; `withheld`: not even tried, because somebody else has the turn or the worker stops. */
function outcomeOf(error: unknown): string {
  if (!isKonstructError(error)) return 'failed';
  if (error.code === 'lease_lost' || error.code === 'aborted') return 'withheld';
  return error.details.outcomeUnknown === true ? 'unknown' : 'failed';
}

/** Nothing of a turn was sent before it began; the margin is for clocks that differ. */
function markerOf(turn: ClaimedTurn, deliveryId: number): DeliveryMarker {
  return { deliveryId: String(deliveryId), firstTriedAtMs: turn.startedAtMs - CLOCK_MARGIN_MS };
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
  return { connectionId: connection.id, externalId: connection.externalId, credentials };
}

/** The message to be edited is not there any more, or is not ours to edit. */
function isGone(error: unknown): boolean {
  return (
    isKonstructError(error, 'platform_rejected') &&
    ['message_not_found', 'cant_update_message', 'edit_window_closed'].includes(
      String(error.details.platformError),
    )
  );
}
