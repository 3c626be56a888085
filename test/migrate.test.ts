import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createCipher } from '../src/core/cipher.ts';
import { checkServerVersion, listPendingMigrations, migrate } from '../src/db/migrate.ts';
import { createDatabasePool } from '../src/db/pool.ts';
import { createAdmit } from '../src/router/admit.ts';
import { defaultSeeds } from '../src/simulator/default-seeds.ts';
import { messageEvent } from './support/pipeline-database.ts';
import { createEmptyDatabase, type TestDatabase } from './support/postgres.ts';
import { seedTenants } from './support/seed-tenants.ts';
import { silentLog } from './support/silent-log.ts';

const quiet = { log: silentLog };
const suffix = randomBytes(4).toString('hex');
const owner = `test_owner_${suffix}`;
const stranger = `test_stranger_${suffix}`;
const databases: TestDatabase[] = [];

beforeAll(async () => {
  const first = await createEmptyDatabase();
  databases.push(first);
  await migrate(first.url, quiet); // the roles exist on the server from here on
  await run(first.url, [
    `create role ${owner} login createrole password 'x'`,
    `create role ${stranger} login password 'x'`,
    `grant konstruct_app, konstruct_pipeline to ${owner} with admin option`,
  ]);
});

afterAll(async () => {
  for (const database of databases) await database.drop();
  await run(inject('postgresAdminUrl'), [
    `drop owned by ${owner}`,
    `drop owned by ${stranger}`,
    `drop role ${owner}`,
    `drop role ${stranger}`,
  ]);
});

async function run(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** An empty database of a user who is no superuser; its URL as that user. */
async function databaseOf(user: string): Promise<string> {
  const database = await createEmptyDatabase();
  databases.push(database);
  await run(database.url, [`alter database ${database.name} owner to ${user}`]);
  const url = new URL(database.url);
  url.username = user;
  url.password = 'x';
  return url.href;
}

describe('an owner who is no superuser', () => {
  it('migrates, and the whole way of a message and the end of a tenant work', async () => {
    const url = await databaseOf(owner);
    expect((await migrate(url, quiet)).applied.length).toBeGreaterThan(1);
    expect((await migrate(url, quiet)).applied).toEqual([]);
    const [tenant] = await seedTenants({
      databaseUrl: url,
      cipher: createCipher([randomBytes(32)]),
      workspaces: defaultSeeds,
    });
    if (!tenant) throw new Error('No tenant was seeded.');
    const pool = createDatabasePool({ url, name: 'test', size: 2, log: silentLog });
    try {
      expect((await createAdmit(pool)(messageEvent(tenant))).outcome).toBe('new');
      const claimed = await pool.query('select claim_turns($1, 10, 15000, 60, gen_random_uuid())', ['w']);
      expect(claimed.rowCount).toBe(1);
      const client = await pool.connect();
      await client.query(`select set_config('konstruct.tenant_id', $1, false)`, [tenant.tenantId]);
      expect((await client.query('select 1 from turns')).rowCount).toBe(1);
      expect((await client.query('delete from tenants')).rowCount).toBe(1);
      expect((await client.query('select 1 from messages union all select 1 from turns')).rowCount).toBe(0);
      client.release();
    } finally {
      await pool.end();
    }
  });

  it('is told what an administrator must do when the roles are not his to use', async () => {
    const url = await databaseOf(stranger);
    await expect(migrate(url, quiet)).rejects.toMatchObject({
      code: 'database_outdated',
      message: expect.stringContaining(`grant konstruct_app, konstruct_pipeline to ${stranger}`),
    });
    await run(inject('postgresAdminUrl'), [`grant konstruct_app, konstruct_pipeline to ${stranger}`]);
    expect((await migrate(url, quiet)).applied.length).toBeGreaterThan(1);
  });
});

describe('the functions', () => {
  const withClient = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };

  it('are replaced when one has changed, and stay the property of their owner', async () => {
    const url = await databaseOf(owner);
    const folder = pathToFileURL(`${await mkdtemp(join(tmpdir(), 'konstruct-migrations-'))}/`);
    await cp(new URL('../migrations/', import.meta.url), folder, { recursive: true });
    await migrate(url, { ...quiet, folder });
    const file = new URL('functions/list_tenants.sql', folder);
    await writeFile(file, (await readFile(file, 'utf8')).replace('order by t.slug', 'order by t.slug desc'));
    await withClient(url, async (client) => {
      expect(await listPendingMigrations(client, { folder })).toEqual(['functions/']);
      expect((await migrate(url, { ...quiet, folder })).applied).toEqual(['functions/']);
      expect(await listPendingMigrations(client, { folder })).toEqual([]);
      const { rows } = await client.query<{ source: string; owner: string; open: boolean }>(
        `select prosrc as source, proowner::regrole::text as owner, has_function_privilege('public', oid, 'execute') as open
         from pg_proc where proname = 'list_tenants'`,
      );
      expect(rows).toEqual([
        { source: expect.stringContaining('desc'), owner: 'konstruct_pipeline', open: false },
      ]);
    });
    expect((await migrate(url, { ...quiet, folder })).applied).toEqual([]);
  });

  it('are never taken back to those of an older version', async () => {
    const url = await databaseOf(owner);
    await migrate(url, quiet);
    await run(url, [`update konstruct.function_sets set version = '99.1.0', checksum = 'newer'`]);
    await expect(migrate(url, quiet)).rejects.toMatchObject({
      code: 'database_outdated',
      message: expect.stringContaining('99.1.0'),
    });
  });

  it('come to a database that still had them among its numbered files', async () => {
    const url = await databaseOf(owner);
    await migrate(url, quiet);
    await run(url, [
      'drop table konstruct.function_sets',
      `delete from konstruct.migrations where name = '0004_dead_letters.sql'`,
      `insert into konstruct.migrations (name, checksum) values ('0002_pipeline.sql', 'a'), ('0003_dead_letters.sql', 'b')`,
    ]);
    expect((await migrate(url, quiet)).applied).toEqual(['0004_dead_letters.sql', 'functions/']);
    expect((await migrate(url, quiet)).applied).toEqual([]);
  });
});

