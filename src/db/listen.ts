import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Log } from '../core/log.ts';
import { errorCode } from './pool.ts';

export type NotificationChannel =
  | 'konstruct_ready'
  | 'konstruct_changed'
  | 'konstruct_turns'
  | 'konstruct_begun'
  | 'konstruct_mailbox'
  | 'konstruct_glimpse';

export interface DatabaseListener {
  /**
   * The listener is told whose connection announced it (`trackProcessIds`), and with which words; `null` after a gap in
   * the listening.
   */
  on(
    channel: NotificationChannel,
    listener: (fromProcessId: number | null, payload: string | null) => void,
  ): void;
  /** Whether it listens right now, as far as it knows. */
  isListening(): boolean;
  stop(): Promise<void>;
}

const CHANNELS: readonly NotificationChannel[] = ['konstruct_ready', 'konstruct_changed', 'konstruct_turns'];
type Listener = Parameters<DatabaseListener['on']>[1];
const RECONNECT_MS = 500;
const PROBE_MS = 10_000;

/**
 * Holds one connection that listens for notifications. When it breaks it is made again, and every listener is then
 * called once, because what was announced in between is unknown. Resolves when it listens for the first time.
 */
export async function listen(
  url: string,
  options: { log: Log; also?: readonly NotificationChannel[] },
): Promise<DatabaseListener> {
  const channels = [...CHANNELS, ...(options.also ?? [])];
  const listeners = new Map<NotificationChannel, Listener[]>(channels.map((channel) => [channel, []]));
  const stopped = new AbortController();
  let client: pg.Client | null = null;

  function announce(
    channel: NotificationChannel,
    fromProcessId: number | null,
    payload: string | null = null,
  ): void {
    for (const listener of listeners.get(channel) ?? []) listener(fromProcessId, payload);
  }

  async function connect(): Promise<void> {
    const next = new pg.Client({
      connectionString: url,
      application_name: 'konstruct listen',
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
    });
    next.on('error', () => {}); // 'end' follows and reconnects
    next.once('end', () => {
      if (client !== next) return; // it never listened: whoever connects knows
      client = null;
      if (!stopped.signal.aborted) void reconnect();
    });
    try {
      await next.connect();
      next.on('notification', ({ channel, processId, payload }) =>
        announce(channel as NotificationChannel, processId, payload ?? null),
      );
      for (const channel of channels) await next.query(`listen ${channel}`);
      stopped.signal.throwIfAborted();
    } catch (error) {
      next.end().catch(() => {}); // nobody else would
      throw error;
    }
    client = next;
  }

  async function reconnect(): Promise<void> {
    options.log.warn('database.listener_lost');
    while (!stopped.signal.aborted) {
      try {
        await sleep(RECONNECT_MS, undefined, { signal: stopped.signal });
        await connect();
        options.log.info('database.listener_restored');
        for (const channel of channels) announce(channel, null);
        return;
      } catch (error) {
        if (!stopped.signal.aborted)
          options.log.debug('database.listener_failed', { code: errorCode(error) });
      }
    }
  }

  await connect();
  // A connection that died without a word (a pulled cable) would stay silent for ever: ask now and then.
  const probe = setInterval(() => {
    const current = client;
    current?.query('select 1').catch(() => current.end().catch(() => {}));
  }, PROBE_MS);
  probe.unref();

  return {
    on: (channel, listener) => listeners.get(channel)?.push(listener),
    isListening: () => client !== null,
    async stop() {
      stopped.abort();
      clearInterval(probe);
      await client?.end();
    },
  };
}
