import type { KonstructError } from '../../core/errors.ts';
import { retryAfterMsOf, wordOf } from '../answer-words.ts';
import type { HttpAnswer } from '../kept-alive-http.ts';
import { createPlatformErrors } from '../platform-errors.ts';
import { asRecord, readRecord } from '../read-json.ts';

export const googleError = createPlatformErrors('Google Chat');

/**
 * An answer of Google's that is no success. Only its word for it is kept: its sentences may quote what was sent.
 *
 * Source: https://cloud.google.com/apis/design/errors
 */
export function errorOfAnswer({ status, headers, text }: HttpAnswer, method: string): KonstructError {
  if (status === 429) return googleError.rateLimited(method, retryAfterMsOf(headers['retry-after']));
  if (status >= 500 || status === 408) return googleError.unavailable(method, `http_${status}`, true);
  const word = asRecord(readRecord(text)?.error)?.status;
  return googleError.rejected(method, wordOf(word, status), { status });
}
