import pg from 'pg';
import type { Log } from '../core/log.ts';
import { errorCode } from './pool.ts';

/** A lock that is ours until it is released or the database connection breaks. */
export interface SessionLock {
  /** Aborted when the lock is no longer certain to be ours. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** Locks among all processes of a database, gone with the process that holds them: no lease to renew, none to wait out. */
export interface SessionLocks {
  /** `null`: another process has it, or the database cannot be asked now. */
  tryLock(name: string): Promise<SessionLock | null>;
  close(): Promise<void>;
}

const PROBE_MS = 5_000;
const TIMEOUT_MS = 5_000;

/** Holds all locks of this process on one connection of its own, which is made when the first one is asked for. */
export function createSessionLocks(url: string, options: { log: Log }): SessionLocks {
  let session: Promise<Session> | null = null;
  let closed = false;

  async function current(): Promise<Session> {
    session ??= openSession(url, () => {
      session = null;
      if (!closed) options.log.warn('database.locks_lost');
    });
    try {
      return await session;
    } catch (error) {
      session = null;
      throw error;
    }
  }

  return {
    async tryLock(name) {
      if (closed) return null;
      try {
        return await (await current()).tryLock(name);
      } catch (error) {
        options.log.debug('database.lock_failed', { code: errorCode(error) });
        return null;
      }
    },
    async close() {
      closed = true;
      await (await session?.catch(() => null))?.end();
    },
  };
}

interface Session {
  tryLock(name: string): Promise<SessionLock | null>;
  end(): Promise<void>;
}

async function openSession(url: string, onEnd: () => void): Promise<Session> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'konstruct locks',
    keepAlive: true,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  const held = new Map<string, AbortController>();
  client.on('error', () => {}); // 'end' follows
  await client.connect();
  // A connection that died without a word would let another process take the locks: ask now and then.
  const probe = setInterval(() => {
    client.query('select 1').catch(() => client.end().catch(() => {}));
  }, PROBE_MS);
  probe.unref();
  client.once('end', () => {
    clearInterval(probe);
    for (const controller of held.values()) controller.abort();
    held.clear();
    onEnd();
  });
  return {
    async tryLock(name) {
      if (held.has(name)) return null; // the server would grant it to its own session a second time
      const controller = new AbortController();
      held.set(name, controller);
      const key = 'hashtextextended($1, 0)';
      try {
        const { rows } = await client.query<{ locked: boolean }>(
          `select pg_try_advisory_lock(${key}) as locked`,
          [name],
        );
        if (rows[0]?.locked === true) {
          return {
            lost: controller.signal,
            async release() {
              if (held.get(name) !== controller) return;
              await client.query(`select pg_advisory_unlock(${key})`, [name]).catch(() => client.end());
              held.delete(name);
            },
          };
        }
      } catch (error) {
        held.delete(name);
        throw error;
      }
      held.delete(name);
      return null;
    },
    end: () => client.end(),
  };
}
