import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { applyFunctions, areFunctionsPending, failedMigration, readFunctions } from './apply-functions.ts';
import { translateDatabaseError } from './pool.ts';

/** Serialises migrations of one database among all processes; the number is arbitrary and never changes. */
const ADVISORY_LOCK = 7_203_417;
const LOCK_PAUSE_MS = 100;

const OUR_FOLDER = new URL('../../migrations/', import.meta.url);
/** How the functions are called in a list of migrations. */
const FUNCTIONS = 'functions/';

/** `on delete set null (column)` came with 15; older servers are out of support or soon will be. */
const MINIMUM_SERVER_VERSION = 15;

/** Files of earlier versions whose functions moved to `functions/` and whose tables are in the files there are now. */
const RETIRED: ReadonlySet<string> = new Set(['0002_pipeline.sql', '0003_dead_letters.sql']);

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
  const folder = options.folder ?? OUR_FOLDER;
  const files = await readMigrations(folder);
  const functions = await readFunctions(folder);
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'konstruct migrate',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    // A new index on a full table takes as long as it takes, whatever the server's default is.
    statement_timeout: 0,
  });
  client.on('error', () => {}); // the query under way fails too; without a listener the process would end
  try {
    await client.connect();
  } catch (cause) {
    throw new KonstructError('database_unavailable', undefined, { cause });
  }
  try {
    await checkServerVersion(client);
    await lock(client, options.lockDeadlineMs ?? 300_000);
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

/** Waits by asking again: a blocked `pg_advisory_lock` would be an open statement that nothing ends. */
async function lock(client: pg.Client, deadlineMs: number): Promise<void> {
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

/** Names of the migrations that this version has and the database has not, oldest first. Changes nothing. */
export async function listPendingMigrations(
  client: pg.ClientBase,
  options: { folder?: URL } = {},
): Promise<readonly string[]> {
  const folder = options.folder ?? OUR_FOLDER;
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
    if (RETIRED.has(name)) continue;
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
    throw await failedMigration(client, file.name, cause);
  }
}