describe('many at once', () => {
  it('of one database apply every migration once', async () => {
    const url = await databaseOf(owner);
    const results = await Promise.all(Array.from({ length: 8 }, () => migrate(url, quiet)));
    const applied = results.flatMap((result) => result.applied);
    expect(new Set(applied).size).toBe(applied.length);
    expect(applied.length).toBeGreaterThan(1);
  });

  it('of several databases of one server do not hinder each other', async () => {
    const urls = await Promise.all(Array.from({ length: 4 }, () => databaseOf(owner)));
    const results = await Promise.all(urls.map((url) => migrate(url, quiet)));
    for (const { applied } of results) expect(applied.length).toBeGreaterThan(1);
  });

  it('wait no longer than their deadline, and say for whom', async () => {
    const url = await databaseOf(owner);
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query('select pg_advisory_lock(7203417)');
    await expect(migrate(url, { ...quiet, lockDeadlineMs: 150 })).rejects.toMatchObject({
      code: 'database_unavailable',
      message: expect.stringContaining('Another process'),
    });
    await holder.end();
  });
});

describe('an interrupted migration', () => {
  it('leaves nothing half done, says that the database is away, and is simply repeated', async () => {
    const url = await databaseOf(owner);
    const folder = pathToFileURL(`${await mkdtemp(join(tmpdir(), 'konstruct-migrations-'))}/`);
    await writeFile(new URL('0001_first.sql', folder), 'create table konstruct.first (id int);');
    const slow = 'create table konstruct.half (id int); select pg_sleep(20);';
    await writeFile(new URL('0002_second.sql', folder), slow);
    const migrating = migrate(url, { ...quiet, folder });
    const killed = kill(url, 'pg_sleep(20)');
    await expect(migrating).rejects.toMatchObject({ code: 'database_unavailable', retryable: true });
    await killed;

    const client = new pg.Client({ connectionString: url });
    await client.connect();
    expect(await listPendingMigrations(client, { folder })).toEqual(['0002_second.sql']);
    expect((await client.query(`select to_regclass('konstruct.half') as half`)).rows).toEqual([
      { half: null },
    ]);
    await client.end();
    await writeFile(new URL('0002_second.sql', folder), 'create table konstruct.half (id int);');
    expect((await migrate(url, { ...quiet, folder })).applied).toEqual(['0002_second.sql']);
  });

  it('that fails names the file and leaves the database as it was', async () => {
    const url = await databaseOf(owner);
    const folder = pathToFileURL(`${await mkdtemp(join(tmpdir(), 'konstruct-migrations-'))}/`);
    await writeFile(
      new URL('0001_first.sql', folder),
      'create table konstruct.first (id int); select 1 / 0;',
    );
    await expect(migrate(url, { ...quiet, folder })).rejects.toMatchObject({
      code: 'database_outdated',
      message: 'Migration 0001_first.sql failed: division by zero.',
    });
    await writeFile(new URL('0001_first.sql', folder), 'create table konstruct.first (id int);');
    expect((await migrate(url, { ...quiet, folder })).applied).toEqual(['0001_first.sql']);
    await writeFile(new URL('0001_first.sql', folder), 'create table konstruct.first (id bigint);');
    await expect(migrate(url, { ...quiet, folder })).rejects.toThrow('was changed after it had been applied');
  });
});

/** Ends the backend that runs a statement, as soon as it does. */
async function kill(url: string, statement: string): Promise<void> {
  const admin = new URL(inject('postgresAdminUrl'));
  const client = new pg.Client({ connectionString: admin.href });
  await client.connect();
  const name = new URL(url).pathname.slice(1);
  for (let tries = 0; tries < 200; tries += 1) {
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = $1 and state = 'active' and position($2 in query) > 0`,
      [name, statement],
    );
    if (rowCount) break;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  await client.end();
}

describe('a server that is too old', () => {
  it.each([
    ['140012', '14.12', true],
    ['150000', '15.0', false],
    ['180004', '18.4', false],
  ])('(%s, PostgreSQL %s) is refused: %s', async (number, name, refused) => {
    const query = async () => ({ rows: [{ number, name }] });
    const checking = checkServerVersion({ query } as never);
    if (!refused) return expect(checking).resolves.toBeUndefined();
    await expect(checking).rejects.toMatchObject({
      code: 'database_outdated',
      message: `The server runs PostgreSQL ${name}; Konstruct needs 15 or newer.`,
    });
  });
});
