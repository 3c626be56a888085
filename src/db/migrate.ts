import type pg from 'pg';
import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { applyFunctions, areFunctionsPending, failedMigration, readFunctions } from './apply-functions.ts';
import {
  checkHistory,
  createMigrationsTable,
  type Migration,
  migrationsFolder,
  readMigrations,
  recordMigration,
} from './migration-files.ts';
import { lockMigrations } from './migration-lock.ts';
import { openClient } from './open-client.ts';
import { translateDatabaseError } from './pool.ts';

/** How the functions are called in a list of migrations. */
const FUNCTIONS = 'functions/';

/** `on delete set null (column)` came with 15; older servers are out of support or soon will be. */
const MINIMUM_SERVER_VERSION = 15;

export interface MigrationResult {
  readonly applied: readonly string[];
}

export interface MigrateOptions {
  readonly log: Log;
  readonly folder?: URL;
  /** How long to wait while another process migrates the same database. */
  readonly lockDeadlineMs?: number;
}

/**
 * Brings the database up to date: every file of `migrations/` once, in order, each in a transaction of its own, then
 * the functions of `migrations/functions/` where one has changed. So an interrupted run is simply repeated. Safe from
 * many processes at once: the others wait and then find nothing to do.
 *
 * The user owns the database and may create roles (or an administrator made ours and granted them: the error says how);
 * he need not be a superuser.
 *
 * @throws KonstructError `database_outdated` when the server is older than PostgreSQL 15, the database is ahead of this
 *   version, a file was changed after it had been applied, or one fails; `database_unavailable`
 */
export async function migrate(databaseUrl: string, options: MigrateOptions): Promise<MigrationResult> {
  const folder = options.folder ?? migrationsFolder;
  const files = await readMigrations(folder);
  const functions = await readFunctions(folder);
  const client = await openClient(databaseUrl, 'migrate');
  try {
    await checkServerVersion(client);
    await lockMigrations(client, options.lockDeadlineMs ?? 300_000);
    const applied = await applyMissing(client, files, options.log);
    if (await applyFunctions(client, functions)) {
      options.log.info('database.functions_replaced', { functions: functions.files.length });
      return { applied: [...applied, FUNCTIONS] };
    }
    return { applied };
  } catch (error) {
    throw translateDatabaseError(error);
  } finally {
    await client.end().catch(() => {}); // releases the lock
  }
}

async function applyMissing(
  client: pg.Client,
  files: readonly Migration[],
  log: Log,
): Promise<readonly string[]> {
  await client.query(createMigrationsTable);
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
    log.info('database.migrated', { migration: file.name });
  }
  return applied;
}

/** @throws KonstructError `database_outdated` naming the version, when the server is too old for the schema */
export async function checkServerVersion(client: Pick<pg.ClientBase, 'query'>): Promise<void> {
  const { rows } = await client.query<{ number: string; name: string }>(
    `select current_setting('server_version_num') as number, current_setting('server_version') as name`,
  );
  if (Number(rows[0]?.number) >= MINIMUM_SERVER_VERSION * 10_000) return;
  throw new KonstructError(
    'database_outdated',
    `The server runs PostgreSQL ${rows[0]?.name}; Konstruct needs ${MINIMUM_SERVER_VERSION} or newer.`,
  );
}

/** Names of the migrations that this version has and the database has not, oldest first. Changes nothing. */
export async function listPendingMigrations(
  client: pg.ClientBase,
  options: { folder?: URL } = {},
): Promise<readonly string[]> {
  const folder = options.folder ?? migrationsFolder;
  const files = await readMigrations(folder);
  const functions = await readFunctions(folder);
  const all = [...files.map(({ name }) => name), ...(functions.files.length > 0 ? [FUNCTIONS] : [])];
  const { rows: tables } = await client.query<{ known: boolean }>(
    `select to_regclass('konstruct.migrations') is not null as known`,
  );
  if (!tables[0]?.known) return all;
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from konstruct.migrations',
  );
  const done = new Map(rows.map((row) => [row.name, row.checksum]));
  checkHistory(done, files);
  const isCurrent = !(await areFunctionsPending(client, functions));
  return all.filter((name) => (name === FUNCTIONS ? !isCurrent : !done.has(name)));
}

async function applyMigration(client: pg.Client, file: Migration): Promise<void> {
  try {
    await client.query('begin');
    await client.query(file.sql);
    await client.query(recordMigration, [file.name, file.checksum]);
    await client.query('commit');
  } catch (cause) {
    throw await failedMigration(client, file.name, cause);
  }
}
