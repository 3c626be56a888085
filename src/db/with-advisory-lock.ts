import { setTimeout as delay } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import type { Sleep } from '../core/clock.ts';
import { KonstructError } from '../core/errors.ts';
import type { Database } from './schema.ts';

export interface AdvisoryLockOptions {
  /** What is locked; arbitrary, the same in all processes. */
  readonly key: number;
  /** What the holder does, for the message when it takes too long: "another apply". */
  readonly holder: string;
  readonly deadlineMs: number;
  readonly sleep?: Sleep;
}

const PAUSE_MS = 100;

/**
 * Runs work while no other process of the same database holds the lock. It is held by a session, so it occupies one
 * connection of the pool, and it is gone with the process. Waiting is by polling: a blocked `pg_advisory_lock` would
 * be an open statement that nothing ends.
 *
 * @throws KonstructError `database_unavailable` when the lock is not free by the deadline
 */
export function withAdvisoryLock<T>(
  database: Kysely<Database>,
  options: AdvisoryLockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const { key, holder, deadlineMs, sleep = pause } = options;
  return database.connection().execute(async (connection) => {
    const tryLock = sql<{ locked: boolean }>`select pg_try_advisory_lock(${key}) as locked`;
    const attempts = Math.ceil(deadlineMs / PAUSE_MS);
    for (let attempt = 0; !(await tryLock.execute(connection)).rows[0]?.locked; attempt += 1) {
      if (attempt >= attempts) {
        throw new KonstructError(
          'database_unavailable',
          `${holder} has been running for ${deadlineMs / 1000} s; wait until it has ended and try again.`,
        );
      }
      await sleep(PAUSE_MS);
    }
    try {
      return await work();
    } finally {
      await sql`select pg_advisory_unlock(${key})`.execute(connection);
    }
  });
}

async function pause(ms: number): Promise<void> {
  await delay(ms);
}
