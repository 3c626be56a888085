import type { ChannelEvent } from '../../../core/channel-event.ts';
import type { Clock, Random, Sleep } from '../../../core/clock.ts';
import { isKonstructError } from '../../../core/errors.ts';
import type { ConnectionAccess } from '../../../core/outbound.ts';
import { credentialsOf } from '../client.ts';
import type { OwnAccount } from '../directory.ts';
import { isRefusal } from '../mattermost-error.ts';
import { type CatchUp, listChannels, missedEvents, OVERLAP_MS } from './catch-up.ts';
import { type EventSocket, type EventSocketTiming, openEventSocket, SocketRefused } from './event-socket.ts';
import { parseEvent } from './parse-event.ts';
import { createPositions, type Positions } from './position.ts';

export interface FollowOptions extends CatchUp {
  readonly clock: Clock;
  readonly wallClock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly timing?: Partial<FollowTiming>;
}

/** In ms. */
export interface FollowTiming extends EventSocketTiming {
  /** Waits grow from the first to the longest. */
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
  /** How often the position is noted at most. */
  readonly noteEveryMs: number;
}

const defaultTiming: FollowTiming = {
  helloMs: 10_000,
  pingEveryMs: 10_000,
  silenceMs: 30_000,
  firstRetryMs: 500,
  longestRetryMs: 30_000,
  noteEveryMs: 5_000,
};
/** For the last note of a process that ends. */
const LAST_NOTE_MS = 2_000;

type Receive = (events: readonly ChannelEvent[]) => Promise<void>;

/** One account's way through the events: what has been received, and what is noted of that at the server. */
interface Way {
  readonly own: OwnAccount;
  /** `null`: this connection has never received anything. */
  positionMs: number | null;
  notedMs: number | null;
  notedAtMs: number;
}

/**
 * Hands over what happens on a server until the signal ends it: from a socket, and after every time without one what was
 * missed first. An event counts as received when `receive` has resolved; the position moves on then and not before, so a
 * database that is away or a process that dies costs nothing but a repetition.
 *
 * @throws KonstructError `platform_rejected`: the token is no good any more
 */
export async function followEvents(
  options: FollowOptions,
  access: ConnectionAccess,
  receive: Receive,
  signal: AbortSignal,
): Promise<void> {
  const { directory, clock, random, sleep, log } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const positions = createPositions(options.client);
  const { connectionId } = access;
  let way: Way | null = null;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const own = await directory.identify(access, signal);
      if (way === null || way.own.userId !== own.userId) {
        const positionMs = await positions.read(access, own, signal);
        way = { own, positionMs, notedMs: positionMs, notedAtMs: clock() };
      }
      const reason = await follow(options, timing, positions, access, way, receive, signal, () => {
        failures = 0;
      });
      if (signal.aborted) break;
      log.warn('mattermost.socket_lost', { connectionId, reason, failures });
    } catch (error) {
      if (signal.aborted) break;
      if (isRefusal(error, 'unauthorized')) throw error;
      log.warn('mattermost.socket_lost', { connectionId, reason: reasonOf(error), failures });
    }
    const longest = Math.min(timing.longestRetryMs, timing.firstRetryMs * 2 ** Math.min(failures, 20));
    failures += 1;
    // Anything between half and all of it: many connections of a server must not come back in step.
    await sleep(Math.round(longest * (0.5 + random() / 2)), signal).catch(() => {});
  }
  if (way !== null)
    await note(positions, access, way, clock(), AbortSignal.timeout(LAST_NOTE_MS)).catch(() => {});
}

/** From opening one socket to its end. Returns why it ended. */
async function follow(
  options: FollowOptions,
  timing: FollowTiming,
  positions: Positions,
  access: ConnectionAccess,
  way: Way,
  receive: Receive,
  signal: AbortSignal,
  onReady: () => void,
): Promise<string> {
  const { clock, directory, log } = options;
  const { connectionId } = access;
  const socket = await open(access, timing, signal);
  try {
    // What happens from now on waits in the socket while what happened before is looked for.
    const channels = await listChannels(options, access, signal);
    const newestMs = Math.max(1, ...channels.map(({ lastPostAtMs }) => lastPostAtMs));
    let missed = 0;
    if (way.positionMs !== null) {
      const from = { own: way.own, positionMs: way.positionMs, channels };
      for await (const events of missedEvents(options, access, from, signal)) {
        missed += events.filter(({ type }) => type !== 'ignored').length;
        await receive(events);
      }
    }
    // A new connection begins now: what people wrote before nobody has asked of it, not even when it is looked at once more.
    way.positionMs = Math.max(way.positionMs ?? newestMs + OVERLAP_MS, newestMs);
    await noteIfPossible();
    log.info('mattermost.following', { connectionId, channels: channels.length, missed });
    onReady();
    for (;;) {
      const message = await socket.next();
      if (message === null) return socket.reason;
      const parsed = await parseEvent(message, {
        ownUserId: way.own.userId,
        nowMs: options.wallClock(),
        scopeOf: (channelId) => directory.scope(access, channelId, signal),
        note: (channelId, scope) => directory.note(access, channelId, scope),
      });
      if (parsed === null) continue;
      await receive([parsed.event]);
      way.positionMs = Math.max(way.positionMs, parsed.atMs);
      if (clock() - way.notedAtMs >= timing.noteEveryMs) await noteIfPossible();
    }
  } finally {
    socket.close();
  }

  /** The stream does not end for it: what is not noted is only looked at again. */
  async function noteIfPossible(): Promise<void> {
    try {
      await note(positions, access, way, clock(), signal);
    } catch (error) {
      way.notedAtMs = clock();
      log.warn('mattermost.position_unnoted', { connectionId, reason: reasonOf(error) });
    }
  }
}

function open(access: ConnectionAccess, timing: FollowTiming, signal: AbortSignal): Promise<EventSocket> {
  const { server, token, certificate } = credentialsOf(access, 'websocket');
  const url = `${server.base.replace(/^http/, 'ws')}/api/v4/websocket`;
  return openEventSocket({ url, token, certificate, timing }, signal);
}

async function note(
  positions: Positions,
  access: ConnectionAccess,
  way: Way,
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { positionMs } = way;
  if (positionMs === null || positionMs === way.notedMs) return;
  await positions.write(access, way.own, positionMs, signal);
  way.notedMs = positionMs;
  way.notedAtMs = nowMs;
}

function reasonOf(error: unknown): string {
  if (error instanceof SocketRefused) return error.reason;
  if (!isKonstructError(error)) return 'internal';
  const { platformError } = error.details;
  return typeof platformError === 'string' ? platformError : error.code;
}
