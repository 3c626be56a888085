import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { endProcessesIn } from '../../src/db/embedded/stop-postmaster.ts';
import { scratchParent } from '../support/scratch-parents.ts';

/** A data folder for one test. At its end every server in it is ended, however the test went, and it is removed. */
export function scratchDataDir(parent: string = scratchParent()): string {
  const folder = mkdtempSync(join(parent, 'konstruct-embedded-'));
  const dataDir = join(folder, 'data');
  onTestFinished(async () => {
    await endProcessesIn(join(dataDir, 'postgres'), { graceMs: 0 });
    await endProcessesIn(join(dataDir, 'postgres.incomplete'), { graceMs: 0 });
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  });
  return dataDir;
}
