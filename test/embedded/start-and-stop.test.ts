import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  type EmbeddedDatabase,
  type EmbeddedDatabaseOptions,
  startEmbeddedDatabase,
} from '../../src/db/embedded/start-embedded-database.ts';
import { silentLog } from '../support/silent-log.ts';
import { query } from './query.ts';
import { scratchDataDir } from './scratch-folder.ts';

async function start(
  dataDir: string,
  more: Partial<EmbeddedDatabaseOptions> = {},
): Promise<EmbeddedDatabase> {
  const database = await startEmbeddedDatabase({ dataDir, log: silentLog, ...more });
  onTestFinished(() => database.stop());
  return database;
}

test('keeps data, address and password from one start to the next', async () => {
  const dataDir = scratchDataDir();
  const first = await start(dataDir);
  await query(first.url, 'create table mark as select 42 as id');
  await Promise.all([first.stop(), first.stop()]);
  await expect(query(first.url, 'select 1')).rejects.toThrow('ECONNREFUSED');

  const second = await start(dataDir);
  expect(await query(second.url, 'select id from mark')).toEqual([{ id: 42 }]);
  expect(second.url).toBe(first.url);
  expect(second.adopted).toBe(false);
});

test('is closed to others: only the loopback interface, only with the password, folder 0700', async () => {
  const dataDir = scratchDataDir();
  const { url } = await start(dataDir);
  const open = new URL(url);
  open.password = 'guess';
  await expect(query(open.href, 'select 1')).rejects.toThrow('password authentication failed');
  const settings = await query(
    url,
    "select name, setting from pg_settings where name in ('listen_addresses', 'unix_socket_directories', 'fsync', 'TimeZone')",
  );
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'on',
    TimeZone: 'UTC',
  });
  expect(statSync(join(dataDir, 'postgres')).mode & 0o777).toBe(0o700);
  expect(statSync(join(dataDir, 'postgres', 'konstruct-password')).mode & 0o777).toBe(0o600);
});

test('writes neither statements nor values into its log', async () => {
  const dataDir = scratchDataDir();
  const { url } = await start(dataDir);
  await expect(query(url, "select 'a private word'::int")).rejects.toThrow('invalid input syntax');
  expect(readFileSync(join(dataDir, 'postgres.log'), 'utf8')).not.toContain('private word');
});

test('takes another port while its own is taken, and comes back to it', async () => {
  const dataDir = scratchDataDir();
  const first = await start(dataDir);
  await first.stop();
  const squatter = createServer().listen(first.port, '127.0.0.1');
  await once(squatter, 'listening');

  const second = await start(dataDir);
  expect(second.port).not.toBe(first.port);
  expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  await second.stop();

  squatter.close();
  await once(squatter, 'close');
  expect((await start(dataDir)).port).toBe(first.port);
});

test('passes settings on to the server', async () => {
  const { url } = await start(scratchDataDir(), { settings: { work_mem: '7MB' } });
  expect(await query(url, 'show work_mem')).toEqual([{ work_mem: '7MB' }]);
});

test('names the reason when the server refuses its settings, and frees the folder', async () => {
  const dataDir = scratchDataDir();
  await expect(start(dataDir, { settings: { shared_buffers: 'plenty' } })).rejects.toMatchObject({
    code: 'embedded_database_failed',
    message: expect.stringContaining('shared_buffers'),
  });
  await start(dataDir);
});

test('removes a half-made cluster and makes a new one', async () => {
  const dataDir = scratchDataDir();
  mkdirSync(join(dataDir, 'postgres.incomplete', 'base'), { recursive: true });
  writeFileSync(join(dataDir, 'postgres.incomplete', 'PG_VERSION'), '18\n');
  const { url } = await start(dataDir);
  expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(statSync(join(dataDir, 'postgres.incomplete'), { throwIfNoEntry: false })).toBeUndefined();
});

test('refuses a cluster of another version without touching it', async () => {
  const dataDir = scratchDataDir();
  const clusterDir = join(dataDir, 'postgres');
  mkdirSync(clusterDir, { recursive: true });
  writeFileSync(join(clusterDir, 'PG_VERSION'), '16\n');
  const before = statSync(clusterDir);
  await expect(start(dataDir)).rejects.toMatchObject({
    code: 'embedded_database_failed',
    message: expect.stringMatching(/PostgreSQL 16.*PostgreSQL 18.*Nothing was touched/s),
  });
  const after = statSync(clusterDir);
  expect([after.mtimeMs, after.uid, after.mode]).toEqual([before.mtimeMs, before.uid, before.mode]);
});

test('ends a start that is cancelled and leaves nothing running', async () => {
  const dataDir = scratchDataDir();
  const cancel = new AbortController();
  const starting = start(dataDir, { signal: cancel.signal });
  setTimeout(() => cancel.abort(), 150);
  await expect(starting).rejects.toMatchObject({ code: 'aborted' });
  const { url } = await start(dataDir);
  expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
});
