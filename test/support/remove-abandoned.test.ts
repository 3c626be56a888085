import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { claimDataFolder } from '../../src/db/embedded/data-folder-claim.ts';
import { removeAbandoned } from './remove-abandoned.ts';

test('removes what a dead run left, and neither a living run’s folder nor one it does not know', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'abandoned-')); // not the real one: other runs are at work there
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const testFolder = () => mkdtempSync(join(parent, 'konstruct-embedded-'));
  const [dead, living, unknown] = [testFolder(), testFolder(), testFolder()];
  (await claimDataFolder({ dataDir: dead })).release();
  const claim = await claimDataFolder({ dataDir: living });
  onTestFinished(() => claim.release());
  await removeAbandoned([parent]);
  expect(existsSync(dead)).toBe(true); // not for long enough

  const inTwoMinutes = Date.now() + 120_000;
  await removeAbandoned([parent], () => inTwoMinutes);
  expect([dead, living, unknown].map((folder) => existsSync(folder))).toEqual([false, true, true]);
});
