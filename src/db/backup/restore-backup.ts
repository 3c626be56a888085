import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { checkServerVersion, migrate } from '../migrate.ts';
import {
  checkHistory,
  createMigrationsTable,
  type Migration,
  migrationsFolder,
  readMigrations,
  recordMigration,
} from '../migration-files.ts';
import { lockMigrations } from '../migration-lock.ts';
import { openClient } from '../open-client.ts';
import { errorCode, translateDatabaseError } from '../pool.ts';
import { type BackupFoot, type BackupHead, COPY_SETTINGS, copyTarget, unreadable } from './backup-format.ts';
import { type BackupReader, openBackup } from './read-backup.ts';
import { listSequences, listStoredTables, SEE_ALL_TENANTS, SEE_AS_BEFORE } from './stored-tables.ts';
import type { BackupRows } from './write-backup.ts';

export interface RestoreBackupOptions {
  /** Replace what is in the database. */
  readonly force: boolean;
  readonly signal: AbortSignal;
  readonly log: Log;
}

export interface RestoredBackup {
  readonly head: BackupHead;
  readonly rows: BackupRows;
}

const LOCK_DEADLINE_MS = 30_000;

/**
 * After the backup was made, ids went on being given: the platform may have messages that name them (the marker of a
 * delivery). So ids go on far beyond, and no marker is ever taken for another's. There are 9 × 10^18 of them.
 */
const SKIPPED_IDS = 10_000_000;

/**
 * Makes the database what it was when a backup was made: the schema of that time, the rows, then the migrations that came
 * since. All but those is one transaction: a restore that fails leaves the database as it was.
 *
 * @throws KonstructError `backup_unreadable`; `database_outdated` when the backup was made by a newer version;
 *   `database_not_empty` unless `force`; `database_in_use`; `database_unavailable`; `disk_full`; `aborted`
 */
export async function restoreBackup(
  url: string,
  source: Readable,
  { force, signal, log }: RestoreBackupOptions,
): Promise<RestoredBackup> {
  const backup = await openBackup(source);
  const migrations = await migrationsOf(backup.head);
  const client = await openClient(url, 'restore');
  let rows: BackupRows;
  try {
    await client.query(COPY_SETTINGS);
    await checkServerVersion(client);
    await lockMigrations(client, LOCK_DEADLINE_MS);
    await checkNobodyElse(client);
    await client.query('begin');
    if (!force) await checkEmpty(client);
    await createSchema(client, migrations);
    rows = await load(client, backup, signal);
    await client.query('commit');
    await client.end();
  } catch (error) {
    if (signal.aborted) throw new KonstructError('aborted', 'The restore was cancelled.', { cause: error });
    throw isRefusedRow(error)
      ? unreadable('PostgreSQL refuses a row of it', error)
      : translateDatabaseError(error);
  } finally {
    client.connection.stream.destroy(); // what was not committed never happened
    source.destroy();
  }
  await migrate(url, { log });
  await analyze(url);
  return { head: backup.head, rows };
}

/** Ours of the same names. @throws KonstructError `database_outdated` when there is one that we do not have */
async function migrationsOf(head: BackupHead): Promise<readonly Migration[]> {
  const files = await readMigrations(migrationsFolder);
  const done = new Map(head.migrations.map(({ name, checksum }) => [name, checksum]));
  checkHistory(done, files, `The backup of version ${head.version}`);
  return files.filter(({ name }) => done.has(name));
}

/** What runs would fail in the middle of its work, and write what belongs to neither state. */
async function checkNobodyElse(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ others: number }>(
    `select count(*)::integer as others from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and application_name like 'konstruct %'`,
  );
  const others = rows[0]?.others ?? 0;
  if (others === 0) return;
  throw new KonstructError(
    'database_in_use',
    `Konstruct is running on this database (${others} connections).`,
    { details: { connections: others } },
  );
}

