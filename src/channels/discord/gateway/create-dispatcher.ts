import type { RecordedActivity } from '../../../core/channel.ts';
import type { ChannelEvent } from '../../../core/channel-event.ts';
import type { Clock } from '../../../core/clock.ts';
import { isKonstructError } from '../../../core/errors.ts';
import type { Log } from '../../../core/log.ts';
import type { ConnectionAccess } from '../../../core/outbound.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../../read-json.ts';
import type { DiscordClient } from '../client.ts';
import { asSnowflake } from '../ids.ts';
import { CALLBACKS } from '../parse.ts';
import type { Threads } from '../threads.ts';
import { catchUp, type MissedChannel, missedChannels, missedDirect } from './catch-up.ts';
import { HandledSequence } from './handled-sequence.ts';
import type { KnownPlaces } from './known-places.ts';
import { PLACED_EVENTS, parseDispatch } from './parse-dispatch.ts';

export interface DispatcherOptions {
  readonly client: DiscordClient;
  readonly threads: Threads;
  readonly access: ConnectionAccess;
  readonly places: KnownPlaces;
  readonly receive: (events: readonly ChannelEvent[]) => Promise<void>;
  /** What is compared with Discord's own times; it goes on while the machine sleeps. */
  readonly wallClock: Clock;
  readonly log: Log;
  /** From where on something is missing, in ms since 1970; `null`: nothing is, it is a new connection. */
  readonly missing: (RecordedActivity & { readonly sinceMs: number }) | null;
  readonly onReady: (ready: JsonRecord) => void;
}

/** Takes the events of one session, in order for each channel; one that could not be stored ends the taking. */
export interface Dispatcher {
  readonly sequence: HandledSequence;
  /** Whether all that was missed before the session began has been read. */
  isCaughtUp(): boolean;
  /** Takes events until one fails, which ends `failed`. */
  run(signal: AbortSignal): {
    readonly failed: AbortSignal;
    take(name: string, data: JsonRecord, sequence: number): void;
    /** Resolves when all that was begun is done or given up. */
    settled(): Promise<unknown>;
    /** Why it failed; `null`: it did not. */
    error(): unknown;
  };
}

