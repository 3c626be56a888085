import type { KonstructError } from '../../core/errors.ts';
import type { HttpAnswer } from '../kept-alive-http.ts';
import { platformErrors, retryAfterMsOf } from '../platform-errors.ts';
import { asRecord } from '../read-json.ts';

export const teamsError = platformErrors('Microsoft Teams');

const WORD = /^[A-Za-z][A-Za-z0-9_.]{0,79}$/;

/**
 * An answer of the Bot Connector that is no success.
 *
 * Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference#errorresponse-object,
 * https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit
 */
export function errorOfAnswer({ status, headers, text }: HttpAnswer, method: string): KonstructError {
  if (status === 429) return teamsError.rateLimited(method, retryAfterMsOf(headers['retry-after']));
  // "Must also be retried": another change came first, so nothing was done.
  if (status === 412) return teamsError.unavailable(method, 'http_412', false);
  if (status >= 500 || status === 408) return teamsError.unavailable(method, `http_${status}`, true);
  return teamsError.rejected(method, status === 401 ? 'unauthorized' : wordOf(text, status), { status });
}

/** Microsoft's code, and nothing of its sentences: they may quote what was sent. */
function wordOf(text: string, status: number): string {
  const code = asRecord(readJson(text)?.error)?.code;
  return typeof code === 'string' && WORD.test(code) ? code : `http_${status}`;
}

/**
 * A refusal of the token endpoint: the app's id, password or tenant is wrong.
 *
 * Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#error-response-1
 */
export function errorOfLogin({ status, headers, text }: HttpAnswer): KonstructError {
  const method = 'login';
  if (status === 429) return teamsError.rateLimited(method, retryAfterMsOf(headers['retry-after']));
  const word = readJson(text)?.error;
  // Nothing of the message was sent yet, whatever became of this.
  if (status >= 500 || typeof word !== 'string')
    return teamsError.unavailable(method, `http_${status}`, false);
  return teamsError.rejected(method, WORD.test(word) ? word : `http_${status}`);
}

export function readJson(text: string): Readonly<Record<string, unknown>> | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}
