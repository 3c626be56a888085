import type { KonstructError } from '../../core/errors.ts';
import { retryAfterMsOf, wordOf } from '../answer-words.ts';
import type { HttpAnswer } from '../kept-alive-http.ts';
import { createPlatformErrors } from '../platform-errors.ts';
import { asRecord, readRecord } from '../read-json.ts';

export const teamsError = createPlatformErrors('Microsoft Teams');

/**
 * An answer of the Bot Connector that is no success. Microsoft's code is kept, and nothing of its sentences: they may
 * quote what was sent.
 *
 * Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference#errorresponse-object,
 * https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit
 */
export function errorOfAnswer({ status, headers, text }: HttpAnswer, method: string): KonstructError {
  if (status === 429) return teamsError.rateLimited(method, retryAfterMsOf(headers['retry-after']));
  // "Must also be retried": another change came first, so nothing was done.
  if (status === 412) return teamsError.unavailable(method, 'http_412', false);
  if (status >= 500 || status === 408) return teamsError.unavailable(method, `http_${status}`, true);
  const code = status === 401 ? 'unauthorized' : asRecord(readRecord(text)?.error)?.code;
  return teamsError.rejected(method, wordOf(code, status), { status });
}
