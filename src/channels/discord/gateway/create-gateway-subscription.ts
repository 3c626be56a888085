import type { ChannelSubscription, RecordedActivity } from '../../../core/channel.ts';
import type { ChannelEvent } from '../../../core/channel-event.ts';
import type { Clock, Random, Sleep } from '../../../core/clock.ts';
import { isKonstructError, KonstructError } from '../../../core/errors.ts';
import type { Log } from '../../../core/log.ts';
import type { ConnectionAccess } from '../../../core/outbound.ts';
import { asRecord, asText, type JsonRecord } from '../../read-json.ts';
import { botToken, type DiscordClient } from '../client.ts';
import { isRefusal, rejected } from '../discord-error.ts';
import { mayReadMessages } from '../examine.ts';
import { readApplication } from '../identity.ts';
import { registerCommand } from '../register-command.ts';
import type { Threads } from '../threads.ts';
import { missingSince } from './catch-up.ts';
import { meaningOf } from './close-codes.ts';
import { createDispatcher, type Dispatcher } from './create-dispatcher.ts';
import { gatewayAddress } from './gateway-address.ts';
import { createKnownPlaces } from './known-places.ts';
import { type GatewayEnd, type GatewaySession, runGatewaySocket } from './run-gateway-socket.ts';

export interface GatewaySubscriptionOptions {
  readonly client: DiscordClient;
  readonly threads: Threads;
  readonly apiUrl: string;
  readonly clock: Clock;
  readonly wallClock?: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
}

/** Source: https://discord.com/developers/docs/events/gateway#list-of-intents */
const INTENTS = (1 << 0) | (1 << 9) | (1 << 10) | (1 << 12) | (1 << 13);
const MESSAGE_CONTENT = 1 << 15;
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;
/** Somebody has to do something first. */
const PERMANENT_RETRY_MS = 10 * 60_000;
/** Each of them is asked for by a call when a session begins. */
const MAX_DIRECT_CHANNELS = 200;
const MAX_RESUME_FAILURES = 5;
/** A connection that lived so long was a success: the waits begin anew. */
const STABLE_MS = 10_000;
/** Clocks differ, and what was stored last may not be what was written last. */
const MARGIN_MS = 60_000;
/** After a session that was ended. Source: https://discord.com/developers/docs/events/gateway-events#invalid-session */
const INVALID_WAIT_MS = 1_000;
const INVALID_SPREAD_MS = 4_000;

/**
 * Keeps a bot's connection to the gateway, by which Discord says what people write. A session that broke is gone on with:
 * Discord repeats what was not stored. Where that cannot be, a new one begins, and what was said meanwhile is read from the
 * channels (docs/decisions/0019-discord.md).
 */
export function createGatewaySubscription(options: GatewaySubscriptionOptions): ChannelSubscription {
  return {
    async byPolling(access, receive, signal, recall) {
      const { log, sleep, random } = options;
      const fields = { connectionId: access.connectionId };
      const keeper = createKeeper(options, access, receive);
      await introduceCommand(options, access, signal);
      let failures = 0;
      while (!signal.aborted) {
        let waitMs: number;
        const startedAtMs = options.clock();
        try {
          const { end, wasReady } = await keeper.once(recall, signal);
          if (signal.aborted) return;
          const isStable = wasReady && options.clock() - startedAtMs >= STABLE_MS;
          if (isStable) failures = 0;
          const { permanent } = meaningOf(end.code);
          if (permanent?.word === 'unauthorized') throw rejected('open gateway', 'unauthorized');
          const isIntent = permanent?.word === 'intents_disallowed' && keeper.giveUpReading();
          waitMs = isIntent ? RETRY_MS : waitAfter(end, failures, wasReady, random);
          if (permanent !== undefined && !isIntent) waitMs = PERMANENT_RETRY_MS;
          const what = { ...fields, code: end.code, reason: end.reason, canResume: end.canResume, waitMs };
          if (permanent === undefined) log.info('discord.connection_ended', what);
          else log.error('discord.refused', { ...what, reason: permanent.word, remedy: permanent.remedy });
        } catch (error) {
          if (signal.aborted) return;
          if (isRefusal(error, 'unauthorized')) throw error;
          const known = isKonstructError(error)
            ? error
            : new KonstructError('internal', undefined, { cause: error });
          waitMs = Math.max(backoff(failures, random), known.retryAfterMs ?? 0);
          const { platformError } = known.details;
          log.warn('discord.session_lost', { ...fields, code: known.code, platformError, failures, waitMs });
        }
        failures += 1;
        if (waitMs > 0) await sleep(waitMs, signal).catch(() => {});
      }
    },
  };
}

