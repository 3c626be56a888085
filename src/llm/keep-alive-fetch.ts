import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from '../core/clock.ts';

/**
 * A `fetch` for model APIs over Node's own HTTP client: half the CPU per call of the built-in one (figures in
 * docs/decisions/0003-model-calls.md). It does what the AI SDK asks of it and no more: string bodies, no redirects (a key
 * must not follow one to another host), no cookies, no decompression. An answer is read as a whole, unless it says that
 * it is a stream of events: then nothing is read from the socket before somebody asks for it.
 *
 * Connections are kept open and shared by all tenants; an idle one does not keep the process alive.
 * Aborting the request's signal closes its socket at once.
 *
 * An error from before the connection stood is marked: `wasNeverSent` tells that it cost nothing.
 */
export function createKeepAliveFetch(options: KeepAliveOptions = {}): typeof globalThis.fetch {
  const { maxSocketsPerHost = 4_096, idleMs = 30_000, maxAnswerBytes = 16 * 1024 * 1024 } = options;
  const { proxyEnv, clock = () => performance.now() } = options;
  const agentOptions = {
    keepAlive: true,
    maxSockets: maxSocketsPerHost,
    timeout: idleMs,
    ...(proxyEnv ? { proxyEnv: { ...proxyEnv } } : {}),
  };
  const httpAgent = new HttpAgent(agentOptions);
  const httpsAgent = new HttpsAgent(agentOptions);

  function open(url: URL, requestOptions: RequestOptions): ClientRequest {
    return url.protocol === 'https:'
      ? httpsRequest(url, { ...requestOptions, agent: httpsAgent })
      : httpRequest(url, { ...requestOptions, agent: httpAgent });
  }

  function send(
    url: URL,
    init: KeepAliveInit,
    body: string | undefined,
    isRetry: boolean,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const { signal } = init;
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const headers = plainHeaders(init.headers);
      const request = open(url, {
        method: init.method ?? 'GET',
        headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
      });
      // Not Node's own `signal`: when the answer is complete, it destroys the socket with an error in the moment in which
      // the socket is handed back and nobody listens to it, and the process ends.
      let answer: IncomingMessage | null = null;
      let isSentAgain = false;
      const onAbort = () => {
        reject(signal?.reason);
        if (answer === null) request.destroy();
        else answer.destroy();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      request.on('close', () => {
        signal?.removeEventListener('abort', onAbort);
        // It ended without an answer and without an error, as when the server wants to speak another protocol.
        if (answer === null && !isSentAgain) reject(new BadAnswer(null));
      });
      const connection = watchConnection(request, init.connectTimeoutMs, clock);
      request.on('error', (error) => {
        connection.end();
        if (!connection.hasStood()) neverSent.add(error);
        // The server closed a kept connection just as we took it. Later than that it may have worked, and charge, for
        // this call: then whoever counts the cost has to know of the failure and decides on another.
        const isStale = request.reusedSocket && isReset(error) && answer === null && connection.isFresh();
        if (isStale && !isRetry && !signal?.aborted) {
          isSentAgain = true;
          send(url, init, body, true).then(resolve, reject);
        } else {
          reject(error);
        }
      });
      // What a handler throws ends the process.
      const answerWith = (message: IncomingMessage, body: () => AnswerBody) => {
        try {
          resolve(toResponse(message, body()));
        } catch (error) {
          reject(error);
          message.destroy();
        }
      };
      request.on('response', (message) => {
        answer = message;
        if (isEventStream(message)) {
          answerWith(message, () => streamBody(message, maxAnswerBytes));
          return;
        }
        const chunks: Buffer[] = [];
        let sizeBytes = 0;
        message.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          sizeBytes += chunk.length;
          if (sizeBytes > maxAnswerBytes)
            message.destroy(new AnswerTooLarge(maxAnswerBytes, message.statusCode));
        });
        message.on('error', reject);
        message.on('end', () => {
          answerWith(message, () => Buffer.concat(chunks, sizeBytes));
        });
      });
      request.end(body);
    });
  }

  return async (input, init = {}) => {
    const { body } = init;
    if (input instanceof Request || (body !== undefined && body !== null && typeof body !== 'string')) {
      throw new TypeError('This fetch takes a URL and a string body only.');
    }
    init.signal?.throwIfAborted();
    return send(new URL(input), init, body ?? undefined, false);
  };
}

export interface KeepAliveOptions {
  readonly maxSocketsPerHost?: number;
  /** How long an unused connection is kept, in ms. */
  readonly idleMs?: number;
  readonly maxAnswerBytes?: number;
  /** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, as in the environment; needs Node 24.5 or later. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>>;
  /** Tells when a kept connection was taken too long ago to have been closed already. */
  readonly clock?: Clock;
}

/** What a call may say beside what `fetch` knows; another `fetch` leaves it unread. */
export interface KeepAliveInit extends RequestInit {
  /** How long the connection may take to stand, in ms. */
  readonly connectTimeoutMs?: number;
}

