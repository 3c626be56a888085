import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { ModelAttempt } from '../core/model.ts';

/** What an error tells of calls that were made. */
export function attemptsIn(error: unknown): readonly ModelAttempt[] {
  return (isKonstructError(error) ? (error.details.attempts as readonly ModelAttempt[]) : null) ?? [];
}

/** The same error, which tells of earlier calls too: the steps of a turn add up to the ledger. */
export function withAttempts(error: unknown, earlier: readonly ModelAttempt[]): unknown {
  if (!isKonstructError(error)) return error;
  const { code, message, details, retryAfterMs } = error;
  const own = attemptsIn(error);
  return new KonstructError(code, message, {
    cause: error,
    details: { ...details, attempts: own.length === 0 ? earlier : [...earlier, ...own] },
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}