/** One connection after the other, with what they share: the session, and what is known of the bot's channels. */
function createKeeper(
  options: GatewaySubscriptionOptions,
  access: ConnectionAccess,
  receive: (events: readonly ChannelEvent[]) => Promise<void>,
) {
  const { client, apiUrl, clock, wallClock = clock, random, log } = options;
  const fields = { connectionId: access.connectionId };
  const places = createKnownPlaces(client, access, clock);
  let session: GatewaySession | null = null;
  let dispatcher: Dispatcher | null = null;
  /** When we last knew of everything. */
  let heardAtMs: number | null = null;
  let mayRead = true;
  let resumeFailures = 0;
  let isReady = false;
  /** Direct conversations of this process and of the record. */
  const direct = new Set<string>();

  const receiveAll = async (events: readonly ChannelEvent[]): Promise<void> => {
    await receive(events);
    for (const event of events) {
      if (event.type !== 'message' || event.scope !== 'direct') continue;
      direct.delete(event.channelId);
      direct.add(event.channelId); // the latest last
      const [oldest] = direct;
      if (direct.size > MAX_DIRECT_CHANNELS && oldest !== undefined) direct.delete(oldest);
    }
  };

  function onReady(ready: JsonRecord): void {
    session = {
      id: asText(ready.session_id),
      resumeUrl: gatewayAddress(ready.resume_gateway_url, apiUrl),
    };
    isReady = true;
    const servers = Array.isArray(ready.guilds) ? ready.guilds.length : 0;
    log.info('discord.session_ready', { ...fields, servers });
  }

  async function begin(recall: () => Promise<RecordedActivity>): Promise<Dispatcher> {
    const recorded = await recall();
    for (const channelId of [...recorded.directChannelIds].reverse()) direct.add(channelId);
    const lastMs = heardAtMs ?? recorded.lastMessageAtMs;
    const missing =
      lastMs === null
        ? null
        : {
            ...recorded,
            directChannelIds: [...direct],
            sinceMs: missingSince(lastMs - MARGIN_MS, wallClock()),
          };
    const { threads } = options;
    return createDispatcher({
      client,
      threads,
      access,
      places,
      receive: receiveAll,
      wallClock,
      log,
      missing,
      onReady,
    });
  }

  return {
    /** Opens a connection and keeps it until it ends. */
    async once(
      recall: () => Promise<RecordedActivity>,
      signal: AbortSignal,
    ): Promise<{ readonly end: GatewayEnd; readonly wasReady: boolean }> {
      isReady = false;
      const resumed = session !== null && dispatcher !== null ? { session, dispatcher } : null;
      const url = resumed?.session.resumeUrl ?? (await openAddress(options, access, signal));
      const intents = resumed === null ? await intentsOf(signal) : 0;
      dispatcher = resumed?.dispatcher ?? (await begin(recall));
      session = resumed?.session ?? null;
      const current = dispatcher;
      const { sequence } = current;
      const taking = dispatcher.run(signal);
      const end = await runGatewaySocket(
        {
          url,
          token: botToken(access, 'open gateway'),
          intents,
          resume: resumed && { sessionId: resumed.session.id, sequence: sequence.handled },
          handled: () => (sequence.handled === 0 ? null : sequence.handled),
          onDispatch: (name, data, number) => {
            if (name === 'RESUMED') isReady = true;
            taking.take(name, data, number);
          },
          onHeard: () => {
            // While something is still under way, a later beginning must look for it again.
            if (isReady && sequence.open === 0 && current.isCaughtUp()) heardAtMs = wallClock();
          },
          failed: taking.failed,
          random,
        },
        signal,
      );
      await taking.settled();
      resumeFailures = resumed !== null && !isReady && end.reason !== 'failed' ? resumeFailures + 1 : 0;
      // Where a session is gone on with may be gone itself.
      if (!end.canResume || resumeFailures === MAX_RESUME_FAILURES) session = null;
      if (session === null) dispatcher = null;
      const error = taking.error();
      if (error !== null && !signal.aborted) throw error;
      return { end, wasReady: isReady };
    },
    /** Discord does not let the app read: it goes on with what concerns the bot. `false`: it did so before. */
    giveUpReading(): boolean {
      const was = mayRead;
      mayRead = false;
      return was;
    },
  };

  async function intentsOf(signal: AbortSignal): Promise<number> {
    const isAllowed = mayRead && mayReadMessages(await readApplication(client, access, signal));
    if (!isAllowed) {
      const { permanent } = meaningOf(4014);
      log.warn('discord.mentions_only', { ...fields, remedy: permanent?.remedy });
    }
    return isAllowed ? INTENTS | MESSAGE_CONTENT : INTENTS;
  }
}

