import { accessSync, constants, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

const MEMORY = '/dev/shm';
/** More than a whole run has at once, so that nothing else on the machine has to go without. */
const ROOM_BYTES = 2 * 1024 ** 3;

/**
 * Where the database clusters of a run lie: in memory if there is room, otherwise where temporary files do. A database is
 * some 400 small files. On ext4, which does not use an inode again within 5 s, making one took 300 ms of a core while
 * others were dropped, and in memory 25 ms: for a whole run that is minutes.
 */
export function scratchParent(): string {
  return isUsable(MEMORY, ROOM_BYTES) ? MEMORY : tmpdir();
}

/** Where clusters of earlier runs may lie, whatever room there was for them then. */
export function scratchParents(): readonly string[] {
  return isUsable(MEMORY, 0) ? [MEMORY, tmpdir()] : [tmpdir()];
}

function isUsable(folder: string, roomBytes: number): boolean {
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= roomBytes;
  } catch {
    return false; // not on this system
  }
}
