import type { Channel } from '../core/channel.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { ClaimedTurn } from '../core/turn.ts';

/** Attempts for which the platform's word on a send of unknown outcome is waited for: with their pauses about a minute. */
const RECEIPT_ATTEMPTS = 4;

/** `unknown`: it may stand there; `withheld`: not even tried, because somebody else has the turn or the worker stops. */
export function outcomeOf(error: unknown): string {
  if (!isKonstructError(error)) return 'failed';
  if (error.code === 'lease_lost' || error.code === 'aborted') return 'withheld';
  return error.details.outcomeUnknown === true ? 'unknown' : 'failed';
}

/**
 * A send of which nobody knows whether it was. A platform that says by itself what became of its messages has said it
 * when the next attempt begins, or will have soon; after that, and on any other platform, somebody has to look.
 */
export function inDoubt(turn: ClaimedTurn, { capabilities }: Channel, cause?: unknown): KonstructError {
  if (capabilities.receipts === true && turn.attempts < RECEIPT_ATTEMPTS) {
    const details = { platformError: 'awaits_receipt', outcomeUnknown: true };
    return new KonstructError('platform_unavailable', 'Nobody knows yet whether the message was sent.', {
      details,
      cause,
    });
  }
  return new KonstructError('delivery_uncertain', undefined, { cause });
}

/**
 * What kept us from looking whether something stands there. It was not tried again just now, but whether it was sent is as
 * unknown as before: it must not count as certainly unsent.
 */
export function stillUnknown(error: unknown): unknown {
  if (!isKonstructError(error)) return error;
  const { code, message, details, retryAfterMs } = error;
  return new KonstructError(code, message, {
    details: { ...details, outcomeUnknown: true },
    cause: error,
    ...(retryAfterMs !== null && { retryAfterMs }),
  });
}

/** The message to be edited is not there any more, or is not ours to edit. */
export function isGone(error: unknown): boolean {
  return (
    isKonstructError(error, 'platform_rejected') &&
    ['message_not_found', 'cant_update_message', 'edit_window_closed'].includes(
      String(error.details.platformError),
    )
  );
}
