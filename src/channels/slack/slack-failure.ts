import { KonstructError } from '../../core/errors.ts';
import type { JsonRecord } from '../read-json.ts';
import type { TransportError } from '../transport-error.ts';

/** Errors of Slack's own making after which the call may or may not have been carried out. */
const UNKNOWN_OUTCOME = new Set(['internal_error', 'fatal_error', 'unrecognised_response']);
/** Errors that pass by themselves and before which nothing was done. */
const NOT_DONE = new Set(['service_unavailable', 'request_timeout', 'team_added_to_org']);
const RATE_LIMITED = new Set(['ratelimited', 'rate_limited']);
/** When Slack says "slow down" without saying for how long. */
const DEFAULT_RETRY_AFTER_MS = 1000;
const ERROR_WORD = /^[a-z0-9_.:-]{1,80}$/i;

/** A call that was not made, or was refused, because Slack wants less of them. */
export function rateLimited(method: string, retryAfterMs: number): KonstructError {
  return new KonstructError('platform_rate_limited', `Slack asked to slow down with ${method}.`, {
    details: { method },
    retryAfterMs: Math.max(retryAfterMs, DEFAULT_RETRY_AFTER_MS),
  });
}

/** A call that Slack refuses and would refuse again. */
export function rejected(method: string, platformError: string, answer: JsonRecord = {}): KonstructError {
  const { needed, provided } = answer;
  return new KonstructError('platform_rejected', `Slack refused ${method}: ${platformError}.`, {
    details: {
      method,
      platformError,
      ...(typeof needed === 'string' && { needed }),
      ...(typeof provided === 'string' && { provided }),
    },
  });
}

/** A call that failed for a reason that passes. */
export function unavailable(
  method: string,
  platformError: string,
  outcomeUnknown: boolean,
  cause?: unknown,
): KonstructError {
  return new KonstructError('platform_unavailable', `Slack did not answer ${method}: ${platformError}.`, {
    details: { method, platformError, ...(outcomeUnknown && { outcomeUnknown }) },
    cause,
  });
}

/** An answer `{"ok":false,…}` of Slack's; `null`: it is no JSON, such as a proxy's page. */
export function fromAnswer(answer: JsonRecord | null, method: string, retryAfterMs: number): KonstructError {
  const error = answer?.error;
  const word = typeof error === 'string' && ERROR_WORD.test(error) ? error : 'unrecognised_response';
  if (RATE_LIMITED.has(word)) return rateLimited(method, retryAfterMs);
  if (UNKNOWN_OUTCOME.has(word)) return unavailable(method, word, true);
  if (NOT_DONE.has(word)) return unavailable(method, word, false);
  return rejected(method, word, answer ?? {});
}

/** Slack uses 200 and 429; anything else comes from what stands in front of it, before or after the work. */
export function fromStatus(status: number, method: string): KonstructError {
  const word = `http_${status}`;
  return status >= 500 || status === 408 ? unavailable(method, word, true) : rejected(method, word);
}

export function fromTransport(error: TransportError, method: string): KonstructError {
  if (error.kind !== 'aborted') return unavailable(method, error.systemCode ?? error.kind, error.sent, error);
  return new KonstructError('aborted', `The call ${method} was cancelled.`, {
    details: { method, ...(error.sent && { outcomeUnknown: true }) },
  });
}
