import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type pg from 'pg';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import { translateDatabaseError } from './pool.ts';

/** The functions of `migrations/functions/`, as this version has them. */
export interface FunctionSet {
  readonly files: readonly { readonly name: string; readonly sql: string }[];
  /** Of all files together. */
  readonly checksum: string;
  /** The package's version: a database is never taken back to an older one's functions. */
  readonly version: string;
}

export async function readFunctions(migrations: URL): Promise<FunctionSet> {
  const folder = new URL('functions/', migrations);
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.sql')).sort();
  const files = await Promise.all(
    names.map(async (name) => ({ name, sql: await readFile(new URL(name, folder), 'utf8') })),
  );
  const hash = createHash('sha256');
  for (const { name, sql } of files) hash.update(`${name}\n${sql.replaceAll('\r\n', '\n')}\n`);
  const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  return { files, checksum: hash.digest('hex'), version };
}

/** Whether `applyFunctions` would change anything. */
export async function areFunctionsPending(client: pg.ClientBase, set: FunctionSet): Promise<boolean> {
  if (set.files.length === 0) return false;
  const { rows: tables } = await client.query<{ known: boolean }>(
    `select to_regclass('konstruct.function_sets') is not null as known`,
  );
  if (!tables[0]?.known) return true;
  const { rows } = await client.query<{ checksum: string; version: string }>(
    'select checksum, version from konstruct.function_sets',
  );
  const [current] = rows;
  if (current === undefined) return true;
  if (isNewer(current.version, set.version)) {
    throw new KonstructError(
      'database_outdated',
      `The database has the functions of version ${current.version}; this is ${set.version}.`,
    );
  }
  return current.checksum !== set.checksum;
}

/**
 * Creates or replaces all functions in one transaction, as their owner and closed to the public. The caller holds the
 * migration lock. Returns whether there was anything to do.
 *
 * @throws KonstructError `database_outdated` when a newer version was here, or one fails; `database_unavailable`
 */
export async function applyFunctions(client: pg.ClientBase, set: FunctionSet): Promise<boolean> {
  if (!(await areFunctionsPending(client, set))) return false;
  let applying = 'function_sets';
  try {
    await client.query('begin');
    await client.query(`
      create table if not exists konstruct.function_sets (
        only_one boolean primary key default true check (only_one),
        version text not null, checksum text not null, applied_at timestamptz not null default now());
      -- They may call each other: what a body names need not be there yet.
      set local check_function_bodies = off;
      grant create on schema konstruct to konstruct_pipeline;
      set local role konstruct_pipeline`);
    for (const { name, sql } of set.files) {
      applying = name;
      await client.query(sql);
    }
    applying = 'functions/';
    await client.query(`${CLOSE}
      reset role;
      revoke create on schema konstruct from konstruct_pipeline`);
    await client.query(
      `insert into konstruct.function_sets (version, checksum) values ($1, $2)
       on conflict (only_one) do update
       set version = excluded.version, checksum = excluded.checksum, applied_at = now()`,
      [set.version, set.checksum],
    );
    await client.query('commit');
    return true;
  } catch (cause) {
    throw await failedMigration(client, applying, cause);
  }
}

/** To be called by the application only. */
const CLOSE = `
  do $close$
  declare
    f regprocedure;
  begin
    for f in
      select p.oid::regprocedure from pg_proc p
      where p.pronamespace = 'konstruct'::regnamespace and p.prosecdef
    loop
      execute format('revoke all on function %s from public', f);
      execute format('grant execute on function %s to konstruct_app', f);
    end loop;
  end
  $close$;`;

/** Ends the transaction and says what failed, in the project's words. */
export async function failedMigration(
  client: pg.ClientBase,
  name: string,
  cause: unknown,
): Promise<KonstructError> {
  const translated = translateDatabaseError(cause);
  if (isKonstructError(translated)) return translated; // the connection is gone, and the transaction with it
  await client.query('rollback');
  const { message, hint } = cause as { message: string; hint?: string };
  return new KonstructError(
    'database_outdated',
    `Migration ${name} failed: ${message}.${hint ? ` ${hint}` : ''}`,
    { cause },
  );
}

/** By the numbers of `major.minor.patch`. */
function isNewer(version: string, than: string): boolean {
  const numbers = (text: string) => text.split(/[.-]/, 3).map(Number);
  const [a, b] = [numbers(version), numbers(than)];
  for (const [index, number] of a.entries()) {
    if (number !== b[index]) return number > (b[index] ?? 0);
  }
  return false;
}
