import type { Channel, ChannelSubscription, RecordedActivity } from '../core/channel.ts';
import type { ChannelEvent } from '../core/channel-event.ts';
import type { Cipher } from '../core/cipher.ts';
import type { Clock, Sleep } from '../core/clock.ts';
import { openAccess } from '../core/connection-access.ts';
import type { ResolvedConnection, ShutConnection } from '../core/connection-directory.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { AcceptEvent } from './create-accept-event.ts';

export interface SubscriptionsOptions {
  /** Those without a subscription are left alone. */
  readonly channels: readonly Channel[];
  readonly list: (channel: string) => Promise<readonly ResolvedConnection[]>;
  /** The connection as it is now. */
  readonly find: (channel: string, connectionId: string) => Promise<ResolvedConnection | null>;
  /** Where the platform sends a connection's events; `null`: it cannot reach us, so they are fetched. */
  readonly webhookUrl: (connection: ResolvedConnection) => string | null;
  /** Only one process fetches for a connection; `null`: another one does. */
  readonly lock: (name: string) => Promise<{ readonly lost: AbortSignal; release(): Promise<void> } | null>;
  readonly accept: AcceptEvent;
  /** What is on record of a connection. */
  readonly recall: (connection: ResolvedConnection) => Promise<RecordedActivity>;
  /** Stores who the connection is on its platform. */
  readonly recordAgentUser: (connection: ResolvedConnection, agentUserId: string) => Promise<void>;
  /** Unless it has other credentials by now. */
  readonly disableConnection: (connection: ResolvedConnection, reason: string) => Promise<ShutConnection>;
  readonly cipher: Cipher;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly log: Log;
}

export interface Subscriptions {
  /** Looks which connections there are: at the start, and whenever they may have changed. */
  refresh(): void;
  stop(): Promise<void>;
}

interface Running {
  readonly channel: string;
  /** Encrypted anew with every change, so they say whether anything changed that matters here. */
  readonly credentials: string;
  readonly stopped: AbortController;
  readonly done: Promise<void>;
}

/** What another process fetches is taken over at most so much later than that one is gone. */
const MIN_LOCK_RETRY_MS = 2_000;
const MAX_LOCK_RETRY_MS = 15_000;
/** All connections that wait for another process ask the database no more often than once in so many ms. */
const LOCK_RETRY_EACH_MS = 5;
/** A list of thousands costs a quarter of a second of PostgreSQL's time, and changes come in bursts. */
const LOOK_PAUSE_MS = 1_000;
/** After the list of connections could not be had. */
const LOOK_AGAIN_MS = 5_000;
/** How often an event is tried that PostgreSQL does not take. */
const MAX_TAKES = 3;
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;

/**
 * Sees to it that the events of connections come to us, on platforms that have to be told or asked: a webhook where
 * they can reach us, and otherwise fetching, by one process at a time.
 */
