import type { Log } from '../../core/log.ts';
import type { KeptAliveHttp } from '../kept-alive-http.ts';
import { isSlackAddress } from './slack-address.ts';

/** Tells whoever gave a command something that nobody else sees. */
export type Respond = (responseUrl: string, text: string, signal: AbortSignal) => Promise<void>;

/**
 * By the address that came with the command: it works where the app is no member, for half an hour. The address is Slack's
 * only if it is where Slack has such: whatever a request says, nothing is sent elsewhere.
 *
 * Source: https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
 */
export function createRespond(parts: {
  readonly http: KeptAliveHttp;
  readonly apiUrl: string;
  readonly timeoutMs: number;
  readonly log: Log;
}): Respond {
  const { http, apiUrl, timeoutMs, log } = parts;
  return async (responseUrl, text, signal) => {
    if (!isSlackAddress(responseUrl, apiUrl)) {
      log.warn('slack.response_url_refused', {});
      return;
    }
    const { origin, pathname, search } = new URL(responseUrl);
    try {
      const { status } = await http.exchange({
        base: origin,
        path: `${pathname}${search}`,
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8' },
        body: JSON.stringify({ response_type: 'ephemeral', text }),
        timeoutMs,
        signal,
      });
      if (status !== 200) log.warn('slack.response_failed', { status });
    } catch (error) {
      // It only explains: what it explains has happened already.
      log.warn('slack.response_failed', { error });
    }
  };
}