/** The code of an error for a connection that did not stand in time; a system code in form. */
export const CONNECT_TIMEOUT = 'CONNECT_TIMEOUT';

/** A kept connection that the server had closed already says so at once; in ms. */
const STALE_WITHIN_MS = 1_000;

const neverSent = new WeakSet<object>();

/** Whether a call failed before its connection stood (address, proxy, TLS), and so reached nobody who charges for it. */
export function wasNeverSent(error: unknown): boolean {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; depth += 1) {
    if (neverSent.has(current)) return true;
    current = current.cause;
  }
  return false;
}

interface Connection {
  /** Whether anything can have been sent: with TLS, the handshake is over. */
  hasStood(): boolean;
  /** Whether it was taken only just now and nothing has been read from it since. */
  isFresh(): boolean;
  /** Ends the wait for it. */
  end(): void;
}

function watchConnection(request: ClientRequest, timeoutMs: number | undefined, clock: Clock): Connection {
  let stood = false;
  let takenAtMs = 0;
  let readBefore = 0;
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          request.destroy(
            Object.assign(new Error('The connection did not stand in time.'), { code: CONNECT_TIMEOUT }),
          );
        }, timeoutMs);
  const end = () => clearTimeout(timer);
  const stand = () => {
    stood = true;
    end();
  };
  request.on('socket', (socket) => {
    takenAtMs = clock();
    readBefore = socket.bytesRead;
    // `secureConnecting` is in no type. Behind a proxy the tunnel stands before the handshake begins.
    const isShakingHands = 'secureConnecting' in socket && socket.secureConnecting === true;
    if (!socket.connecting && !isShakingHands) stand();
    else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', stand);
  });
  request.on('close', end);
  return {
    hasStood: () => stood,
    isFresh: () => clock() - takenAtMs < STALE_WITHIN_MS && request.socket?.bytesRead === readBefore,
    end,
  };
}

/** Server-sent events, and the event stream of AWS. */
function isEventStream(message: IncomingMessage): boolean {
  const type = message.headers['content-type'] ?? '';
  return type.startsWith('text/event-stream') || type.startsWith('application/vnd.amazon.eventstream');
}

/** The body as it comes; every piece is taken from the socket when it is asked for, so that a slow reader slows the sender. */
function streamBody(message: IncomingMessage, maxBytes: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks: AsyncIterator<Buffer<ArrayBuffer>> = message[Symbol.asyncIterator]();
  let sizeBytes = 0;
  // Between two reads nobody listens: an abort then would end the process. The next read is told of it all the same.
  message.on('error', () => undefined);
  return new ReadableStream(
    {
      async pull(controller) {
        const { value, done } = await chunks.next();
        if (done) {
          controller.close();
          return;
        }
        sizeBytes += value.length;
        if (sizeBytes > maxBytes) {
          message.destroy();
          throw new AnswerTooLarge(maxBytes, message.statusCode);
        }
        controller.enqueue(value);
      },
      cancel() {
        message.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}

type AnswerBody = ReadableStream<Uint8Array<ArrayBuffer>> | Buffer<ArrayBuffer>;

/** Without the reason phrase: nobody reads it, and a `Response` refuses what some servers say there. */
function toResponse(message: IncomingMessage, body: AnswerBody) {
  const status = message.statusCode ?? 0;
  if (status < 200 || status > 599) throw new BadAnswer(status);
  return new Response(hasBody(status) ? body : null, { status, headers: singleHeaders(message.headers) });
}

/** An answer with a status that HTTP does not have, or none at all (`null`). */
export class BadAnswer extends Error {
  override readonly name = 'BadAnswer';
  readonly status: number | null;
  constructor(status: number | null) {
    super(status === null ? 'The connection ended without an answer.' : `HTTP has no status ${status}.`);
    this.status = status;
  }
}

/** It was there, and more than anybody reads. */
export class AnswerTooLarge extends Error {
  override readonly name = 'AnswerTooLarge';
  readonly maxBytes: number;
  readonly status: number;
  constructor(maxBytes: number, status = 200) {
    super(`The answer is larger than ${maxBytes} bytes.`);
    this.maxBytes = maxBytes;
    this.status = status;
  }
}

function plainHeaders(headers: RequestInit['headers']): Record<string, string> {
  if (headers === undefined) return {};
  return headers instanceof Headers || Array.isArray(headers)
    ? Object.fromEntries(headers)
    : (headers as Record<string, string>);
}

function singleHeaders(headers: NodeJS.Dict<string | string[]>): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
  );
}

/** Statuses for which a `Response` may not be given a body. */
function hasBody(status: number): boolean {
  return status !== 204 && status !== 205 && status !== 304;
}

function isReset(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ECONNRESET' || error.code === 'EPIPE';
}
