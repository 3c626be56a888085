import type { Channel, ChannelSubscription, RecordedActivity } from '../core/channel.ts';
import type { Cipher } from '../core/cipher.ts';
import type { Clock, Sleep } from '../core/clock.ts';
import { openAccess } from '../core/connection-access.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
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
  readonly disableConnection: (connection: ResolvedConnection, reason: string) => Promise<boolean>;
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

const LOCK_RETRY_MS = 2_000;
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
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        if (!(await introduce(channel, connection, signal))) return;
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
      await pause(LOCK_RETRY_MS, signal);
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
          for (const event of events)
            await options.accept(current, event, { receivedAtMs, verifiedAtMs: receivedAtMs });
        },
        AbortSignal.any([signal, lock.lost]),
        () => options.recall(connection),
      );
    } finally {
      await lock.release();
    }
  }

  async function disable(connection: ResolvedConnection): Promise<void> {
    const { tenantId, id: connectionId } = connection;
    const reason = 'token_refused';
    try {
      if (!(await options.disableConnection(connection, reason))) return;
      const remedy = 'Apply a new token.';
      log.error('connection.disabled', { tenantId, connectionId, reason, remedy });
    } catch (error) {
      log.warn('connection.disable_failed', { tenantId, connectionId, error });
    }
  }

  const accessOf = (connection: ResolvedConnection) => openAccess(options.cipher, connection);

  async function pause(ms: number, signal: AbortSignal): Promise<void> {
    await options.sleep(ms, signal).catch(() => {});
  }

  return {
    refresh() {
      if (isAsked) return; // changes come in bursts: one look after them sees them all
      isAsked = true;
      refreshing = refreshing
        .then(() => {
          isAsked = false;
          return refresh();
        })
        .catch((error: unknown) => log.warn('subscription.list_failed', { error }));
    },
    async stop() {
      stopped.abort();
      await refreshing;
      await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
}
