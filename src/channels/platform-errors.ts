import { KonstructError } from '../core/errors.ts';
import { TransportError } from './transport-error.ts';

/** How a platform's answers, and that there is none, are said in the project's errors. */
export interface PlatformErrors {
  /** A call that was not made, or was refused, because the platform wants less of them. */
  rateLimited(method: string, retryAfterMs: number, details?: Details): KonstructError;
  /**
   * A call that the platform refuses and would refuse again, or that we could not make. `details.remedy` says what the
   * operator can do where that is known better than "install the app again".
   */
  rejected(method: string, platformError: string, details?: Details): KonstructError;
  /** A call that failed for a reason that passes. */
  unavailable(
    method: string,
    platformError: string,
    outcomeUnknown: boolean,
    cause?: unknown,
  ): KonstructError;
  /** An exchange that ended without an answer: whether it may have been carried out, the transport knows. */
  ofTransport(error: unknown, method: string): KonstructError;
}

type Details = Readonly<Record<string, unknown>>;

/** When the platform says "slow down" without saying for how long. */
const DEFAULT_RETRY_AFTER_MS = 1_000;

/**
 * None of these holds a token, a text or a raw answer.
 * @param platform its name for people: `Telegram`
 */
export function createPlatformErrors(platform: string): PlatformErrors {
  const unavailable: PlatformErrors['unavailable'] = (method, platformError, outcomeUnknown, cause) =>
    new KonstructError('platform_unavailable', `${platform} did not answer ${method}: ${platformError}.`, {
      details: { method, platformError, ...(outcomeUnknown && { outcomeUnknown }) },
      cause,
    });
  return {
    rateLimited: (method, retryAfterMs, details = {}) =>
      new KonstructError('platform_rate_limited', `${platform} asked to slow down with ${method}.`, {
        details: { method, ...details },
        retryAfterMs: Math.max(retryAfterMs, DEFAULT_RETRY_AFTER_MS),
      }),
    rejected: (method, platformError, details = {}) =>
      new KonstructError('platform_rejected', `${platform} refused ${method}: ${platformError}.`, {
        details: { method, platformError, ...details },
      }),
    unavailable,
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
