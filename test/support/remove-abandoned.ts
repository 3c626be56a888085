import { readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isKonstructError } from '../../src/core/errors.ts';
import { claimDataFolder } from '../../src/db/embedded/data-folder-claim.ts';
import { endProcessesIn } from '../../src/db/embedded/stop-postmaster.ts';

/** A run that is just beginning has its folder, but not its claim yet. In ms. */
const settledMs = 60_000;

/** Removes the data folders, and ends the servers, of test runs that were killed before they could do so. */
export async function removeAbandoned(prefix: string, clock: () => number = Date.now): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const dataDir = join(tmpdir(), name);
    if (!name.startsWith(prefix) || !isSettled(dataDir, clock)) continue;
    try {
      const claim = await claimDataFolder({ dataDir, patienceMs: 0, signal: AbortSignal.timeout(1_000) });
      await endProcessesIn(join(dataDir, 'postgres'), { graceMs: 0 });
      claim.release();
      rmSync(dataDir, { recursive: true, force: true });
    } catch (error) {
      // In use by a run that lives, or another user's.
      if (!isKonstructError(error) && !(error instanceof Error && 'code' in error)) throw error;
    }
  }
}

function isSettled(folder: string, clock: () => number): boolean {
  const stat = statSync(folder, { throwIfNoEntry: false });
  return stat !== undefined && stat.uid === process.getuid?.() && clock() - stat.mtimeMs > settledMs;
}
