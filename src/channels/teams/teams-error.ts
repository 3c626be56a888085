import type { KonstructError } from '../../core/errors.ts';
import { retryAfterMsOf, wordOf } from '../answer-words.ts';
import type { HttpAnswer } from '../kept-alive-http.ts';
import { createPlatformErrors } from '../platform-errors.ts';
import { asRecord, asText, readRecord } from '../read-json.ts';

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
  const error = asRecord(readRecord(text)?.error);
  const code = status === 401 ? 'unauthorized' : error?.code;
  const streamEnd = code === 'ContentStreamNotAllowed' ? streamEndOf(asText(error?.message)) : null;
  return teamsError.rejected(method, wordOf(code, status), {
    status,
    ...(streamEnd !== null && { streamEnd }),
  });
}

/**
 * Why a stream is refused, which only Microsoft's sentence says: a person pressed Stop (`stopped`), its two minutes are `over`,
 * it has `ended`, its text is `too_large`; `null`: another reason. Their pages and their answers write "canceled" and "cancelled".
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/streaming-ux#error-codes
 */
function streamEndOf(sentence: string): 'stopped' | 'over' | 'ended' | 'too_large' | null {
  if (/cancell?ed by user/i.test(sentence)) return 'stopped';
  if (/exceeded streaming time/i.test(sentence)) return 'over';
  if (/already completed/i.test(sentence)) return 'ended';
  return /size too large/i.test(sentence) ? 'too_large' : null;
}
