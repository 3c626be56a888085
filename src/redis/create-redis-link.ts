import { createHash } from 'node:crypto';
import type { Log } from '../core/log.ts';
import type { RedisAddress } from '../core/redis-address.ts';
import { openRedisClient, type RedisClient } from './open-redis-client.ts';

/**
 * Redis as something that may be away at any time. A call has a deadline; when Redis is known to be away, a call fails
 * at once, without a wait and without a packet, and the way back is sought in the background.
 */
export interface RedisLink {
  isUp(): boolean;
  /** @throws whatever went wrong. Whether the script ran is then unknown. */
  run(script: RedisScript, keys: readonly string[], values: readonly string[]): Promise<unknown>;
  snapshot(): RedisLinkCounts;
  close(): Promise<void>;
}

export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

export interface RedisLinkCounts {
  readonly state: 'ok' | 'unavailable';
  /** Calls that Redis answered. */
  readonly calls: number;
  /** Calls that failed or took too long. */
  readonly failures: number;
  /** How often Redis was lost. */
  readonly losses: number;
}

export interface RedisLinkOptions {
  readonly address: RedisAddress;
  /** Taught to every server as soon as it is reached, so that no first call is slow. */
  readonly scripts: readonly RedisScript[];
  readonly log: Log;
  readonly timing?: Partial<RedisLinkTiming>;
}

export interface RedisLinkTiming {
  /** Deadline of one call, in ms. */
  readonly callMs: number;
  readonly connectMs: number;
  /** Pauses before the attempts to come back; the last one is repeated. */
  readonly reconnectMs: readonly number[];
}

const defaultTiming: RedisLinkTiming = {
  callMs: 50,
  connectMs: 1_000,
  reconnectMs: [0, 100, 250, 500, 1_000, 2_000, 5_000],
};
/** A Redis that answers the greeting and then fails again at once goes on with the pauses where it was. */
const STABLE_MS = 10_000;
/** So many failures within a second mean that Redis is away; a single slow answer does not. */
const MAX_FAILURES = 3;
const FAILURE_WINDOW_MS = 1_000;

export function redisScript(text: string): RedisScript {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** Connects; resolves after the first attempt, whether or not it succeeded. */
export async function createRedisLink(options: RedisLinkOptions): Promise<RedisLink> {
  const { log } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const stopped = new AbortController();
  let client: RedisClient | null = null;
  let failedAt: number[] = [];
  let connectedAt = 0;
  let attempts = 0;
  let saidAway = false;
  let reconnecting: Promise<void> = Promise.resolve();
  const counts = { calls: 0, failures: 0, losses: 0 };

  async function connect(): Promise<void> {
    let opened: RedisClient | null = null;
    let broken: unknown = null;
    const onError = (error: unknown): void => {
      if (opened !== null && opened === client) lose(error);
      else broken = error;
    };
    opened = await openRedisClient({
      address: options.address,
      connectTimeoutMs: timing.connectMs,
      onError,
    });
    try {
      const teach = options.scripts.map(({ text }) => ['SCRIPT', 'LOAD', text]);
      await withDeadline(Promise.all(teach.map(opened.sendToAll)), timing.connectMs);
      stopped.signal.throwIfAborted();
      if (broken !== null) throw broken;
    } catch (error) {
      opened.destroy();
      throw error;
    }
    client = opened;
    connectedAt = performance.now();
    failedAt = [];
    log.info('redis.connected', { cluster: options.address.cluster, losses: counts.losses });
    saidAway = false;
  }

  function sayAway(error: unknown): void {
    if (!saidAway) log.warn('redis.unavailable', { reason: reasonOf(error) });
    saidAway = true;
  }

  function lose(error: unknown): void {
    if (client === null) return;
    const lost = client;
    client = null;
    counts.losses += 1;
    sayAway(error);
    lost.destroy();
    if (performance.now() - connectedAt > STABLE_MS) attempts = 0;
    if (!stopped.signal.aborted) reconnecting = reconnect();
  }

  async function reconnect(): Promise<void> {
    while (!stopped.signal.aborted) {
      await pause(timing.reconnectMs[Math.min(attempts, timing.reconnectMs.length - 1)] ?? 0);
      attempts += 1;
      if (stopped.signal.aborted) return;
      try {
        await connect();
        return;
      } catch (error) {
        sayAway(error);
      }
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      timer.unref();
      stopped.signal.addEventListener('abort', done, { once: true });
      function done(): void {
        clearTimeout(timer);
        stopped.signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }

  function countFailure(of: RedisClient, error: unknown): void {
    counts.failures += 1;
    if (of !== client) return;
    const now = performance.now();
    failedAt = [...failedAt.filter((at) => now - at < FAILURE_WINDOW_MS), now];
    if (failedAt.length >= MAX_FAILURES) lose(error);
  }

  try {
    await connect();
  } catch (error) {
    sayAway(error);
    reconnecting = reconnect();
  }
  return {
    isUp: () => client !== null,
    async run(script, keys, values) {
      const current = client;
      if (current === null) throw new Error('Redis is away.');
      try {
        const answer = await withDeadline(evaluate(current, script, keys, values), timing.callMs);
        counts.calls += 1;
        return answer;
      } catch (error) {
        countFailure(current, error);
        throw error;
      }
    },
    snapshot: () => ({ state: client === null ? 'unavailable' : 'ok', ...counts }),
    async close() {
      stopped.abort();
      client?.destroy();
      client = null;
      await reconnecting;
    },
  };
}

/** By its name, which is one round trip; with its text only where the server has not seen it (new, restarted). */
async function evaluate(
  client: RedisClient,
  script: RedisScript,
  keys: readonly string[],
  values: readonly string[],
): Promise<unknown> {
  const key = keys[0] ?? '';
  const rest = [String(keys.length), ...keys, ...values];
  try {
    return await client.send(key, ['EVALSHA', script.sha, ...rest]);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return client.send(key, ['EVAL', script.text, ...rest]);
  }
}

/**
 * The time that counts is the server's, not ours: when this process was busy beyond the deadline, an answer that lies
 * in the socket already is read first (timers run before sockets, `setImmediate` after them).
 */
async function withDeadline<Value>(work: Promise<Value>, ms: number): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => setImmediate(() => reject(new Error('ETIMEDOUT'))), ms);
  });
  late.catch(() => {});
  work.catch(() => {}); // it may fail after its deadline
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A word for the log: Node's code, Redis's own first word (`NOAUTH`, `CLUSTERDOWN`), or the error's name. */
function reasonOf(error: unknown): string {
  const { code, message, name } = error as { code?: unknown; message?: unknown; name?: unknown };
  if (typeof code === 'string') return code;
  const word = typeof message === 'string' ? /^[A-Z]{4,}/.exec(message)?.[0] : undefined;
  return word ?? String(name ?? 'unknown');
}
