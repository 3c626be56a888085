import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { systemCodeOf, TransportError } from './transport-error.ts';

export interface HttpCall {
  /** Scheme, host and the beginning of the path; remembered, so it holds no secret. */
  readonly base: string;
  /** What follows the base, perhaps with a secret in it. */
  readonly path?: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  /** The answer is read as bytes, at most so many; what is longer is left unread and `isCut`. */
  readonly maxBytes?: number;
  /** From the start of the request to the last byte of the response. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  /** Empty where bytes were asked for. */
  readonly text: string;
  /** Empty unless bytes were asked for. */
  readonly bytes: Uint8Array;
  /** There was more than `maxBytes`. */
  readonly isCut: boolean;
}

export interface KeptAliveHttpOptions {
  /** Finds the address of a host, and may refuse it. */
  readonly lookup?: LookupFunction;
  /** Certificates (PEM) that are believed instead of the well-known ones. */
  readonly ca?: string;
  /** Connections to one host at a time; what comes beyond waits for one. */
  readonly maxSockets?: number;
}

/** HTTP exchanges over connections that are kept open. Rejects with `TransportError`. */
export interface KeptAliveHttp {
  exchange(call: HttpCall): Promise<HttpAnswer>;
  /** Ends the connections kept open. */
  close(): void;
}

/** The largest response that is read: a thread of 1,000 messages has about 2 MB. */
const MAX_RESPONSE_CHARACTERS = 16 * 1024 * 1024;
/** Shorter than the idle time after which servers hang up, so that a request seldom meets a closing connection. */
const IDLE_MS = 15_000;
const MAX_SOCKETS = 256;

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
 * On `node:http(s)`. It costs about a third of the CPU of the built-in `fetch` (docs/decisions/0004-slack-client.md),
 * and it knows whether a failed request had been sent, which decides whether it may be sent again.
 */
export function createKeptAliveHttp(given: KeptAliveHttpOptions = {}): KeptAliveHttp {
  const { lookup, ca, maxSockets = MAX_SOCKETS } = given;
  const agentOptions = {
    keepAlive: true,
    maxSockets,
    scheduling: 'lifo',
    timeout: IDLE_MS,
    ...(lookup !== undefined && { lookup }),
  } as const;
  const plain = new HttpAgent(agentOptions);
  const secure = new HttpsAgent({ ...agentOptions, ...(ca !== undefined && { ca }) });
  const targets = new Map<string, RequestTarget>();

  const targetOf = (url: string): RequestTarget => {
    const known = targets.get(url);
    if (known !== undefined) return known;
    const target = parseTarget(url);
    targets.set(url, target);
    return target;
  };

  return {
    exchange: (call) => {
      const { base, path = '', method, headers } = call;
      const target = targetOf(base);
      const options = {
        method,
        headers,
        hostname: target.hostname,
        port: target.port,
        // A base without a path has one of its own: the slash.
        path: path === '' ? target.path : target.path.replace(/\/$/, '') + path,
        agent: target.secure ? secure : plain,
      };
      const request = target.secure ? httpsRequest(options) : httpRequest(options);
      return exchange(request, call);
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

function exchange(
  request: ClientRequest,
  { body, maxBytes, timeoutMs, signal }: HttpCall,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const finish = (): void => {
      isOver = true;
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
    // A connection that is to speak another protocol from now on ends without an error.
    request.on('close', () => isOver || fail('connection'));
    request.on('response', (response) => {
      let text = '';
      const chunks: Buffer[] = [];
      let size = 0;
      const succeed = (isCut: boolean): void => {
        finish();
        resolve({
          status: response.statusCode ?? 0,
          statusText: response.statusMessage ?? '',
          headers: response.headers,
          text,
          bytes: Buffer.concat(chunks),
          isCut,
        });
      };
      if (maxBytes === undefined) {
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > MAX_RESPONSE_CHARACTERS)
            fail('connection', new Error('The response is too large.'));
        });
      } else {
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size <= maxBytes) {
            chunks.push(chunk);
            return;
          }
          succeed(true);
          request.destroy();
        });
      }
      response.on('error', (cause) => fail('connection', cause));
      response.on('end', () => succeed(false));
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
