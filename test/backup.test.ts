import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { restoreBackup } from '../src/db/backup/restore-backup.ts';
import { writeBackup } from '../src/db/backup/write-backup.ts';
import { listPendingMigrations } from '../src/db/migrate.ts';
import { createDatabasePool } from '../src/db/pool.ts';
import { createAdmit } from '../src/router/admit.ts';
import { createPipelineDatabase, messageEvent, type PipelineDatabase } from './support/pipeline-database.ts';
import { createEmptyDatabase, type TestDatabase } from './support/postgres.ts';
import { silentLog } from './support/silent-log.ts';
import { addRows, type TenantWithRows } from './support/tenant-rows.ts';

const suffix = randomBytes(4).toString('hex');
const owner = `test_backup_owner_${suffix}`;
const never = new AbortController().signal;
const empties: TestDatabase[] = [];
/** Makes a database what it was before the newest migration: goes along with that. */
const undoNewestMigration = [
  'alter table konstruct.mailbox_messages drop column is_answer, drop column rating',
];
let database: PipelineDatabase;
let tenant: TenantWithRows;
let backup: Buffer;
let wanted: ReadonlyMap<string, unknown>;

beforeAll(async () => {
  database = await createPipelineDatabase();
  tenant = await addRows(database, database.tenants[0]);
  await addRows(database, database.tenants[1]);
  // What COPY has to escape, and what looks like the end of the rows.
  await database.gateway()(messageEvent(tenant, { content: 'a\tb\\.\n\\.\nc\\N \u{1F642} \\' }));
  await database.query(`insert into konstruct.used_install_states (id, expires_at) values ('used', now())`);
  await database.query(`insert into konstruct.routes (name, entries) values ('default', '[]')`);
  await database.endPools();
  backup = await backUp(database.url);
  wanted = await contents(database.url);
  await run(inject('postgresAdminUrl'), [
    `create role ${owner} login createrole password 'x'`,
    `grant konstruct_app, konstruct_pipeline to ${owner} with admin option`,
  ]);
});
afterAll(async () => {
  await database?.drop();
  for (const empty of empties) await empty.drop();
  await run(inject('postgresAdminUrl'), [`drop owned by ${owner}`, `drop role ${owner}`]);
});

async function run(url: string, statements: readonly string[]): Promise<pg.QueryResult[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const results: pg.QueryResult[] = [];
    for (const statement of statements) results.push(await client.query(statement));
    return results;
  } finally {
    await client.end();
  }
}

async function backUp(url: string): Promise<Buffer> {
  const sink = new PassThrough();
  const written = buffer(sink);
  await writeBackup(url, sink, { version: '1.2.3', clock: () => 0, signal: never });
  return written;
}

function restore(url: string, file: Buffer, { force = false } = {}) {
  return restoreBackup(url, Readable.from([file]), { force, signal: never, log: silentLog });
}

/** An empty database; its URL as a user who owns it and is no superuser, and as a superuser. */
async function emptyDatabase() {
  const empty = await createEmptyDatabase();
  empties.push(empty);
  await run(empty.url, [`alter database ${empty.name} owner to ${owner}`]);
  const url = new URL(empty.url);
  url.username = owner;
  url.password = 'x';
  return { url: url.href, adminUrl: empty.url };
}

/** All rows of all tables that are kept, and the schema around them. */
async function contents(adminUrl: string): Promise<ReadonlyMap<string, unknown>> {
  const [tables, keys, security] = await run(adminUrl, [
    `select relname from pg_class where relnamespace = 'konstruct'::regnamespace and relkind = 'r'
       and relpersistence = 'p' and relname not in ('migrations', 'function_sets') order by 1`,
    `select conrelid::regclass::text, conname, pg_get_constraintdef(oid) as def, convalidated
     from pg_constraint where connamespace = 'konstruct'::regnamespace order by 1, 2`,
    `select c.relname, relrowsecurity, relforcerowsecurity, tgname, tgenabled
     from pg_class c left join pg_trigger t on tgrelid = c.oid and not tgisinternal
     where relnamespace = 'konstruct'::regnamespace and relkind = 'r' order by 1, 4`,
  ]);
  const names = tables?.rows.map(({ relname }) => relname as string) ?? [];
  const rows = await run(
    adminUrl,
    names.map((name) => `select t::text as row from konstruct.${name} t order by 1`),
  );
  return new Map<string, unknown>([
    ...names.map((name, index) => [name, rows[index]?.rows] as const),
    ['foreign keys', keys?.rows],
    ['security', security?.rows],
  ]);
}