/**
 * Where a new session begins, if one may: Discord resets the token of a bot that begins too many a day.
 *
 * Source: https://discord.com/developers/docs/events/gateway#get-gateway-bot
 */
async function openAddress(
  { client, apiUrl, log }: GatewaySubscriptionOptions,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<string> {
  const name = 'get gateway';
  const call = { name, method: 'GET', path: ['gateway', 'bot'], idempotent: true } as const;
  const gateway = asRecord(await client.call(access, call, signal));
  const { remaining, reset_after: resetAfterMs } = asRecord(gateway?.session_start_limit) ?? {};
  if (typeof remaining === 'number' && remaining < 1) {
    throw new KonstructError('platform_rate_limited', 'Discord lets the bot begin no more sessions today.', {
      details: { method: name, platformError: 'session_start_limit' },
      retryAfterMs: typeof resetAfterMs === 'number' ? resetAfterMs : PERMANENT_RETRY_MS,
    });
  }
  if (typeof gateway?.shards === 'number' && gateway.shards > 1)
    log.warn('discord.shards_recommended', { connectionId: access.connectionId, shards: gateway.shards });
  return gatewayAddress(gateway?.url, apiUrl);
}

/** Without the command the agent works all the same. */
async function introduceCommand(
  { client, log }: GatewaySubscriptionOptions,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<void> {
  try {
    await registerCommand(client, access, signal);
  } catch (error) {
    if (isRefusal(error, 'unauthorized')) throw error;
    if (signal.aborted) return;
    const code = isKonstructError(error) ? error.code : 'internal';
    log.warn('discord.command_unregistered', { connectionId: access.connectionId, code });
  }
}

/** A connection that lived is gone on with at once; one that ends soon, again and again, has to wait. */
function waitAfter(
  { canResume, reason }: GatewayEnd,
  failures: number,
  wasReady: boolean,
  random: Random,
): number {
  if (canResume && wasReady && failures === 0) return 0;
  if (reason === 'session_invalid')
    return INVALID_WAIT_MS + random() * INVALID_SPREAD_MS + backoff(failures - 1, random);
  return backoff(failures, random);
}

/** Doubling, and anything between half and all of it: many must not come back in step. */
function backoff(failures: number, random: Random): number {
  if (failures < 0) return 0;
  return Math.round(Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(failures, 10)) * (0.5 + random() / 2));
}
