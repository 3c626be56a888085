import type { Clock, Sleep } from '../../core/clock.ts';
import { isKonstructError, KonstructError } from '../../core/errors.ts';

export interface MailboxCallOptions {
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly timeoutMs: number;
  readonly maxWaitMs: number;
}

export interface MailboxCall<Result> {
  readonly method: string;
  /** Twice is as good as once; otherwise an unknown outcome is left to `findByMarker`. */
  readonly isRepeatable: boolean;
  readonly mayStillSend?: (() => boolean) | undefined;
  readonly work: () => Promise<Result>;
}

const FIRST_PAUSE_MS = 100;

/**
 * Calls the mailbox as other channels call their platforms: within a time, again where that does no harm, and with an
 * error that says whether the work may have been done.
 *
 * @throws KonstructError `aborted`, `lease_lost`, `platform_unavailable`, `platform_rejected`, `platform_rate_limited`
 */
export async function callMailbox<Result>(
  options: MailboxCallOptions,
  { method, isRepeatable, mayStillSend, work }: MailboxCall<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const giveUpAtMs = options.clock() + options.maxWaitMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
    if (signal.aborted) throw aborted(method, false);
    if (mayStillSend?.() === false) throw new KonstructError('lease_lost');
    try {
      return await within(options.timeoutMs, work, signal);
    } catch (error) {
      if (signal.aborted) throw aborted(method, true);
      if (isKonstructError(error, 'platform_rejected') || isKonstructError(error, 'platform_rate_limited'))
        throw error;
      if (!isRepeatable || options.clock() + pauseMs > giveUpAtMs) throw unavailable(method, error);
    }
    await options.sleep(pauseMs, signal).catch(() => {}); // the loop looks at the signal first
  }
}

/** A mailbox that is not there, or a message that is gone. */
export function rejected(method: string, platformError: string): KonstructError {
  return new KonstructError('platform_rejected', `The mailbox refused ${method}: ${platformError}.`, {
    details: { method, platformError },
  });
}

function unavailable(method: string, cause: unknown): KonstructError {
  return new KonstructError('platform_unavailable', `The mailbox did not answer ${method}.`, {
    details: { method, outcomeUnknown: true },
    cause,
  });
}

function aborted(method: string, begun: boolean): KonstructError {
  return new KonstructError('aborted', `The call ${method} was cancelled.`, {
    details: { method, ...(begun && { outcomeUnknown: true }) },
  });
}

async function within<Result>(
  timeoutMs: number,
  work: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const ending = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const ended = new Promise<never>((_resolve, reject) => {
    ending.addEventListener('abort', () => reject(ending.reason), { once: true });
  });
  return Promise.race([work(), ended]);
}
