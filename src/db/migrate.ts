import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import pg from 'pg';
import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

/** Serialises migrations of one database among all processes; the number is arbitrary and never changes. */
const ADVISORY_LOCK = 7_203_417;

export interface MigrationResult {
  readonly applied: readonly string[];
}

/**
 * Brings the database up to date: every file of `migrations/` once, in order, each in a transaction of its own.
 * Safe from many processes at once: the others wait and then find nothing to do.
 *
 * @throws KonstructError `database_outdated` when the database is ahead of this version or a file was changed after it
 *   had been applied; `database_unavailable`
 */
export async function migrate(
  databaseUrl: string,
  options: { log: Log; folder?: URL },
): Promise<MigrationResult> {
  const folder = options.folder ?? new URL('../../migrations/', import.meta.url);
  const files = await readMigrations(folder);
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'konstruct migrate' });
  try {
    await client.connect();
  } catch (cause) {
    throw new KonstructError('database_unavailable', undefined, { cause });
  }
  try {
    await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK]);
    await client.query(`
      create schema if not exists konstruct;
      create table if not exists konstruct.migrations (
        name text primary key, checksum text not null, applied_at timestamptz not null default now())`);
    const { rows } = await client.query<{ name: string; checksum: string }>(
      'select name, checksum from konstruct.migrations order by name',
    );
    const applied: string[] = [];
    const done = new Map(rows.map((row) => [row.name, row.checksum]));
    checkHistory(done, files);
    for (const file of files) {
      if (done.has(file.name)) continue;
      await applyMigration(client, file);
      applied.push(file.name);
      options.log.info('database.migrated', { migration: file.name });
    }
    return { applied };
  } finally {
    await client.end(); // releases the lock
  }
}

interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

async function readMigrations(folder: URL): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex') };
    }),
  );
}

function checkHistory(done: ReadonlyMap<string, string>, files: readonly Migration[]): void {
  const known = new Map(files.map((file) => [file.name, file.checksum]));
  for (const [name, checksum] of done) {
    const ours = known.get(name);
    if (ours === undefined) {
      throw new KonstructError(
        'database_outdated',
        `The database has migration ${name}, which this version does not know.`,
      );
    }
    if (ours !== checksum) {
      throw new KonstructError(
        'database_outdated',
        `Migration ${name} was changed after it had been applied.`,
      );
    }
  }
}

async function applyMigration(client: pg.Client, file: Migration): Promise<void> {
  try {
    await client.query('begin');
    await client.query(file.sql);
    await client.query('insert into konstruct.migrations (name, checksum) values ($1, $2)', [
      file.name,
      file.checksum,
    ]);
    await client.query('commit');
  } catch (cause) {
    await client.query('rollback');
    throw new KonstructError(
      'database_outdated',
      `Migration ${file.name} failed: ${(cause as Error).message}`,
      { cause },
    );
  }
}