export function createSubscriptions(options: SubscriptionsOptions): Subscriptions {
  const { log } = options;
  const running = new Map<string, Running>();
  const stopped = new AbortController();
  let refreshing: Promise<void> = Promise.resolve();
  let isAsked = false;
  /** Connections that another process fetches for. */
  let standingBy = 0;

  async function refresh(): Promise<void> {
    for (const channel of options.channels) {
      const { subscription } = channel;
      if (subscription === undefined || stopped.signal.aborted) continue;
      const connections = await options.list(channel.type);
      const wanted = new Map(connections.map((connection) => [connection.id, connection]));
      for (const [id, { channel: type, credentials, stopped: ending }] of running) {
        if (type !== channel.type || wanted.get(id)?.credentials === credentials) continue;
        running.delete(id);
        ending.abort();
      }
      for (const connection of connections) {
        if (!running.has(connection.id) && !stopped.signal.aborted) start(channel, subscription, connection);
      }
    }
  }

  function start(channel: Channel, subscription: ChannelSubscription, connection: ResolvedConnection): void {
    const ending = new AbortController();
    const signal = AbortSignal.any([stopped.signal, ending.signal]);
    running.set(connection.id, {
      channel: channel.type,
      credentials: connection.credentials,
      stopped: ending,
      done: run(channel, subscription, connection, signal),
    });
  }

  async function run(
    channel: Channel,
    subscription: ChannelSubscription,
    connection: ResolvedConnection,
    signal: AbortSignal,
  ): Promise<void> {
    const about = { tenantId: connection.tenantId, connectionId: connection.id, channel: channel.type };
    let isIntroduced = false;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        if (!isIntroduced && !(await introduce(channel, connection, signal))) return;
        isIntroduced = true;
        const url = options.webhookUrl(connection);
        if (url !== null && subscription.toWebhook !== undefined) {
          await subscription.toWebhook(accessOf(connection), url, signal);
          log.info('subscription.webhook_set', about);
          return;
        }
        await fetchWhileOurs(subscription, connection, signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const { code, details } = isKonstructError(error) ? error : new KonstructError('internal');
        log.warn('subscription.failed', { ...about, code, platformError: details.platformError, error });
        if (details.platformError === 'unauthorized' || details.platformError === 'not_found') {
          await disable(connection);
          return;
        }
        await pause(Math.min(RETRY_MS * 2 ** Math.min(failures, 10), MAX_RETRY_MS), signal);
      }
    }
  }

  /** Asks the platform who the connection is: until that is known, no mention can be recognised. */
  async function introduce(
    channel: Channel,
    connection: ResolvedConnection,
    signal: AbortSignal,
  ): Promise<boolean> {
    const identity = await channel.identify(accessOf(connection), signal);
    const { tenantId, id: connectionId } = connection;
    if (identity.externalId !== connection.externalId) {
      const belongsTo = identity.externalId;
      log.error('connection.token_of_another', { tenantId, connectionId, channel: channel.type, belongsTo });
      return false;
    }
    if (identity.agentUserId !== connection.agentUserId) {
      await options.recordAgentUser(connection, identity.agentUserId);
    }
    return true;
  }

  async function fetchWhileOurs(
    subscription: ChannelSubscription,
    connection: ResolvedConnection,
    signal: AbortSignal,
  ): Promise<void> {
    // By installation: of two connections of one bot only one can fetch.
    const lock = await options.lock(`konstruct subscription ${connection.channel} ${connection.externalId}`);
    if (lock === null) {
      await standBy(signal);
      return;
    }
    const about = { tenantId: connection.tenantId, connectionId: connection.id, channel: connection.channel };
    log.info('subscription.fetching', about);
    try {
      await subscription.byPolling(
        accessOf(connection),
        async (events) => {
          const receivedAtMs = options.clock();
          const current = await options.find(connection.channel, connection.id);
          if (current === null) throw new KonstructError('aborted', 'The connection was removed.');
          for (const event of events) await take(current, event, receivedAtMs, signal);
        },
        AbortSignal.any([signal, lock.lost]),
        () => options.recall(connection),
      );
    } finally {
      await lock.release();
    }
  }

  /** With thousands of connections each waits longer, so that those who only wait are no load. */
  async function standBy(signal: AbortSignal): Promise<void> {
    standingBy += 1;
    const retryMs = Math.min(Math.max(MIN_LOCK_RETRY_MS, standingBy * LOCK_RETRY_EACH_MS), MAX_LOCK_RETRY_MS);
    await pause(retryMs, signal);
    standingBy -= 1;
  }

  /**
   * A platform that is asked gives the next events when these are taken. One that PostgreSQL will never take must not keep its
   * connection deaf for good: it is left out, and said to be. Whatever else goes wrong may pass, and is waited for.
   */
  async function take(
    connection: ResolvedConnection,
    event: ChannelEvent,
    receivedAtMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    for (let takes = 1; ; takes += 1) {
      try {
        await options.accept(connection, event, { receivedAtMs, verifiedAtMs: receivedAtMs });
        return;
      } catch (error) {
        if (signal.aborted || !isUnstorable(error)) throw error;
        if (takes === MAX_TAKES) {
          const { channel, tenantId, id: connectionId } = connection;
          const { type, eventId } = event;
          // The code alone: PostgreSQL quotes values that it refuses.
          const { code } = error as { readonly code?: unknown };
          log.error('event.skipped', { channel, tenantId, connectionId, type, eventId, code });
          return;
        }
        await pause(RETRY_MS, signal);
      }
    }
  }

  async function disable(connection: ResolvedConnection): Promise<void> {
    const { tenantId, id: connectionId } = connection;
    const reason = 'token_refused';
    try {
      const shut = await options.disableConnection(connection, reason);
      if (shut.outcome !== 'disabled') return;
      const remedy = 'Apply a new token.';
      log.error('connection.disabled', { tenantId, connectionId, reason, waiting: shut.waiting, remedy });
    } catch (error) {
      log.warn('connection.disable_failed', { tenantId, connectionId, error });
    }
  }

  const accessOf = (connection: ResolvedConnection) => openAccess(options.cipher, connection);

  async function pause(ms: number, signal: AbortSignal): Promise<void> {
    await options.sleep(ms, signal).catch(() => {});
  }

  function ask(): void {
    if (isAsked || stopped.signal.aborted) return; // changes come in bursts: one look after them sees them all
    isAsked = true;
    refreshing = refreshing.then(async () => {
      isAsked = false;
      try {
        await refresh();
        await pause(LOOK_PAUSE_MS, stopped.signal);
      } catch (error) {
        // Nobody announces a second time what was announced while the database was away.
        log.warn('subscription.list_failed', { error });
        await pause(LOOK_AGAIN_MS, stopped.signal);
        ask();
      }
    });
  }

  return {
    refresh: ask,
    async stop() {
      stopped.abort();
      await refreshing;
      await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
}

/** SQLSTATE of a value that is none (a time of the year 300,000), or is too large: the event's own fault, and nobody else's. */
function isUnstorable(error: unknown): boolean {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' && /^(22|54)[0-9A-Z]{3}$/.test(code);
}
