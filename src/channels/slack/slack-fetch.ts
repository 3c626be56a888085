import type { FetchFunction } from '@slack/web-api';
import { createKeptAliveHttp, type HttpAnswer } from '../kept-alive-http.ts';

export interface SlackFetch {
  readonly fetch: FetchFunction;
  /** Ends the connections kept open. */
  close(): void;
}

export interface SlackFetchOptions {
  /** From the start of the request to the last byte of the response. */
  readonly timeoutMs: number;
  /** What ends the request that is being started, besides the deadline. */
  readonly currentSignal: () => AbortSignal | undefined;
}

/** A response that was cut short of its Retry-After says nothing about how long; Slack's shortest is a second. */
const DEFAULT_RETRY_AFTER_SECONDS = 1;

/** The part of `fetch` that Slack's client needs, on kept-alive connections. Rejects with `TransportError`. */
export function createSlackFetch({ timeoutMs, currentSignal }: SlackFetchOptions): SlackFetch {
  const http = createKeptAliveHttp();
  return {
    async fetch(url, init = {}) {
      const { body = '', headers = {}, method = 'GET' } = init;
      if (typeof body !== 'string') throw new TypeError('Only text bodies can be sent.');
      const base = String(url);
      const signal = currentSignal();
      return asFetchResponse(await http.exchange({ base, method, headers, body, timeoutMs, signal }), base);
    },
    close: () => http.close(),
  };
}

type FetchResponse = Awaited<ReturnType<FetchFunction>>;

function asFetchResponse({ status, statusText, headers, text }: HttpAnswer, url: string): FetchResponse {
  return {
    ok: status >= 200 && status < 300,
    status,
    statusText,
    url,
    headers: {
      get(name) {
        const value = headers[name];
        if (name === 'retry-after' && status === 429) return retryAfterSeconds(value);
        if (value === undefined) return null;
        return typeof value === 'string' ? value : value.join(', ');
      },
      entries: () =>
        Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]),
    },
    text: () => Promise.resolve(text),
    json: () => Promise.resolve(JSON.parse(text)),
    arrayBuffer: () => Promise.resolve(new TextEncoder().encode(text).buffer),
  };
}

/** Slack's client throws an error of no class when a 429 lacks a number of seconds, so it always gets one. */
function retryAfterSeconds(value: string | readonly string[] | undefined): string {
  const seconds = Number.parseInt(String(value), 10);
  return String(Number.isNaN(seconds) ? DEFAULT_RETRY_AFTER_SECONDS : seconds);
}
