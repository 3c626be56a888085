import type { IncomingHttpHeaders } from 'node:http';
import type { KonstructError } from '../../core/errors.ts';
import { isKonstructError } from '../../core/errors.ts';
import { retryAfterMsOf, wordOf } from '../answer-words.ts';
import { createPlatformErrors } from '../platform-errors.ts';
import { readRecord } from '../read-json.ts';

export const mattermostErrors = createPlatformErrors('Mattermost');
export const { rejected, unavailable } = mattermostErrors;

export interface Refusal {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/**
 * An answer that is no success, as the project's error. Its `id` is a word of Mattermost's; its sentence, which may quote
 * what was sent, is not looked at.
 *
 * Source: https://developers.mattermost.com/api-documentation/ ("Errors", "Rate limiting")
 *
 * @param notFound what a 404 means for this call
 */
export function errorOfAnswer(
  { status, headers, text }: Refusal,
  call: string,
  notFound: string,
): KonstructError {
  if (status === 429) {
    const reset = headers['x-ratelimit-reset'];
    const asked = headers['retry-after'] ?? (typeof reset === 'string' ? reset : undefined);
    return mattermostErrors.rateLimited(call, retryAfterMsOf(asked));
  }
  const id = readRecord(text)?.id;
  // From the outside a gateway's trouble looks the same before and after the work.
  if (status >= 500 || status === 408) return unavailable(call, wordOf(id, status), true);
  if (typeof id !== 'string') return rejected(call, `http_${status}`); // a proxy's page, or no Mattermost at all
  if (status === 401) return rejected(call, 'unauthorized');
  if (status === 404) return rejected(call, notFound);
  if (id === 'api.context.permissions.app_error') return rejected(call, 'missing_permission');
  return rejected(call, wordOf(id, status));
}

export function isRefusal(error: unknown, platformError: string): boolean {
  return isKonstructError(error, 'platform_rejected') && error.details.platformError === platformError;
}
