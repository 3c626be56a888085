import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { KonstructError } from '../core/errors.ts';

/** What this version has. */
export const migrationsFolder = new URL('../../migrations/', import.meta.url);

/** Files of earlier versions whose functions moved to `functions/` and whose tables are in the files there are now. */
const retiredMigrations: ReadonlySet<string> = new Set(['0002_pipeline.sql', '0003_dead_letters.sql']);

export const createMigrationsTable = `
  create schema if not exists konstruct;
  create table if not exists konstruct.migrations (
    name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
export const recordMigration = 'insert into konstruct.migrations (name, checksum) values ($1, $2)';

/** What of a migration a database remembers. */
export interface AppliedMigration {
  readonly name: string;
  readonly checksum: string;
}

export interface Migration extends AppliedMigration {
  readonly sql: string;
}

/** The numbered files, in order. */
export async function readMigrations(folder: URL): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex') };
    }),
  );
}

/**
 * @param what has these migrations, for the message
 * @throws KonstructError `database_outdated` when it is ahead of this version, or a file was changed since
 */
export function checkHistory(
  done: ReadonlyMap<string, string>,
  files: readonly Migration[],
  what = 'The database',
): void {
  const known = new Map(files.map((file) => [file.name, file.checksum]));
  for (const [name, checksum] of done) {
    if (retiredMigrations.has(name)) continue;
    const ours = known.get(name);
    if (ours === undefined) {
      throw new KonstructError(
        'database_outdated',
        `${what} has migration ${name}, which this version does not know.`,
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