describe('a backup', () => {
  it('brings everything back into an empty database, as a user who is no superuser', async () => {
    const { url, adminUrl } = await emptyDatabase();
    const { head, rows } = await restore(url, backup);
    expect(head).toMatchObject({ version: '1.2.3', madeAt: '1970-01-01T00:00:00.000Z' });
    expect(wanted.size).toBeGreaterThan(15);
    for (const [table, found] of wanted) {
      if (table in rows) expect(rows[table], table).toBeGreaterThan(0);
      expect((found as unknown[]).length, table).toBeGreaterThan(0);
    }
    expect(await contents(adminUrl)).toEqual(wanted);
    // And from there once more, by the same user: the same file, but for the time, and ids that were left out.
    const [head2, ...lines] = gunzipSync(await backUp(url))
      .toString()
      .split('\n');
    const [, ...original] = gunzipSync(backup).toString().split('\n');
    expect(JSON.parse(head2 ?? '')).toMatchObject({ konstruct: 'backup', format: 1 });
    expect(lines.slice(0, -2)).toEqual(original.slice(0, -2));
  });

  it('goes on where it was: new messages get ids that nothing ever had', async () => {
    const { url, adminUrl } = await emptyDatabase();
    await restore(url, backup);
    const pool = createDatabasePool({ url, name: 'test', size: 1, log: silentLog });
    try {
      expect((await createAdmit(pool)(messageEvent(tenant))).outcome).toBe('new');
      const claimed = await pool.query('select claim_turns($1, 10, 15000, 60, gen_random_uuid())', ['w']);
      expect(claimed.rowCount).toBe(2); // and what was waiting when the backup was made
    } finally {
      await pool.end();
    }
    const [last, ids] = await run(adminUrl, [
      `select last_value::bigint as "last" from konstruct.turns_id_seq`,
      'select max(id) as newest, count(*)::int as all from konstruct.turns',
    ]);
    expect(Number(ids?.rows[0].newest)).toBe(Number(last?.rows[0].last));
    expect(Number(ids?.rows[0].newest)).toBeGreaterThan(10_000_000);
  });

  it('is of one moment, although people go on writing', async () => {
    const admit = database.gateway();
    let isOver = false;
    const writing = (async () => {
      while (!isOver) await admit(messageEvent(database.tenants[1]));
    })();
    let file: Buffer;
    try {
      file = await backUp(database.url);
    } finally {
      isOver = true;
      await writing;
      await database.endPools();
    }
    const { url, adminUrl } = await emptyDatabase();
    // Its foreign keys are checked with all rows there: a message without its conversation would be refused.
    const { rows } = await restore(url, file);
    expect(rows.messages).toBeGreaterThan(1);
    const [apart] = await run(adminUrl, [
      `select c.id from konstruct.conversations c
       where not exists (select 1 from konstruct.messages m where m.conversation_id = c.id)
         and c.thread_id like '1700000000.%'`,
    ]);
    expect(apart?.rows).toEqual([]);
  });

  it('of an older version, made before migrating, is brought up to date', async () => {
    const { url, adminUrl } = await emptyDatabase();
    await restore(url, backup);
    const latest = `(select max(name) from konstruct.migrations)`;
    await run(adminUrl, [`delete from konstruct.migrations where name = ${latest}`, ...undoNewestMigration]);
    const older = await backUp(url);
    const later = await emptyDatabase();
    await restore(later.url, older);
    const client = new pg.Client({ connectionString: later.adminUrl });
    await client.connect();
    expect(await listPendingMigrations(client)).toEqual([]);
    await client.end();
    expect(await contents(later.adminUrl)).toEqual(wanted);
    // And over a database that is there already.
    await restore(url, older, { force: true });
    expect(await contents(adminUrl)).toEqual(wanted);
  });

  it('of a newer version is refused, by its name', async () => {
    const [head = '', ...lines] = gunzipSync(backup).toString().split('\n');
    const { migrations, ...rest } = JSON.parse(head);
    const newer = { ...rest, migrations: [...migrations, { name: '9999_future.sql', checksum: 'x' }] };
    const { url } = await emptyDatabase();
    await expect(restore(url, gzipSync([JSON.stringify(newer), ...lines].join('\n')))).rejects.toMatchObject({
      code: 'database_outdated',
      message: 'The backup of version 1.2.3 has migration 9999_future.sql, which this version does not know.',
    });
  });

  it('cannot be made where nothing was ever', async () => {
    const { url } = await emptyDatabase();
    await expect(backUp(url)).rejects.toMatchObject({
      code: 'database_outdated',
      message: 'The database has nothing of Konstruct yet.',
    });
  });

  it('needs no right of its own: what sees all tenants may read every table', async () => {
    const unreadable = await database.query(
      `select relname from pg_class where relnamespace = 'konstruct'::regnamespace and relkind = 'r' and relrowsecurity
         and not has_table_privilege('konstruct_pipeline', oid, 'select')`,
    );
    expect(unreadable).toEqual([]);
  });

  it('that does not fit on the disk says so', async () => {
    const full = createWriteStream('/dev/full');
    await expect(
      writeBackup(database.url, full, { version: '1', clock: Date.now, signal: never }),
    ).rejects.toMatchObject({
      code: 'disk_full',
      message: 'The disk that the backup is written to is full.',
    });
  });

  it('can be cancelled', async () => {
    const aborted = AbortSignal.abort();
    const sink = new PassThrough();
    sink.resume();
    await expect(
      writeBackup(database.url, sink, { version: '1', clock: Date.now, signal: aborted }),
    ).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('restoring', () => {
  it('replaces what is there only when it is told to', async () => {
    const { url, adminUrl } = await emptyDatabase();
    await restore(url, backup);
    await run(adminUrl, [`update konstruct.tenants set name = 'Changed since'`]);
    await expect(restore(url, backup)).rejects.toMatchObject({ code: 'database_not_empty' });
    const [names] = await run(adminUrl, ['select distinct name from konstruct.tenants']);
    expect(names?.rows).toEqual([{ name: 'Changed since' }]);
    await restore(url, backup, { force: true });
    expect(await contents(adminUrl)).toEqual(wanted);
  });

  it('that fails leaves the database as it was', async () => {
    const { url, adminUrl } = await emptyDatabase();
    await restore(url, backup);
    const before = await contents(adminUrl);
    const text = gunzipSync(backup).toString();
    const damaged: readonly (readonly [string, Buffer])[] = [
      ['it was cut off', backup.subarray(0, backup.length - 20)],
      ['it was cut off', gzipSync(text.slice(0, -200))],
      ['it was cut off', gzipSync(text.slice(0, text.lastIndexOf('\n{')))],
      ['it is no backup', Buffer.from('PGDMP')],
      ['it is no backup', gzipSync('tenants: []\n')],
      ['it is no backup', gzipSync('{"konstruct":"backup","format":2}\n')],
      ['something follows its end', gzipSync(`${text}more`)],
      ['the table "turns" is missing', gzipSync(text.replace(/\{"table":"turns"[\s\S]*?\n\\\.\n/, ''))],
      ['the table "turns" is not complete', gzipSync(text.replace(/("table":"turns".*\n).*\n/, '$1'))],
      ['PostgreSQL refuses a row', gzipSync(text.replace(/("table":"tenants".*\n)[^\t]*/, '$1no-uuid'))],
      // A tenant less: its agents point nowhere.
      [
        'PostgreSQL refuses a row',
        gzipSync(text.replace(/("table":"tenants".*\n).*\n/, '$1').replace('"tenants":2', '"tenants":1')),
      ],
      ['does not fit', gzipSync(text.replace('"table":"turns"', '"table":"returns"'))],
    ];
    for (const [why, file] of damaged) {
      await expect(restore(url, file, { force: true }), why).rejects.toMatchObject({
        code: 'backup_unreadable',
        message: expect.stringContaining(why),
      });
    }
    expect(await contents(adminUrl)).toEqual(before);
  });

  it('is refused while Konstruct runs on the database', async () => {
    const { url } = await emptyDatabase();
    await restore(url, backup);
    const pool = createDatabasePool({ url, name: 'gateway', size: 1, log: silentLog });
    try {
      await pool.query('select 1');
      await expect(restore(url, backup, { force: true })).rejects.toMatchObject({ code: 'database_in_use' });
    } finally {
      await pool.end();
    }
  });

  it('reads from a file in little memory', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'konstruct-backup-'));
    try {
      const file = join(folder, 'b');
      await writeBackup(database.url, createWriteStream(file), {
        version: '1',
        clock: Date.now,
        signal: never,
      });
      expect((await readFile(file)).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
      const { url } = await emptyDatabase();
      const source = createReadStream(file, { highWaterMark: 100 });
      const { rows } = await restoreBackup(url, source, { force: false, signal: never, log: silentLog });
      expect(rows.tenants).toBe(2);
      expect(source.destroyed).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
