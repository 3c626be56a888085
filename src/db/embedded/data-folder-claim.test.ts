import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { claimDataFolder, type DataFolderClaim } from './data-folder-claim.ts';
import { processPlace, readProcess } from './process-identity.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'konstruct-claim-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function claim(dataDir: string, clock?: () => number): Promise<DataFolderClaim> {
  const held = await claimDataFolder({ dataDir, patienceMs: 200, ...(clock ? { clock } : {}) });
  onTestFinished(() => held.release());
  return held;
}

/** A claim as another process would have left it. */
async function plantClaim(dataDir: string, name: string): Promise<string> {
  (await claim(dataDir)).release();
  const path = join(dataDir, 'in-use', name);
  writeFileSync(path, '');
  return path;
}

test('refuses a folder that is claimed, and gives it once it is released', async () => {
  const dataDir = folder();
  const first = await claim(dataDir);
  await expect(claim(dataDir)).rejects.toMatchObject({
    code: 'data_dir_in_use',
    message: `This process itself already runs on the data folder ${dataDir}.`,
  });
  first.release();
  await claim(dataDir);
});

test('gives a folder to exactly one of many that ask at the same moment', async () => {
  const dataDir = folder();
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => claim(dataDir)));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(readdirSync(join(dataDir, 'in-use'))).toHaveLength(1);
});

test('takes over from a process that is gone, even if its pid was given to another', async () => {
  const dataDir = folder();
  await plantClaim(dataDir, `${process.pid}.1.${processPlace()}.abcdef`); // our pid, but another start
  await plantClaim(dataDir, `999999999.1.${processPlace()}.abcdef`);
  await claim(dataDir);
  expect(readdirSync(join(dataDir, 'in-use'))).toHaveLength(1);
});

test('names a living holder by its pid', async () => {
  const dataDir = folder();
  const parent = readProcess(process.ppid);
  await plantClaim(dataDir, `${parent?.pid}.${parent?.startToken}.${processPlace()}.abcdef`);
  await expect(claim(dataDir)).rejects.toThrow(
    `Another Konstruct process (pid ${process.ppid}) already runs on`,
  );
});

test('judges a holder in another container by its heartbeat, not by a pid that means nothing here', async () => {
  const dataDir = folder();
  const path = await plantClaim(dataDir, `1.1.another-place.abcdef`);
  const longAgoS = Date.now() / 1000 - 60;
  utimesSync(path, longAgoS, longAgoS);
  (await claim(dataDir)).release(); // silent for a minute: dead

  await plantClaim(dataDir, `${process.pid}.${readProcess(process.pid)?.startToken}.another-place.abcdef`);
  const cancel = AbortSignal.timeout(400); // fresh: it waits for the next heartbeat
  await expect(claimDataFolder({ dataDir, signal: cancel })).rejects.toMatchObject({ code: 'aborted' });
});
