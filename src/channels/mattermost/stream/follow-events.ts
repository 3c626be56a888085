import type { ChannelEvent } from '../../../core/channel-event.ts';
import type { Clock, Random, Sleep } from '../../../core/clock.ts';
import { isKonstructError } from '../../../core/errors.ts';
import type { ConnectionAccess } from '../../../core/outbound.ts';
import { credentialsOf } from '../client.ts';
import type { OwnAccount } from '../directory.ts';
import type { Scope } from '../ids.ts';
import { isRefusal } from '../mattermost-error.ts';
import { type CatchUp, listChannels, missedEvents, OVERLAP_MS } from './catch-up.ts';
import { type EventSocketTiming, openEventSocket, SocketRefused } from './event-socket.ts';
import { parseEvent } from './parse-event.ts';
import { createPositions } from './position.ts';

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
/** After so many failures in a row one channel that cannot be read is left out, so that the others are heard. */
const PATIENT_FAILURES = 5;
/** A post from further in the future was imported with that time: nobody goes on from there. */
const FUTURE_MS = 24 * 60 * 60 * 1000;

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
  receive: (events: readonly ChannelEvent[]) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { directory, clock, wallClock, random, sleep, log } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const positions = createPositions(options.client);
  const { connectionId } = access;
  let way: Way | null = null;
  let failures = 0;

  const believable = (atMs: number): number => (atMs > wallClock() + FUTURE_MS ? 0 : atMs);

  /** Who we are is asked before each socket: a token may have been revoked, and an account renamed. */
  async function find(): Promise<Way> {
    const own = await directory.identify(access, signal);
    if (way?.own.userId === own.userId) return way;
    const positionMs = await positions.read(access, own, signal);
    return { own, positionMs, notedMs: positionMs, notedAtMs: clock() };
  }

  /** From opening one socket to its end. Returns why it ended. */
  async function follow(onWay: Way): Promise<string> {
    const { server, token, certificate } = credentialsOf(access, 'websocket');
    const url = `${server.base.replace(/^http/, 'ws')}/api/v4/websocket`;
    const socket = await openEventSocket({ url, token, certificate, timing }, signal);
    try {
      // What happens from now on waits in the socket while what happened before is looked for.
      await catchUp(onWay);
      failures = 0;
      for (;;) {
        const message = await socket.next();
        if (message === null) return socket.reason();
        const parsed = await parseEvent(message, {
          ownUserId: onWay.own.userId,
          nowMs: wallClock(),
          scopeOf,
          note: (channelId, scope) => directory.note(access, channelId, scope),
        });
        if (parsed === null) continue;
        await receive([parsed.event]);
        onWay.positionMs = Math.max(onWay.positionMs ?? 0, believable(parsed.atMs));
        if (clock() - onWay.notedAtMs >= timing.noteEveryMs) await noteIfPossible(onWay);
      }
    } finally {
      socket.close();
    }
  }

  /** What cannot be asked about any more is a channel like most. */
  async function scopeOf(channelId: string): Promise<Scope> {
    try {
      return await directory.scope(access, channelId, signal);
    } catch (error) {
      if (isKonstructError(error, 'platform_rejected')) return 'channel';
      throw error;
    }
  }

  async function catchUp(onWay: Way): Promise<void> {
    const channels = await listChannels(options, access, signal);
    const newestMs = Math.max(1, ...channels.map(({ lastPostAtMs }) => believable(lastPostAtMs)));
    const { own, positionMs } = onWay;
    let missed = 0;
    if (positionMs !== null) {
      const isPatient = failures < PATIENT_FAILURES;
      const from = { own, positionMs, newestMs, channels, isPatient };
      for await (const events of missedEvents(options, access, from, signal)) {
        missed += events.filter(({ type }) => type !== 'ignored').length;
        await receive(events);
      }
    }
    // A new connection begins now: what people wrote before nobody has asked of it, not even when it is looked at once more.
    onWay.positionMs = Math.max(positionMs ?? newestMs + OVERLAP_MS, newestMs);
    await noteIfPossible(onWay);
    log.info('mattermost.following', { connectionId, channels: channels.length, missed });
  }

  /** The stream does not end for it: what is not noted is only looked at again. */
  async function noteIfPossible(onWay: Way): Promise<void> {
    try {
      await note(onWay, signal);
    } catch (error) {
      onWay.notedAtMs = clock();
      log.warn('mattermost.position_unnoted', { connectionId, reason: reasonOf(error) });
    }
  }

  async function note(onWay: Way, within: AbortSignal): Promise<void> {
    const { positionMs } = onWay;
    if (positionMs === null || positionMs === onWay.notedMs) return;
    await positions.write(access, onWay.own, positionMs, within);
    onWay.notedMs = positionMs;
    onWay.notedAtMs = clock();
  }

  while (!signal.aborted) {
    let reason: string;
    try {
      way = await find();
      reason = await follow(way);
    } catch (error) {
      if (isRefusal(error, 'unauthorized')) throw error;
      reason = reasonOf(error);
    }
    if (signal.aborted) break;
    log.warn('mattermost.socket_lost', { connectionId, reason, failures });
    const longest = Math.min(timing.longestRetryMs, timing.firstRetryMs * 2 ** Math.min(failures, 20));
    failures += 1;
    // Anything between half and all of it: many connections of a server must not come back in step.
    await sleep(Math.round(longest * (0.5 + random() / 2)), signal).catch(() => {});
  }
  // What has been received and not noted would only be looked at again: nobody waits long for that.
  if (way !== null) await note(way, AbortSignal.timeout(LAST_NOTE_MS)).catch(() => {});
}

function reasonOf(error: unknown): string {
  if (error instanceof SocketRefused) return error.reason;
  if (!isKonstructError(error)) return 'internal';
  const { platformError } = error.details;
  return typeof platformError === 'string' ? platformError : error.code;
}
