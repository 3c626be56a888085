import type { Clock, Random, Sleep } from '../../../core/clock.ts';
import { isKonstructError } from '../../../core/errors.ts';
import type { EventSockets, OpenEventSockets } from '../../../core/event-sockets.ts';
import type { Log } from '../../../core/log.ts';
import { createSlackClient } from '../client.ts';
import {
  openSlackSocket,
  type SlackSocket,
  type SlackSocketTiming,
  SocketRefused,
} from './open-slack-socket.ts';

export interface KeepSlackSocketsOptions extends OpenEventSockets {
  /** Ends in `/api/`. */
  readonly apiUrl: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly timing?: Partial<SocketModeTiming>;
}

/** In ms. */
export interface SocketModeTiming extends SlackSocketTiming {
  /** Waits grow from the first to the longest. */
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
  /** A socket that lived so long was a success: the waits begin anew. */
  readonly stableMs: number;
  /** How long a replaced socket stays for what Slack may still send on it. */
  readonly drainMs: number;
}

const defaultTiming: SocketModeTiming = {
  helloMs: 10_000,
  pingEveryMs: 10_000,
  silenceMs: 30_000,
  closeMs: 1_000,
  firstRetryMs: 500,
  longestRetryMs: 60_000,
  stableMs: 10_000,
  drainMs: 15_000,
};

const CALL_TIMEOUT_MS = 10_000;
/** Slack sends each envelope to one of them: when one breaks, the other hears the repetition. It allows ten per app. */
const SOCKETS = 2;
/** Slack's own announcements that a socket is about to be exchanged. It works on until its successor is there. */
const REFRESHES = ['warning', 'refresh_requested'];

/**
 * Keeps two sockets of an app open until they are closed (Socket Mode): no public address is needed. Each is replaced
 * when Slack announces its end, before it ends, and when it breaks, with growing waits.
 *
 * Our own client instead of `@slack/socket-mode`: docs/decisions/0014-socket-mode-client.md.
 */
export function keepSlackSockets(options: KeepSlackSocketsOptions): EventSockets {
  const { clock, random, sleep, log, token, connectionId } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const client = createSlackClient({ ...options, timeoutMs: CALL_TIMEOUT_MS, maxWaitMs: CALL_TIMEOUT_MS });
  const stopping = new AbortController();
  const sockets = new Set<SlackSocket>();
  const access = {
    connectionId: connectionId ?? 'SLACK_APP_TOKEN',
    externalId: '',
    credentials: { botToken: token },
  };
  let isClosing = false;

  async function open(index: number): Promise<SlackSocket> {
    const call = { method: 'apps.connections.open', arguments: {}, idempotent: true };
    const { url } = await client.call(access, call, stopping.signal);
    stopping.signal.throwIfAborted();
    const fields = { connectionId, socket: index };
    const socket = await openSlackSocket(
      { url: String(url), receive: options.receive, timing, log, fields },
      stopping.signal,
    );
    sockets.add(socket);
    void socket.closed.then(() => sockets.delete(socket));
    return socket;
  }

  /** One of the sockets, with its successors. */
  async function keep(index: number): Promise<void> {
    let failures = 0;
    let before: SlackSocket | null = null;
    while (!isClosing) {
      let reason: string;
      const startedAtMs = clock();
      try {
        const socket = await open(index);
        if (before !== null) void retire(before);
        before = null;
        ({ reason } = await socket.ended);
        const isStable = clock() - startedAtMs >= timing.stableMs;
        if (isStable) failures = 0;
        if (REFRESHES.includes(reason)) {
          before = socket;
          if (isStable) continue; // one that is exchanged at once, again and again, has to wait like a broken one
        } else void retire(socket);
      } catch (error) {
        if (isClosing) return;
        reason = reasonOf(error);
      }
      if (isClosing) return;
      const waitMs = isPermanent(reason) ? timing.longestRetryMs : retryDelay(failures, timing, random);
      failures += 1;
      const fields = { connectionId, socket: index, reason, waitMs };
      if (isPermanent(reason)) log.error('slack.socket_refused', { ...fields, remedy: remedy(reason) });
      else log.warn('slack.socket_lost', fields);
      await sleep(waitMs, stopping.signal).catch(() => {});
    }
  }

  /** Its successor is there. Slack closes it soon; until then it may still bring something. */
  async function retire(socket: SlackSocket): Promise<void> {
    await Promise.race([socket.closed, sleep(timing.drainMs, stopping.signal).catch(() => {})]);
    await socket.close(timing.drainMs);
  }

  const keeping = Array.from({ length: SOCKETS }, (_, index) => keep(index));
  return {
    ready: () => sockets.size,
    async close(deadlineMs) {
      isClosing = true;
      await Promise.all([...sockets].map((socket) => socket.close(deadlineMs)));
      stopping.abort();
      await Promise.all(keeping);
      client.close();
    },
  };
}

/** Doubling, and anything between half and all of it: many gateways must not come back in step. */
function retryDelay(failures: number, timing: SocketModeTiming, random: Random): number {
  const longest = Math.min(timing.longestRetryMs, timing.firstRetryMs * 2 ** Math.min(failures, 20));
  return Math.round(longest * (0.5 + random() / 2));
}

function reasonOf(error: unknown): string {
  if (error instanceof SocketRefused) return error.reason;
  if (!isKonstructError(error)) return String((error as { code?: unknown }).code ?? 'connection_failed');
  const { platformError } = error.details;
  return typeof platformError === 'string' ? platformError : error.code;
}

const remedies: Readonly<Record<string, string>> = {
  link_disabled: 'Switch Socket Mode on in the settings of the Slack app.',
  invalid_auth: 'Make a new app-level token with the scope connections:write.',
  not_allowed_token_type: 'Use an app-level token (xapp-…), not a bot token.',
  token_revoked: 'Make a new app-level token with the scope connections:write.',
  account_inactive: 'Make a new app-level token with the scope connections:write.',
  missing_scope: 'Give the app-level token the scope connections:write.',
  too_many_websockets: 'Slack allows ten sockets per app; run fewer gateways.',
};

/** Somebody has to do something; asking again soon would only make noise. */
function isPermanent(reason: string): boolean {
  return Object.hasOwn(remedies, reason);
}

function remedy(reason: string): string {
  return remedies[reason] ?? '';
}
