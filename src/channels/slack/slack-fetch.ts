import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { FetchFunction } from '@slack/web-api';
import { systemCodeOf, TransportError } from './transport-error.ts';

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

/** The largest response that is read: a thread of 1,000 messages has about 2 MB. */
const MAX_RESPONSE_CHARACTERS = 16 * 1024 * 1024;
/** Shorter than the idle time after which servers hang up, so that a request seldom meets a closing connection. */
const IDLE_MS = 15_000;
const MAX_SOCKETS = 256;
/** A response that was cut short of its Retry-After says nothing about how long; Slack's shortest is a second. */
const DEFAULT_RETRY_AFTER_SECONDS = 1;

/** Failures before a connection stood, so nothing was sent. */
const NEVER_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
]);

/**
 * The part of `fetch` that Slack's client needs, on `node:http(s)` with kept-alive connections. It costs about a third
 * of the CPU of the built-in `fetch` (docs/decisions/0004-slack-client.md), and it knows whether a failed request had
 * been sent, which decides whether it may be sent again.
 *
 * Rejects with `TransportError`.
 */
export function createSlackFetch({ timeoutMs, currentSignal }: SlackFetchOptions): SlackFetch {
  const agentOptions = {
    keepAlive: true,
    maxSockets: MAX_SOCKETS,
    scheduling: 'lifo',
    timeout: IDLE_MS,
  } as const;
  const plain = new HttpAgent(agentOptions);
  const secure = new HttpsAgent(agentOptions);
  const targets = new Map<string, RequestTarget>();

  const targetOf = (url: string): RequestTarget => {
    const known = targets.get(url);
    if (known !== undefined) return known;
    const target = parseTarget(url);
    targets.set(url, target);
    return target;
  };

  return {
    fetch: (url, init = {}) => {
      const { body = '', headers = {}, method = 'GET' } = init;
      if (typeof body !== 'string') return Promise.reject(new TypeError('Only text bodies can be sent.'));
      const target = targetOf(String(url));
      const options = {
        method,
        headers,
        hostname: target.hostname,
        port: target.port,
        path: target.path,
        agent: target.secure ? secure : plain,
      };
      const request = target.secure ? httpsRequest(options) : httpRequest(options);
      return exchange(request, body, String(url), timeoutMs, currentSignal());
    },
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

interface RequestTarget {
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: string;
  readonly path: string;
}

function parseTarget(text: string): RequestTarget {
  const url = new URL(text);
  return {
    secure: url.protocol === 'https:',
    // `URL` writes IPv6 addresses in brackets; a socket wants them without.
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port,
    path: url.pathname + url.search,
  };
}

type FetchResponse = Awaited<ReturnType<FetchFunction>>;

function exchange(
  request: ClientRequest,
  body: string,
  url: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<FetchResponse> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (kind: 'aborted' | 'timeout' | 'connection', cause?: unknown): void => {
      finish();
      reject(new TransportError(kind, wasSent(request, cause), cause));
      request.destroy();
    };
    const onAbort = (): void => fail('aborted');
    const timer = setTimeout(() => fail('timeout'), timeoutMs);

    request.on('error', (cause) => fail('connection', cause));
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_RESPONSE_CHARACTERS)
          fail('connection', new Error('The response is too large.'));
      });
      response.on('error', (cause) => fail('connection', cause));
      response.on('end', () => {
        finish();
        resolve(asFetchResponse(response, text, url));
      });
    });
    if (signal?.aborted) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    request.end(body);
  });
}

/**
 * Whether the request may have reached the other side: the connection stood and, with TLS, its handshake was over.
 * A certificate that is not believed fails within the handshake. (`secureConnecting` is in no type; without it the
 * answer would be the careful one.)
 */
function wasSent(request: ClientRequest, cause: unknown): boolean {
  const code = systemCodeOf(cause);
  if (code !== null && NEVER_CONNECTED.has(code)) return false;
  const { socket } = request;
  if (socket === null || socket === undefined || socket.connecting) return false;
  return !('secureConnecting' in socket && socket.secureConnecting === true);
}

function asFetchResponse(response: IncomingMessage, text: string, url: string): FetchResponse {
  const status = response.statusCode ?? 0;
  const { headers } = response;
  return {
    ok: status >= 200 && status < 300,
    status,
    statusText: response.statusMessage ?? '',
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
