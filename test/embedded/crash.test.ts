import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readPostmasterPid } from '../../src/db/embedded/postmaster-pid.ts';
import { readProcess, serverProcessesIn } from '../../src/db/embedded/process-identity.ts';
import { waitUntil } from '../../src/db/embedded/wait-until.ts';
import { type DatabaseProcess, spawnDatabase, spawnRunner } from './database-process.ts';
import { query } from './query.ts';
import { scratchDataDir } from './scratch-folder.ts';

async function run(dataDir: string): Promise<DatabaseProcess & { readonly url: string }> {
  const child = await spawnDatabase(dataDir);
  onTestFinished(() => child.end('SIGKILL'));
  const { url } = child.report;
  if (url === undefined) throw new Error(`the database did not start: ${child.report.message}`);
  return { ...child, url };
}

function serverPid(dataDir: string): number {
  const recorded = readPostmasterPid(join(dataDir, 'postgres'));
  if (!recorded) throw new Error('no server is recorded');
  return recorded.pid;
}

test('takes over the server that a killed process left running', async () => {
  const dataDir = scratchDataDir();
  const killed = await run(dataDir);
  const pid = serverPid(dataDir);
  await query(killed.url, 'create table mark as select 42 as id');
  await killed.end('SIGKILL');

  const next = await run(dataDir);
  expect(next.report).toEqual({ url: killed.url, adopted: true });
  expect(serverPid(dataDir)).toBe(pid);
  expect(await query(next.url, 'select id from mark')).toEqual([{ id: 42 }]);

  await next.end('SIGTERM');
  expect(readProcess(pid)).toBeNull();
  expect(serverProcessesIn(join(dataDir, 'postgres'))).toEqual([]);
});

test('stops an orphan that runs with other settings instead of taking it over', async () => {
  const dataDir = scratchDataDir();
  const killed = await run(dataDir);
  const pid = serverPid(dataDir);
  await killed.end('SIGKILL');
  const options = join(dataDir, 'postgres', 'postmaster.opts');
  writeFileSync(options, readFileSync(options, 'utf8').replace('jit=off', 'jit=on'));

  expect((await run(dataDir)).report.adopted).toBe(false);
  expect(readProcess(pid)).toBeNull();
});

test('stops an orphan that no longer answers, and loses nothing that was committed', async () => {
  const dataDir = scratchDataDir();
  const killed = await run(dataDir);
  const pid = serverPid(dataDir);
  await query(killed.url, 'create table mark as select 42 as id');
  await killed.end('SIGKILL');
  // A port on which nobody answers, as far as the next process can know.
  const record = join(dataDir, 'postgres', 'postmaster.pid');
  writeFileSync(record, readFileSync(record, 'utf8').replace(`\n${new URL(killed.url).port}\n`, '\n1\n'));

  const next = await run(dataDir);
  expect(next.report.adopted).toBe(false);
  expect(readProcess(pid)).toBeNull();
  expect(await query(next.url, 'select id from mark')).toEqual([{ id: 42 }]);
});

test('leaves alone a process that was given the pid of a dead server', async () => {
  const dataDir = scratchDataDir();
  const first = await run(dataDir);
  const record = join(dataDir, 'postgres', 'postmaster.pid');
  const stale = readFileSync(record, 'utf8');
  await first.end('SIGTERM');
  const otherDir = scratchDataDir();
  const bystander = await run(otherDir); // a PostgreSQL even, but of another folder
  writeFileSync(record, stale.replace(/^\d+/, String(serverPid(otherDir))));

  const next = await run(dataDir);
  expect(next.report.adopted).toBe(false);
  expect(await query(bystander.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(await query(next.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('starts again after everything was killed while a backend was busy', async () => {
  const dataDir = scratchDataDir();
  const killed = await run(dataDir);
  await query(killed.url, 'create table mark as select 42 as id');
  const busy = query(killed.url, 'select count(*) from generate_series(1, 1e10::bigint)').catch(() => {});
  const isBusy = async () => {
    const active = await query(killed.url, "select 1 from pg_stat_activity where state = 'active'");
    return active.length > 1;
  };
  expect(await waitUntil(isBusy, { timeoutMs: 5_000 })).toBe(true);

  process.kill(serverPid(dataDir), 'SIGKILL');
  await killed.end('SIGKILL');
  expect(serverProcessesIn(join(dataDir, 'postgres')).length).toBeGreaterThan(0);

  const next = await run(dataDir);
  expect(await query(next.url, 'select id from mark')).toEqual([{ id: 42 }]);
  await busy;
});

test('starts a server that was killed again at the same address, while its process lives on', async () => {
  const dataDir = scratchDataDir();
  const child = await run(dataDir);
  await query(child.url, 'create table mark as select 42 as id');
  const killed = serverPid(dataDir);
  process.kill(killed, 'SIGKILL');

  const isBack = async () => {
    const rows = await query(child.url, 'select id from mark').catch(() => []);
    return rows.length === 1 && serverPid(dataDir) !== killed;
  };
  expect(await waitUntil(isBack, { timeoutMs: 10_000, intervalMs: 100 })).toBe(true);
  await child.end('SIGTERM');
  expect(serverProcessesIn(join(dataDir, 'postgres'))).toEqual([]);
});

test('refuses a second process on the same folder, naming the first', async () => {
  const dataDir = scratchDataDir();
  const first = await run(dataDir);
  const second = await spawnDatabase(dataDir);
  expect(second.report.code).toBe('data_dir_in_use');
  expect(second.report.message).toContain(`pid ${first.pid}`);
  expect(second.report.message).toContain(dataDir);
  await second.end('SIGTERM');

  await first.end('SIGTERM');
  await run(dataDir);
});

test('begins anew after a kill in the middle of making the cluster', async () => {
  const dataDir = scratchDataDir();
  const child = spawnRunner(dataDir);
  const isInTheMiddle = () => {
    try {
      return readdirSync(join(dataDir, 'postgres.incomplete', 'base')).length > 0;
    } catch {
      return false;
    }
  };
  expect(await waitUntil(isInTheMiddle, { timeoutMs: 10_000, intervalMs: 2 })).toBe(true);
  child.kill('SIGKILL');

  const next = await run(dataDir);
  expect(await query(next.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});
