import type { Kysely } from 'kysely';
import type { Log } from '../core/log.ts';
import { createDatabase } from './create-database.ts';
import { createDatabasePool } from './pool.ts';
import type { Database } from './schema.ts';

export interface WithDatabaseOptions {
  /** Holds a secret. */
  readonly url: string;
  /** What the database's list of sessions calls it. */
  readonly name: string;
  /** Connections. */
  readonly size: number;
  readonly log: Log;
}

/** Gives work a pool of its own, which is closed whatever happens. */
export async function withDatabase<T>(
  options: WithDatabaseOptions,
  work: (database: Kysely<Database>) => Promise<T>,
): Promise<T> {
  const database = createDatabase(createDatabasePool(options));
  try {
    return await work(database);
  } finally {
    await database.destroy();
  }
}
