import type { Channel } from '../core/channel.ts';
import type { AnswerPart } from '../core/delivery.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ConnectionAccess } from '../core/outbound.ts';
import type { AnswerDetail, ClaimedTurn } from '../core/turn.ts';
import { markerOf } from './delivery-marker.ts';
import { stillUnknown } from './send-outcome.ts';
import { targetOf } from './turn-messages.ts';

/**
 * Sends a file of an answer. As with text, what may have arrived is looked for before it is sent again. Where the platform
 * cannot be asked, or does not take the file, it is given up with a log line: the answer stands without it.
 *
 * @returns the platform's id of its message; `null`: given up
 * @throws KonstructError what can be tried again
 */
export type SendFile = (
  turn: ClaimedTurn,
  part: AnswerPart,
  file: NonNullable<AnswerDetail['file']>,
  signal: AbortSignal,
) => Promise<string | null>;

export function createSendFile(options: {
  readonly channelOf: (turn: ClaimedTurn) => Channel;
  readonly accessOf: (turn: ClaimedTurn) => ConnectionAccess;
  readonly isHeld: (turn: ClaimedTurn) => boolean;
  readonly answerRefusal: (turn: ClaimedTurn, error: unknown) => Promise<unknown>;
  readonly log: Log;
}): SendFile {
  return async (turn, part, { name, mediaType, content }, signal) => {
    const channel = options.channelOf(turn);
    const access = options.accessOf(turn);
    const target = targetOf(turn);
    const marker = markerOf(turn, part.deliveryId);
    const { findByMarker } = channel.capabilities;
    const lookUp = async (): Promise<string | null> => {
      try {
        return (await channel.findByMarker(access, target, marker, signal))?.messageId ?? null;
      } catch (error) {
        throw stillUnknown(error);
      }
    };
    const giveUp = (code: string): null => {
      const { tenantId, turnId } = turn;
      options.log.warn('file.undelivered', { tenantId, turnId, deliveryId: part.deliveryId, code });
      return null;
    };

    if (channel.upload === undefined || content === undefined) return giveUp('unsupported');
    if (part.state === 'unknown' && !findByMarker) return giveUp('delivery_uncertain');
    if ((part.state === 'unknown' || part.state === 'reopened') && findByMarker) {
      const found = await lookUp();
      if (found !== null) return found;
    }
    try {
      const file = { target, name, mediaType, content: Buffer.from(content, 'base64'), marker };
      const mayStillSend = () => options.isHeld(turn);
      return (await channel.upload(access, { ...file, mayStillSend }, signal)).messageId;
    } catch (failure) {
      const error = await options.answerRefusal(turn, failure);
      if (!isKonstructError(error)) throw error;
      if (error.details.outcomeUnknown === true) {
        if (!findByMarker) return giveUp('delivery_uncertain');
        const found = await lookUp();
        if (found !== null) return found;
        throw error;
      }
      if (error.retryable || error.code === 'lease_lost' || error.code === 'aborted') throw error;
      return giveUp(error.code);
    }
  };
}
