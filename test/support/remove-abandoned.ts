import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isKonstructError } from '../../src/core/errors.ts';
import { claimDataFolder } from '../../src/db/embedded/data-folder-claim.ts';
import { endProcessesIn } from '../../src/db/embedded/stop-postmaster.ts';
import { scratchParents } from './scratch-parents.ts';

/** A run that is just beginning has its folder, but not its claim yet. In ms. */
const settledMs = 60_000;

/** Removes the folders, and ends the servers, of test runs that were killed before they could do so themselves. */
export async function removeAbandoned(
  parents: readonly string[] = scratchParents(),
  clock: () => number = Date.now,
): Promise<void> {
  const folders = parents.flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)));
  for (const folder of folders) {
    if (!/^konstruct-(test|embedded)-/.test(basename(folder)) || !isSettled(folder, clock)) continue;
    // Only what a database has claimed at some time: another program's folder may have such a name.
    const dataDir = [folder, join(folder, 'data')].find((each) => existsSync(join(each, 'in-use')));
    if (dataDir === undefined) continue;
    try {
      const claim = await claimDataFolder({ dataDir, patienceMs: 0 });
      await endProcessesIn(join(dataDir, 'postgres'), { graceMs: 0 });
      claim.release();
      rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (!isKonstructError(error, 'data_dir_in_use')) throw error; // in use: a run that lives
    }
  }
}

function isSettled(folder: string, clock: () => number): boolean {
  const stat = statSync(folder, { throwIfNoEntry: false });
  return stat !== undefined && stat.uid === process.getuid?.() && clock() - stat.mtimeMs > settledMs;
}
