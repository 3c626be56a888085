import { type RawData, WebSocket } from 'ws';
import { asRecord, type JsonRecord, readRecord } from '../../read-json.ts';
import { guardedLookup } from '../server-url.ts';

export interface EventSocketOptions {
  /** `wss://chat.acme.example/api/v4/websocket` */
  readonly url: string;
  readonly token: string;
  /** Believed instead of the well-known ones; empty: those. */
  readonly certificate: string;
  readonly timing: EventSocketTiming;
}

/** All in ms. */
export interface EventSocketTiming {
  /** From the start of the connection to the server's hello. */
  readonly helloMs: number;
  readonly pingEveryMs: number;
  /** A socket on which nothing was heard for so long, not even a pong, is dead. */
  readonly silenceMs: number;
}

/** A connection that the server has greeted. */
export interface EventSocket {
  /** What comes next, in order; `null`: it has ended. */
  next(): Promise<JsonRecord | null>;
  /** Why it ended: a word for the log. */
  reason(): string;
  close(): void;
}

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** So many events may wait here; what comes then waits at the server, which keeps 256 and then hangs up. */
const MAX_WAITING = 500;

/**
 * Opens a socket, shows the token and waits for hello. The server numbers its events: when one is missing it has dropped
 * some, and the socket ends, so that they are looked for.
 *
 * Source: https://developers.mattermost.com/api-documentation/ ("WebSocket")
 */
export function openEventSocket(options: EventSocketOptions, signal: AbortSignal): Promise<EventSocket> {
  const { timing, token, certificate } = options;
  const greeted = Promise.withResolvers<EventSocket>();
  const waiting: JsonRecord[] = [];
  let wanted: ((event: JsonRecord | null) => void) | null = null;
  let expected = 0;
  let isOver = false;
  let reason = 'closed';

  const socket = new WebSocket(options.url, {
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
    handshakeTimeout: timing.helloMs,
    lookup: guardedLookup,
    ...(certificate === '' ? {} : { ca: certificate }),
  });
  const end = (why: string): void => {
    if (!isOver && reason === 'closed') reason = why;
    socket.terminate();
  };
  const onAbort = (): void => end('aborted');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const helloTimer = setTimeout(() => end('no_hello'), timing.helloMs);
  let silence = setTimeout(onSilence, timing.silenceMs);
  const pings = setInterval(() => socket.readyState === WebSocket.OPEN && socket.ping(), timing.pingEveryMs);

  const heard = (): void => {
    clearTimeout(silence);
    silence = setTimeout(onSilence, timing.silenceMs);
  };
  function onSilence(): void {
    // While nothing more is taken in, nothing is heard either.
    if (socket.isPaused) heard();
    else end('silent');
  }

  const opened: EventSocket = {
    next() {
      const event = waiting.shift();
      if (waiting.length < MAX_WAITING / 2 && socket.isPaused) socket.resume();
      if (event !== undefined) return Promise.resolve(event);
      if (isOver) return Promise.resolve(null);
      return new Promise((resolve) => {
        wanted = resolve;
      });
    },
    reason: () => reason,
    close: () => end('closed'),
  };

  const onMessage = (data: RawData): void => {
    heard();
    const message = readRecord(String(data));
    if (message === null) return;
    if (message.status === 'FAIL') {
      end(refusalOf(message));
      return;
    }
    if (typeof message.event !== 'string' || typeof message.seq !== 'number') return;
    if (message.event === 'hello') {
      clearTimeout(helloTimer);
      expected = message.seq + 1;
      greeted.resolve(opened);
      return;
    }
    if (message.seq !== expected) {
      end('events_missing');
      return;
    }
    expected += 1;
    if (wanted !== null) {
      const give = wanted;
      wanted = null;
      give(message);
      return;
    }
    waiting.push(message);
    if (waiting.length >= MAX_WAITING) socket.pause();
  };

  socket.on('open', () => {
    socket.send(JSON.stringify({ seq: 1, action: 'authentication_challenge', data: { token } }));
  });
  socket.on('message', onMessage);
  socket.on('ping', heard);
  socket.on('pong', heard);
  socket.on('unexpected-response', (_request, response) => end(`http_${response.statusCode ?? 0}`));
  socket.on('error', (error: Error & { code?: string }) => {
    if (reason === 'closed') reason = error.code ?? 'connection_failed'; // 'close' always follows
  });
  socket.on('close', () => {
    isOver = true;
    for (const timer of [helloTimer, silence]) clearTimeout(timer);
    clearInterval(pings);
    signal.removeEventListener('abort', onAbort);
    greeted.reject(new SocketRefused(reason));
    wanted?.(null);
    wanted = null;
  });
  return greeted.promise;
}

/** The server did not want the socket, or there is none. */
export class SocketRefused extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(`The socket was refused: ${reason}.`);
    this.name = 'SocketRefused';
    this.reason = reason;
  }
}

function refusalOf(message: JsonRecord): string {
  const id = asRecord(message.error)?.id;
  return typeof id === 'string' && /^[\w.]{1,80}$/.test(id) ? id : 'refused';
}
