import { type RawData, WebSocket } from 'ws';
import type { ChannelRequest } from '../../../core/channel.ts';
import type { Log, LogFields } from '../../../core/log.ts';
import { parseSocketMessage } from './parse-socket-message.ts';

export interface SlackSocketOptions {
  /** From `apps.connections.open`; holds a ticket, so it is never logged. */
  readonly url: string;
  /** Resolves when the request is durable; its envelope is acked then and not before. */
  readonly receive: (request: ChannelRequest) => Promise<void>;
  readonly timing: SlackSocketTiming;
  readonly log: Log;
  readonly fields: LogFields;
}

/** All in ms. */
export interface SlackSocketTiming {
  /** From the start of the connection to Slack's hello. */
  readonly helloMs: number;
  readonly pingEveryMs: number;
  /** A socket on which nothing was heard for so long, not even a pong, is dead. */
  readonly silenceMs: number;
  /** How long the other side may take to close. Slack sends the close frame and keeps the connection. */
  readonly closeMs: number;
}

/** Why a socket needs a successor: Slack's word (`refresh_requested`, `warning`, `link_disabled`, …), or `closed`. */
export type SocketEnd = { readonly reason: string };

/** One connection that has been greeted and takes events. */
export interface SlackSocket {
  /** Resolves when a successor should be opened. Until it is closed the socket goes on taking events. */
  readonly ended: Promise<SocketEnd>;
  readonly closed: Promise<void>;
  /** Takes no more, waits for what is under way for at most `deadlineMs`, acks it and closes. */
  close(deadlineMs: number): Promise<void>;
}

const MAX_MESSAGE_BYTES = 1024 * 1024;

/**
 * Opens one socket. Resolves with Slack's hello.
 *
 * An envelope is acked when `receive` has resolved. When it rejects, or the process dies, or the socket is gone by then,
 * there is no ack and Slack sends the envelope again, on this socket or another one.
 */
export function openSlackSocket(options: SlackSocketOptions, signal: AbortSignal): Promise<SlackSocket> {
  const { timing, log, fields } = options;
  const underWay = new Set<Promise<void>>();
  const ended = Promise.withResolvers<SocketEnd>();
  const closed = Promise.withResolvers<void>();
  const greeted = Promise.withResolvers<SlackSocket>();
  let isClosing = false;
  let failure: unknown = null;
  const socket = new WebSocket(options.url, {
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
  });

  const onAbort = () => socket.terminate();
  signal.addEventListener('abort', onAbort, { once: true });
  const helloTimer = setTimeout(() => socket.terminate(), timing.helloMs);
  let silence = setTimeout(onSilence, timing.silenceMs);
  const pings = setInterval(() => socket.readyState === WebSocket.OPEN && socket.ping(), timing.pingEveryMs);

  function onSilence(): void {
    log.warn('slack.socket_silent', { ...fields, silenceMs: timing.silenceMs });
    socket.terminate();
  }
  function heard(): void {
    clearTimeout(silence);
    silence = setTimeout(onSilence, timing.silenceMs);
  }

  async function take(envelopeId: string, request: ChannelRequest): Promise<void> {
    try {
      await options.receive(request);
    } catch (error) {
      log.warn('slack.envelope_unacked', { ...fields, path: request.path, code: codeOf(error) });
      return;
    }
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ envelope_id: envelopeId }));
  }

  function onMessage(data: RawData): void {
    heard();
    const message = parseSocketMessage(String(data));
    switch (message.kind) {
      case 'hello':
        clearTimeout(helloTimer);
        log.info('slack.socket_ready', { ...fields, appId: message.appId, sockets: message.sockets });
        greeted.resolve({ ended: ended.promise, closed: closed.promise, close });
        return;
      case 'disconnect':
        log.info('slack.socket_ending', { ...fields, reason: message.reason });
        ended.resolve({ reason: message.reason });
        greeted.reject(new SocketRefused(message.reason));
        return;
      case 'envelope': {
        if (isClosing) return; // Slack sends it again, to somebody who stays
        const taking = take(message.envelopeId, message.request).finally(() => underWay.delete(taking));
        underWay.add(taking);
        return;
      }
      case 'unknown':
        log.debug('slack.socket_message_unknown', { ...fields, type: message.type });
        return;
      default:
        message satisfies never;
    }
  }

  async function close(deadlineMs: number): Promise<void> {
    isClosing = true;
    await within(deadlineMs, Promise.allSettled(underWay));
    if (socket.readyState !== WebSocket.CLOSED) socket.close(1000);
    await within(timing.closeMs, closed.promise);
    socket.terminate();
    await closed.promise;
  }

  socket.on('message', onMessage);
  socket.on('ping', heard);
  socket.on('pong', heard);
  socket.on('error', (error) => {
    failure = error; // 'close' always follows
  });
  socket.on('close', () => {
    for (const timer of [helloTimer, silence]) clearTimeout(timer);
    clearInterval(pings);
    signal.removeEventListener('abort', onAbort);
    ended.resolve({ reason: 'closed' });
    greeted.reject(failure ?? new SocketRefused('closed_before_hello'));
    closed.resolve();
  });
  return greeted.promise;
}

/** The socket was opened and Slack did not want it. */
export class SocketRefused extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(`The socket ended before its hello: ${reason}.`);
    this.name = 'SocketRefused';
    this.reason = reason;
  }
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'internal';
}

/** Waits for the work, or no longer than this. */
async function within(deadlineMs: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, deadlineMs);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
