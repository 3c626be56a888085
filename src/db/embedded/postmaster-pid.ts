import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** What PostgreSQL writes about its running server into `postmaster.pid` (its source: `miscadmin.h`, LOCK_FILE_LINE_*). */
export interface PostmasterPid {
  readonly pid: number;
  /** When the server started, in seconds since 1970. */
  readonly startedAtS: number;
  readonly port: number;
  /** The server accepts connections. */
  readonly ready: boolean;
}

/** Reads `postmaster.pid`. `null` when there is none or it is only half written. */
export function readPostmasterPid(clusterDir: string): PostmasterPid | null {
  let text: string;
  try {
    text = readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8');
  } catch {
    return null;
  }
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  return {
    pid,
    startedAtS: Number(lines[2]),
    port: Number(lines[3]),
    ready: lines[7]?.trim() === 'ready',
  };
}

/**
 * Removes `postmaster.pid`, which PostgreSQL refuses to start over when some other process now has its pid.
 * It also holds the id of the shared memory by which a new server notices backends of the old one: call this only
 * after they are known to be gone.
 */
export function removePostmasterPid(clusterDir: string): void {
  rmSync(join(clusterDir, 'postmaster.pid'), { force: true });
}
