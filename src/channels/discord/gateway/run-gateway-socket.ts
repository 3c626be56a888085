import type { RawData } from 'ws';
import type { Random } from '../../../core/clock.ts';
import { asRecord, type JsonRecord, readRecord } from '../../read-json.ts';
import { meaningOf } from './close-codes.ts';

export interface GatewaySession {
  readonly id: string;
  /** As `gatewayAddress` makes it. */
  readonly resumeUrl: string;
}

export interface GatewaySocketOptions {
  /** As `gatewayAddress` makes it. */
  readonly url: string;
  readonly token: string;
  readonly intents: number;
  /** What is gone on with; `null`: a new session begins. */
  readonly resume: { readonly sessionId: string; readonly sequence: number } | null;
  /** The number of the last event that is done; `null`: none is. */
  readonly handled: () => number | null;
  readonly onDispatch: (name: string, data: JsonRecord, sequence: number) => void;
  /** Discord has answered: the connection lives. */
  readonly onHeard: () => void;
  /** Ends the connection so that its session can be gone on with. */
  readonly failed: AbortSignal;
  readonly random: Random;
  readonly timing?: Partial<GatewayTiming>;
}

/** In ms. */
export interface GatewayTiming {
  /** From the start of the connection to Discord's hello. */
  readonly helloMs: number;
  /** How long the other side may take to close. */
  readonly closeMs: number;
}

/** Why a connection ended. */
export interface GatewayEnd {
  /** Discord's close code; `null`: there was none. */
  readonly code: number | null;
  /** For the log: `closed`, `reconnect`, `zombie`, `session_invalid`, `no_hello`, … */
  readonly reason: string;
  readonly canResume: boolean;
}

/** Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-opcodes */
const OPS = {
  dispatch: 0,
  heartbeat: 1,
  identify: 2,
  resume: 6,
  reconnect: 7,
  invalidSession: 9,
  hello: 10,
  heartbeatAck: 11,
} as const;
const defaultTiming: GatewayTiming = { helloMs: 15_000, closeMs: 2_000 };
/** A server with 500 channels and as many threads takes about a tenth. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;
/** Of ours: the session stays, and is gone on with. */
const KEEP_SESSION = 4000;
/** Of ours: the bot goes offline. */
const END_SESSION = 1000;
const MIN_HEARTBEAT_MS = 10;
const USUAL_HEARTBEAT_MS = 41_250;
/** A longer time no timer takes: it would be none at all. */
const MAX_HEARTBEAT_MS = 10 * 60_000;

/**
 * One connection to the gateway, from its opening to its end: says hello, keeps the heart beating, and hands on what
 * comes. A heart beat that is not answered before the next one is due means that nobody is there any more.
 *
 * Source: https://discord.com/developers/docs/events/gateway
 */
export async function runGatewaySocket(
  options: GatewaySocketOptions,
  signal: AbortSignal,
): Promise<GatewayEnd> {
  const timing = { ...defaultTiming, ...options.timing };
  const { WebSocket: Socket } = await import('ws');
  const ended = Promise.withResolvers<GatewayEnd>();
  const socket = new Socket(options.url, {
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
    handshakeTimeout: timing.helloMs,
  });
  /** Why we end it ourselves, if we do. */
  let own: { readonly reason: string; readonly canResume: boolean } | null = null;
  let failure: string | null = null;
  let beats: NodeJS.Timeout | undefined;
  let isAnswered = true;
  const helloTimer = setTimeout(() => end('no_hello', true), timing.helloMs);
  let closeTimer: NodeJS.Timeout | undefined;

  function end(reason: string, canResume: boolean, code: number = KEEP_SESSION): void {
    if (own !== null) return;
    own = { reason, canResume };
    clearTimeout(beats);
    if (socket.readyState === socket.OPEN) socket.close(code);
    else socket.terminate();
    closeTimer = setTimeout(() => socket.terminate(), timing.closeMs);
  }

  function send(op: number, d: unknown): void {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify({ op, d }));
  }

  function beat(everyMs: number): void {
    if (!isAnswered) {
      end('zombie', true);
      return;
    }
    isAnswered = false;
    send(OPS.heartbeat, options.handled());
    beats = setTimeout(() => beat(everyMs), everyMs);
  }

  function onHello(d: JsonRecord | null): void {
    clearTimeout(helloTimer);
    const everyMs = heartbeatMs(d?.heartbeat_interval);
    clearTimeout(beats);
    // Not all at the same time, when many come back together.
    beats = setTimeout(() => beat(everyMs), everyMs * options.random());
    const { resume, token, intents } = options;
    if (resume !== null) {
      send(OPS.resume, { token, session_id: resume.sessionId, seq: resume.sequence });
      return;
    }
    const properties = { os: process.platform, browser: 'konstruct', device: 'konstruct' };
    send(OPS.identify, { token, intents, properties, compress: false });
  }

  function onMessage(data: RawData): void {
    if (own !== null) return;
    const message = readRecord(String(data));
    if (message === null) return;
    options.onHeard();
    const { op, t, s } = message;
    switch (op) {
      case OPS.hello:
        onHello(asRecord(message.d));
        return;
      case OPS.dispatch:
        if (typeof t === 'string' && typeof s === 'number')
          options.onDispatch(t, asRecord(message.d) ?? {}, s);
        return;
      case OPS.heartbeat:
        send(OPS.heartbeat, options.handled());
        return;
      case OPS.heartbeatAck:
        isAnswered = true;
        return;
      case OPS.reconnect:
        end('reconnect', true);
        return;
      case OPS.invalidSession:
        end('session_invalid', message.d === true);
        return;
      default: // something new of Discord's
    }
  }

  const onAbort = () => end('stopped', false, END_SESSION);
  const onFailed = () => end('failed', true);
  signal.addEventListener('abort', onAbort, { once: true });
  options.failed.addEventListener('abort', onFailed, { once: true });
  socket.on('message', onMessage);
  socket.on('error', (error) => {
    failure = codeOf(error); // 'close' always follows
  });
  socket.on('close', (code) => {
    for (const timer of [helloTimer, beats, closeTimer]) clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    options.failed.removeEventListener('abort', onFailed);
    const said = code === NO_STATUS || code === ABNORMAL ? null : code;
    ended.resolve(
      own !== null
        ? { code: null, ...own }
        : { code: said, reason: failure ?? 'closed', canResume: meaningOf(said).canResume },
    );
  });
  if (signal.aborted) onAbort();
  if (options.failed.aborted) onFailed();
  return ended.promise;
}

function heartbeatMs(given: unknown): number {
  if (typeof given !== 'number' || !(given > 0)) return USUAL_HEARTBEAT_MS;
  return Math.min(MAX_HEARTBEAT_MS, Math.max(MIN_HEARTBEAT_MS, given));
}

/** Given by `ws` where the other side has said none. */
const NO_STATUS = 1005;
const ABNORMAL = 1006;

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'connection_failed';
}
