import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { KonstructError } from '../core/errors.ts';

/** Serialises migrations of one database among all processes; the number is arbitrary and never changes. */
const ADVISORY_LOCK = 7_203_417;
const LOCK_PAUSE_MS = 100;

/** Waits by asking again: a blocked `pg_advisory_lock` would be an open statement that nothing ends. */
export async function lockMigrations(client: pg.Client, deadlineMs: number): Promise<void> {
  const giveUpAt = performance.now() + deadlineMs;
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [
      ADVISORY_LOCK,
    ]);
    if (rows[0]?.locked) return;
    if (performance.now() > giveUpAt) {
      throw new KonstructError(
        'database_unavailable',
        `Another process has been migrating this database for ${deadlineMs / 1000} s; wait until it has ended.`,
      );
    }
    await sleep(LOCK_PAUSE_MS);
  }
}