/** More than this under way is a sign that the database cannot keep up: Discord keeps the rest for us. */
const MAX_OPEN = 5_000;
/** Of an event that fails although nothing is away. */
const MAX_TRIES = 5;
/** Channels that are read at the same time to catch up. */
const LANES = 4;

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { client, access, places, receive, wallClock, missing } = options;
  const sequence = new HandledSequence();
  let ownUserId = '';
  /** Servers of the session's beginning that have not been caught up with. */
  const toCatchUp = new Set<string>();
  /** How often events failed that are to blame themselves, by their number. */
  const tries = new Map<number, number>();

  return {
    sequence,
    isCaughtUp: () => toCatchUp.size === 0,
    run(signal) {
      sequence.goOn();
      const failing = new AbortController();
      let failure: unknown = null;
      const lines = new Map<string, Promise<void>>();
      const lanes: Promise<void>[] = Array.from({ length: LANES }, async () => {});
      let nextLane = 0;

      function fail(error: unknown): void {
        failure ??= error;
        failing.abort();
      }

      /** Work of one channel, one after the other. */
      function queue(line: string, work: () => Promise<void>): Promise<void> {
        const before = lines.get(line) ?? Promise.resolve();
        // What failed before it has ended all of this, or was given up.
        const done = before
          .catch(() => {})
          .then(async () => {
            if (failing.signal.aborted || signal.aborted) throw new Error('given up');
            await work();
          });
        lines.set(line, done);
        void done.then(
          () => lines.get(line) === done && lines.delete(line),
          () => {},
        );
        return done;
      }

      async function handle(name: string, data: JsonRecord): Promise<void> {
        switch (name) {
          case 'READY':
            return onReady(data);
          case 'GUILD_CREATE':
            return onServer(data);
          case 'CHANNEL_CREATE':
          case 'THREAD_CREATE':
            places.addChannel(data);
            return;
          case 'THREAD_LIST_SYNC':
            for (const thread of asRecords(data.threads)) places.addChannel(thread);
            return;
          case 'GUILD_ROLE_CREATE':
          case 'GUILD_ROLE_UPDATE':
            places.addRole(asRecord(data.role) ?? {});
            return;
          case 'GUILD_DELETE':
            // Not away for a while but for good.
            if (data.unavailable !== true) options.log.info('discord.server_left', aboutServer(data));
            return;
          case 'INTERACTION_CREATE':
            return onInteraction(data);
          default:
            return onEvent(name, data);
        }
      }

      async function onReady(ready: JsonRecord): Promise<void> {
        ownUserId = asSnowflake(asRecord(ready.user)?.id) ?? '';
        places.setOwnUserId(ownUserId);
        options.onReady(ready);
        if (missing === null) return;
        for (const { id } of asRecords(ready.guilds)) toCatchUp.add(asText(id));
        await catchUpWith(missedDirect(missing.directChannelIds));
      }

      async function onServer(server: JsonRecord): Promise<void> {
        places.addServer(server);
        const id = asText(server.id);
        if (missing === null || !toCatchUp.has(id)) return;
        await catchUpWith(missedChannels(server, missing.sinceMs));
        toCatchUp.delete(id);
      }

      /** What comes in these channels from now on waits until what was missed is there. */
      async function catchUpWith(channels: readonly MissedChannel[]): Promise<void> {
        if (missing === null || channels.length === 0) return;
        const { sinceMs } = missing;
        const own = { userId: ownUserId, roleIds: places.ownRoleIds };
        await Promise.all(
          channels.map((channel) =>
            queue(channel.channelId, () => {
              const lane = nextLane % LANES;
              nextLane += 1;
              const done = (lanes[lane] ?? Promise.resolve())
                .then(() => catchUp({ ...options, own }, channel, sinceMs, signal))
                .catch((error: unknown) => {
                  // At once, so that nothing newer of this channel is taken before it.
                  if (isKonstructError(error) && error.retryable) fail(error);
                  throw error;
                });
              lanes[lane] = done.catch(() => {});
              return done;
            }),
          ),
        );
      }

      async function onInteraction(interaction: JsonRecord): Promise<void> {
        const events = parse('INTERACTION_CREATE', interaction, null);
        await receive(events);
        if (events.some(({ type }) => type === 'action')) await endWaiting(interaction);
      }

      /** The press is stored: Discord need not show any more that it waits. */
      async function endWaiting(interaction: JsonRecord): Promise<void> {
        const call = {
          name: 'answer press',
          method: 'POST',
          path: ['interactions', asText(interaction.id), asText(interaction.token), 'callback'],
          body: { type: CALLBACKS.deferredUpdate },
          idempotent: false,
          isAnonymous: true,
        } as const;
        await client.call(access, call, signal).catch((error: unknown) => {
          options.log.warn('discord.press_unanswered', { connectionId: access.connectionId, error });
        });
      }

      async function onEvent(name: string, data: JsonRecord): Promise<void> {
        const place = PLACED_EVENTS.has(name) ? await places.find(data, signal) : null;
        const events = parse(name, data, place);
        for (const event of events) {
          // Only what the agent is asked: what people say among themselves is not kept.
          const isAsked =
            event.type === 'message' && event.mentions.some((each) => each.externalId === ownUserId);
          if (isAsked && place?.beginsThreads === true)
            options.threads.remember(event.messageId, asText(data.content));
        }
        if (events.length > 0) await receive(events);
      }

      function parse(name: string, data: JsonRecord, place: Parameters<typeof parseDispatch>[2]['place']) {
        const own = { userId: ownUserId, roleIds: places.ownRoleIds };
        return parseDispatch(name, data, { place, own, nowMs: wallClock() });
      }

      /** What fails for itself, and not because something is away, must not keep all that follows from being heard. */
      function isGivenUp(name: string, number: number, error: unknown): boolean {
        if (isKonstructError(error) && error.retryable) return false;
        const count = (tries.get(number) ?? 0) + 1;
        tries.set(number, count);
        if (count < MAX_TRIES) return false;
        tries.delete(number);
        // Of errors that are not ours the code alone: PostgreSQL quotes values that it refuses.
        const code = (error as { readonly code?: unknown } | null)?.code ?? 'internal';
        const about = isKonstructError(error) ? { error } : {};
        options.log.error('discord.event_given_up', {
          connectionId: access.connectionId,
          name,
          code,
          ...about,
        });
        return true;
      }

      function aboutServer({ id }: JsonRecord) {
        return { connectionId: access.connectionId, serverId: asText(id) };
      }

      const underWay = new Set<Promise<void>>();
      return {
        failed: failing.signal,
        error: () => failure,
        settled: () => Promise.allSettled(underWay),
        take(name, data, number) {
          if (failing.signal.aborted || !sequence.begin(number)) return;
          const work = queueOf(name, data, () => handle(name, data)).then(
            () => sequence.done(number),
            (error: unknown) => {
              if (failing.signal.aborted || signal.aborted) return; // it was not tried, or nobody waits for it
              if (isGivenUp(name, number, error)) {
                sequence.done(number);
                return;
              }
              fail(error);
            },
          );
          underWay.add(work);
          void work.finally(() => underWay.delete(work));
          if (sequence.open > MAX_OPEN) failing.abort();
        },
      };

      /** The session's beginning first; a person who presses a button waits for nobody else's message. */
      function queueOf(name: string, data: JsonRecord, work: () => Promise<void>): Promise<void> {
        if (name === 'READY' || name === 'GUILD_CREATE') return run();
        const line =
          name === 'INTERACTION_CREATE' ? `interaction ${asText(data.id)}` : asText(data.channel_id);
        return line === '' ? run() : queue(line, work);

        async function run(): Promise<void> {
          if (failing.signal.aborted || signal.aborted) throw new Error('given up');
          await work();
        }
      }
    },
  };
}
