import type { Clock, Sleep } from '../core/clock.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { codeOf } from './turn-outcome.ts';

const PATIENCE_MS = 60_000;
const AGAIN_AFTER_MS = 500;

export interface WritePatientlyOptions {
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly log: Log;
}

/**
 * A database that is away for a moment does not cost a finished answer: what was paid for is kept and written when
 * it is back. Harmless however long it takes, because the fence is checked then.
 *
 * @returns repeats a write for up to 60 s or until the signal; throws what the last attempt threw
 */
export function createWritePatiently({ clock, sleep, log }: WritePatientlyOptions) {
  return async <Result>(signal: AbortSignal, write: () => Promise<Result>): Promise<Result> => {
    const deadlineMs = clock() + PATIENCE_MS;
    for (;;) {
      try {
        return await write();
      } catch (error) {
        if (!isAway(error) || signal.aborted || clock() > deadlineMs) throw error;
        log.warn('turn.write_delayed', { code: codeOf(error) });
        await sleep(AGAIN_AFTER_MS, signal);
      }
    }
  };
}

/** The database cannot be asked at this moment: nobody else can either, and the lease sees to it that the turn goes on. */
export function isAway(error: unknown): boolean {
  return isKonstructError(error, 'database_unavailable') || isKonstructError(error, 'disk_full');
}
