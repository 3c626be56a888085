import type { Channel } from '../core/channel.ts';
import type { AnswerPart, Placeholder } from '../core/delivery.ts';
import { isKonstructError } from '../core/errors.ts';
import type { ConnectionAccess } from '../core/outbound.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import { markerOf } from './delivery-marker.ts';
import { inDoubt, isGone, stillUnknown } from './send-outcome.ts';
import { around, authorOf, placeholderDelivery, targetOf } from './turn-messages.ts';

export interface TurnMessagesOptions {
  readonly channelOf: (turn: ClaimedTurn) => Channel;
  readonly accessOf: (turn: ClaimedTurn) => ConnectionAccess;
  readonly isHeld: (turn: ClaimedTurn) => boolean;
}

/** What is done with single messages of a turn. Each throws what the channel throws. */
export interface TurnMessages {
  /** The message that stands there, if any does. */
  standing(turn: ClaimedTurn, shown: Placeholder, signal: AbortSignal): Promise<string | null>;
  /** The message by which a part was sent; `null`: it was not, or the platform does not tell. */
  find(turn: ClaimedTurn, part: AnswerPart, signal: AbortSignal): Promise<string | null>;
  /** Sends a part as a new message, or finds that it was sent. Returns the id of its message. */
  post(
    turn: ClaimedTurn,
    part: AnswerPart,
    signal: AbortSignal,
    beside?: ReturnType<typeof around>,
  ): Promise<string>;
  /** Puts a part where something of this turn, or that part of an earlier answer, stands. Returns the id of its message. */
  putInPlace(turn: ClaimedTurn, part: AnswerPart, shown: Placeholder, signal: AbortSignal): Promise<string>;
  /** Puts a sentence where a message stands; one that is gone needs none. */
  replace(turn: ClaimedTurn, messageId: string, sentence: string, signal: AbortSignal): Promise<void>;
  /** Takes a message away, or edits it into a sentence that says so. */
  take(turn: ClaimedTurn, messageId: string, signal: AbortSignal): Promise<void>;
}

/** Where a platform cannot take a message away. */
const REMOVED = '(removed)';

export function createTurnMessages({ channelOf, accessOf, isHeld }: TurnMessagesOptions): TurnMessages {
  return { standing, find, post, putInPlace, replace, take };

  async function putInPlace(
    turn: ClaimedTurn,
    part: AnswerPart,
    shown: Placeholder,
    signal: AbortSignal,
  ): Promise<string> {
    const channel = channelOf(turn);
    const access = accessOf(turn);
    const target = targetOf(turn);
    const messageId = channel.capabilities.edit ? await standing(turn, shown, signal) : null;
    if (messageId !== null) {
      try {
        // Editing twice to the same text does no harm, so no look-up is needed before a repeated edit.
        const marker = markerOf(turn, part.deliveryId);
        const mayStillSend = () => isHeld(turn);
        await channel.edit(
          access,
          { target, messageId, markdown: part.content, marker, mayStillSend, ...around(turn, part) },
          signal,
        );
        return messageId;
      } catch (error) {
        if (!isGone(error)) throw error; // somebody deleted the placeholder: the answer comes as a new message
      }
    }
    return post(turn, part, signal);
  }

  async function standing(
    turn: ClaimedTurn,
    shown: Placeholder,
    signal: AbortSignal,
  ): Promise<string | null> {
    if (shown.state !== 'unknown') return shown.state === 'shown' ? shown.messageId : null;
    if (!channelOf(turn).capabilities.findByMarker) return null;
    const target = targetOf(turn);
    const marker = markerOf(turn, shown.deliveryId);
    return (await channelOf(turn).findByMarker(accessOf(turn), target, marker, signal))?.messageId ?? null;
  }

  async function take(turn: ClaimedTurn, messageId: string, signal: AbortSignal): Promise<void> {
    const channel = channelOf(turn);
    const { remove, edit } = channel.capabilities;
    if (remove) {
      try {
        const removal = { target: targetOf(turn), messageId, mayStillSend: () => isHeld(turn) };
        await channel.remove(accessOf(turn), removal, signal);
        return;
      } catch (error) {
        // Too old, or under another name than the app's: some platforms keep such messages.
        if (!edit || !isKonstructError(error, 'platform_rejected')) throw error;
      }
    }
    if (edit) await replace(turn, messageId, REMOVED, signal); // otherwise what was said there stands
  }

  async function replace(
    turn: ClaimedTurn,
    messageId: string,
    sentence: string,
    signal: AbortSignal,
  ): Promise<void> {
    const target = targetOf(turn);
    const deliveryId = placeholderDelivery(turn) ?? 0;
    try {
      await channelOf(turn).edit(
        accessOf(turn),
        {
          target,
          messageId,
          markdown: sentence,
          marker: markerOf(turn, deliveryId),
          author: authorOf(turn),
          mayStillSend: () => isHeld(turn),
        },
        signal,
      );
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  async function post(
    turn: ClaimedTurn,
    part: AnswerPart,
    signal: AbortSignal,
    beside = around(turn, part),
  ): Promise<string> {
    const channel = channelOf(turn);
    const access = accessOf(turn);
    const target = targetOf(turn);
    const marker = markerOf(turn, part.deliveryId);
    const { findByMarker } = channel.capabilities;
    if (part.state === 'unknown' && !findByMarker) throw inDoubt(turn, channel);
    if (part.state === 'unknown' || part.state === 'reopened') {
      const found = await find(turn, part, signal);
      if (found !== null) return found;
    }
    try {
      const mayStillSend = () => isHeld(turn);
      const message = { target, markdown: part.content, marker, mayStillSend, ...beside };
      return (await channel.post(access, message, signal)).messageId;
    } catch (error) {
      if (!isKonstructError(error) || error.details.outcomeUnknown !== true) throw error;
      if (!findByMarker) throw inDoubt(turn, channel, error);
      const found = await find(turn, part, signal);
      if (found !== null) return found;
      throw error;
    }
  }

  async function find(turn: ClaimedTurn, part: AnswerPart, signal: AbortSignal): Promise<string | null> {
    const channel = channelOf(turn);
    if (!channel.capabilities.findByMarker) return null;
    const marker = markerOf(turn, part.deliveryId);
    try {
      const found = await channel.findByMarker(accessOf(turn), targetOf(turn), marker, signal);
      return found?.messageId ?? null;
    } catch (error) {
      throw stillUnknown(error);
    }
  }
}
