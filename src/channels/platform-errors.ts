import { KonstructError } from '../core/errors.ts';
import { TransportError } from './transport-error.ts';

/** When a platform says "slow down" without saying for how long. */
const DEFAULT_RETRY_AFTER_MS = 2_000;

/** What calls of one platform fail with, in the project's errors. */
export interface PlatformErrors {
  /** A call that was not made, or was refused, because the platform wants less of them. */
  rateLimited(method: string, retryAfterMs: number | null): KonstructError;
  /** A call that the platform refuses and would refuse again. */
  rejected(
    method: string,
    platformError: string,
    details?: Readonly<Record<string, unknown>>,
  ): KonstructError;
  /** A call that failed for a reason that passes. */
  unavailable(
    method: string,
    platformError: string,
    outcomeUnknown: boolean,
    cause?: unknown,
  ): KonstructError;
  /** An HTTP exchange that ended without a response. */
  ofTransport(error: unknown, method: string): KonstructError;
}

/** @param name the platform's, as people know it */
export function platformErrors(name: string): PlatformErrors {
  const unavailable: PlatformErrors['unavailable'] = (method, platformError, outcomeUnknown, cause) =>
    new KonstructError('platform_unavailable', `${name} did not answer ${method}: ${platformError}.`, {
      details: { method, platformError, ...(outcomeUnknown && { outcomeUnknown }) },
      cause,
    });
  return {
    unavailable,
    rateLimited: (method, retryAfterMs) =>
      new KonstructError('platform_rate_limited', `${name} asked to slow down with ${method}.`, {
        details: { method },
        retryAfterMs: retryAfterMs ?? DEFAULT_RETRY_AFTER_MS,
      }),
    rejected: (method, platformError, details = {}) =>
      new KonstructError('platform_rejected', `${name} refused ${method}: ${platformError}.`, {
        details: { method, platformError, ...details },
      }),
    ofTransport(error, method) {
      if (!(error instanceof TransportError)) return unavailable(method, 'failed', true, error);
      if (error.kind !== 'aborted')
        return unavailable(method, error.systemCode ?? error.kind, error.sent, error);
      return new KonstructError('aborted', `The call ${method} was cancelled.`, {
        details: { method, ...(error.sent && { outcomeUnknown: true }) },
      });
    },
  };
}

/** Of a `Retry-After` header in seconds, in ms; `null`: it says none. A date is not what these platforms send. */
export function retryAfterMsOf(header: string | undefined): number | null {
  return header !== undefined && /^\d{1,7}$/.test(header) ? Number(header) * 1_000 : null;
}

const WORD = /^[A-Za-z][A-Za-z0-9_.]{0,79}$/;

/** A platform's own word for an error, if it is one: sentences may quote what was sent. */
export function wordOf(word: unknown, status: number): string {
  return typeof word === 'string' && WORD.test(word) ? word : `http_${status}`;
}
