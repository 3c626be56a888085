import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startEmbeddedDatabase } from '../../src/db/embedded/start-embedded-database.ts';
import { silentLog } from '../support/silent-log.ts';
import { spawnDatabase } from './database-process.ts';
import { query } from './query.ts';
import { scratchDataDir } from './scratch-folder.ts';

/** A disk of this size in a folder of its own, or `null` where this user may not mount one. */
function mountDisk(sizeMb: number): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'konstruct-disk-'));
  const { status } = spawnSync('/bin/mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', folder]);
  if (status !== 0) {
    rmdirSync(folder);
    return null;
  }
  onTestFinished(() => {
    spawnSync('/bin/umount', ['--lazy', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Writes until nothing more fits; returns what frees the space again. */
function fill(disk: string): () => void {
  const path = join(disk, 'ballast');
  const descriptor = openSync(path, 'w');
  for (const size of [1024 * 1024, 4096]) {
    const block = Buffer.alloc(size);
    try {
      while (writeSync(descriptor, block) === size);
    } catch {
      // full, which is what we want
    }
  }
  closeSync(descriptor);
  return () => rmSync(path);
}

test('says that the disk is full when a cluster does not fit, and leaves no half of one', async (context) => {
  const disk = mountDisk(12);
  if (disk === null) return context.skip('needs the right to mount a disk');
  const dataDir = scratchDataDir(disk);
  for (const attempt of ['first', 'second']) {
    const failure = await startEmbeddedDatabase({ dataDir, log: silentLog }).catch((error) => error);
    expect(failure, attempt).toMatchObject({ code: 'disk_full', message: expect.stringContaining(dataDir) });
  }
});

test('says that the disk is full at a start, and starts with all data once there is room', async (context) => {
  const disk = mountDisk(96);
  if (disk === null) return context.skip('needs the right to mount a disk');
  const dataDir = scratchDataDir(disk);
  const first = await spawnDatabase(dataDir);
  onTestFinished(() => first.end('SIGKILL'));
  await query(first.report.url ?? '', 'create table mark as select 42 as id');
  await first.end('SIGTERM');

  const free = fill(disk);
  const refused = await spawnDatabase(dataDir);
  expect(refused.report.code).toBe('disk_full');
  await refused.end('SIGKILL');

  free();
  const database = await startEmbeddedDatabase({ dataDir, log: silentLog });
  onTestFinished(() => database.stop());
  expect(await query(database.url, 'select id from mark')).toEqual([{ id: 42 }]);
});
