import {
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
} from '@slack/web-api';
import { KonstructError } from '../../core/errors.ts';
import { asRecord } from '../read-json.ts';
import { TransportError } from '../transport-error.ts';
import { fromAnswer, fromStatus, fromTransport, rateLimited } from './slack-failure.ts';

/**
 * A failed call to Slack as the project's error, with Slack's word for it in `details.platformError`. Neither the
 * token nor a text nor the raw response gets into it: Slack's errors hold all of the response, so they are no `cause`.
 *
 * `details.outcomeUnknown` is set where Slack may have carried out the call all the same.
 */
export function toKonstructError(error: unknown, method: string): KonstructError {
  if (error instanceof KonstructError) return error;
  if (error instanceof WebAPIRateLimitedError) return rateLimited(method, error.retryAfter * 1000);
  if (error instanceof WebAPIPlatformError) return fromAnswer(asRecord(error.data) ?? {}, method);
  if (error instanceof WebAPIHTTPError) return fromStatus(error.statusCode, method);
  const original = error instanceof WebAPIRequestError ? error.original : error;
  if (original instanceof TransportError) return fromTransport(original, method);
  return new KonstructError('platform_unavailable', 'The call to Slack failed in an unexpected way.', {
    details: { method, outcomeUnknown: true },
    cause: original,
  });
}