async function checkEmpty(client: pg.ClientBase): Promise<void> {
  for (const { table, hasRowSecurity } of await listStoredTables(client)) {
    if (hasRowSecurity) await client.query(SEE_ALL_TENANTS);
    const { rowCount } = await client.query(`select 1 from konstruct.${table} limit 1`);
    if (hasRowSecurity) await client.query(SEE_AS_BEFORE);
    if (rowCount !== 0) {
      throw new KonstructError('database_not_empty', `The database has data already (table ${table}).`);
    }
  }
}

async function createSchema(client: pg.ClientBase, migrations: readonly Migration[]): Promise<void> {
  await client.query('drop schema if exists konstruct cascade');
  await client.query(createMigrationsTable);
  for (const { name, sql, checksum } of migrations) {
    await client.query(sql);
    await client.query(recordMigration, [name, checksum]);
  }
}

/** Foreign keys are made anew behind the rows: they point in circles, and are checked table by table then. */
async function load(client: pg.Client, backup: BackupReader, signal: AbortSignal): Promise<BackupRows> {
  const stored = new Map((await listStoredTables(client)).map((each) => [each.table, each]));
  const { rows: foreignKeys } = await client.query<{ table: string; name: string; definition: string }>(
    `select conrelid::regclass::text as table, quote_ident(conname) as name, pg_get_constraintdef(oid) as definition
     from pg_constraint where contype = 'f' and connamespace = 'konstruct'::regnamespace order by conrelid, conname`,
  );
  for (const { table, name } of foreignKeys) {
    await client.query(`alter table ${table} drop constraint ${name}`);
  }
  for (const { table, hasRowSecurity } of stored.values()) {
    await client.query(`alter table konstruct.${table} disable trigger user`);
    if (hasRowSecurity) await client.query(`alter table konstruct.${table} no force row level security`);
  }

  const counts = new Map<string, number>();
  const sections = backup.sections();
  let section = await sections.next();
  for (; !section.done; section = await sections.next()) {
    const { table, columns, rows } = section.value;
    const known = stored.get(table)?.columns;
    if (known === undefined || counts.has(table) || columns.some((column) => !known.includes(column))) {
      throw unreadable(`it has a table "${table}" that does not fit its migrations`);
    }
    const copy = client.query(copyFrom(`copy ${copyTarget(section.value)} from stdin`));
    await pipeline(rows, copy, { signal });
    counts.set(table, copy.rowCount);
  }
  const foot = section.value;
  checkComplete(foot, counts, [...stored.keys()]);

  for (const { table, name, definition } of foreignKeys) {
    await client.query(`alter table ${table} add constraint ${name} ${definition}`);
  }
  for (const { table, hasRowSecurity } of stored.values()) {
    await client.query(`alter table konstruct.${table} enable trigger user`);
    if (hasRowSecurity) await client.query(`alter table konstruct.${table} force row level security`);
  }
  for (const name of await listSequences(client)) {
    const last = BigInt(foot.sequences[name] ?? 0);
    await client.query('select setval($1, $2)', [`konstruct.${name}`, String(last + BigInt(SKIPPED_IDS))]);
  }
  return foot.rows;
}

function checkComplete(
  foot: BackupFoot,
  counts: ReadonlyMap<string, number>,
  tables: readonly string[],
): void {
  for (const table of tables) {
    const loaded = counts.get(table);
    if (loaded === undefined) throw unreadable(`the table "${table}" is missing`);
    if (loaded !== foot.rows[table]) throw unreadable(`the table "${table}" is not complete`);
  }
}

/** 22: a value that is none; 23: a key that exists twice or points nowhere. */
function isRefusedRow(error: unknown): boolean {
  return /^2[23]/.test(errorCode(error) ?? '');
}

/** Plans made for tables that are thought to be empty are bad ones, and they are kept (docs/performance.md). */
async function analyze(url: string): Promise<void> {
  const client = await openClient(url, 'restore');
  try {
    for (const { table } of await listStoredTables(client)) await client.query(`analyze konstruct.${table}`);
  } finally {
    await client.end();
  }
}
