import type { KonstructError } from '../../core/errors.ts';
import type { HttpAnswer } from '../kept-alive-http.ts';
import { platformErrors, retryAfterMsOf } from '../platform-errors.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';

export const googleError = platformErrors('Google Chat');

const WORD = /^[A-Za-z][A-Za-z0-9_.]{0,79}$/;

/**
 * An answer of Google's that is no success. Only its word for it is kept: its sentences may quote what was sent.
 *
 * Source: https://cloud.google.com/apis/design/errors
 */
export function errorOfAnswer({ status, headers, text }: HttpAnswer, method: string): KonstructError {
  if (status === 429) return googleError.rateLimited(method, retryAfterMsOf(headers['retry-after']));
  if (status >= 500 || status === 408) return googleError.unavailable(method, `http_${status}`, true);
  const word = asRecord(readJson(text)?.error)?.status;
  return googleError.rejected(method, wordOf(word, status), { status });
}

/**
 * A refusal of the token endpoint: the service account, its key or this machine's clock is wrong.
 *
 * Source: https://developers.google.com/identity/protocols/oauth2/service-account#jwt-error-codes
 */
export function errorOfLogin({ status, headers, text }: HttpAnswer): KonstructError {
  const method = 'login';
  if (status === 429) return googleError.rateLimited(method, retryAfterMsOf(headers['retry-after']));
  const word = readJson(text)?.error;
  // Nothing of the message was sent yet, whatever became of this.
  if (status >= 500 || typeof word !== 'string')
    return googleError.unavailable(method, `http_${status}`, false);
  return googleError.rejected(method, wordOf(word, status));
}

export function readJson(text: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}

function wordOf(word: unknown, status: number): string {
  return typeof word === 'string' && WORD.test(word) ? word : `http_${status}`;
}
