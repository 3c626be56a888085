import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process as the system knows it now. A pid alone names nothing: the system gives it out again. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Its program's name, for example `postgres`. Empty where the system does not tell (Windows). */
  readonly name: string;
  /** When it started, in ms since 1970; exact to about a second. `null` where the system does not tell. */
  readonly startedAtMs: number | null;
  /** Its start in the system's own unit: equal for the same process, different when the pid is reused. */
  readonly startToken: string;
}

/** Linux counts process times in hundredths of a second, whatever the kernel's own tick is. */
const msPerTick = 10;

const serverNames: ReadonlySet<string> = new Set(['postgres', 'initdb']);

/** The living process with this pid, or `null`. A zombie is dead: it holds no files, ports or locks. */
export function readProcess(pid: number): ProcessIdentity | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  if (process.platform === 'linux') return readLinuxProcess(pid);
  if (process.platform === 'win32') {
    return isSignalable(pid) ? { pid, name: '', startedAtMs: null, startToken: '' } : null;
  }
  return readProcessByPs(pid);
}

/** True while this very process (not another one under its pid) lives. */
export function isSameProcessAlive(process: ProcessIdentity): boolean {
  return readProcess(process.pid)?.startToken === process.startToken;
}

/**
 * The pids of PostgreSQL's living processes whose working folder is `folder`. All of them work in their cluster, so
 * this finds every one, also those whose postmaster died. The folder is compared by device and inode, and the name as
 * well: an operator's shell that was left standing there is none of ours.
 * Empty where the system does not tell (only Linux does).
 */
export function serverProcessesIn(folder: string): number[] {
  if (process.platform !== 'linux') return [];
  const wanted = statSync(folder, { throwIfNoEntry: false });
  if (!wanted) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => worksIn(pid, wanted) && serverNames.has(readProcess(pid)?.name ?? ''));
}

/** Names the running system and its pid namespace: only inside one of them do pids mean anything. */
export function processPlace(): string {
  const place =
    process.platform === 'linux'
      ? readText('/proc/sys/kernel/random/boot_id') + readLink('/proc/self/ns/pid')
      : hostname();
  return createHash('sha256').update(place).digest('hex').slice(0, 12);
}

function readLinuxProcess(pid: number): ProcessIdentity | null {
  const stat = readText(`/proc/${pid}/stat`);
  const nameEnd = stat.lastIndexOf(')');
  if (nameEnd < 0) return null;
  const fields = stat.slice(nameEnd + 2).split(' ');
  const [state, ticks] = [fields[0], fields[19]];
  if (state === undefined || ticks === undefined || state === 'Z' || state === 'X') return null;
  const bootedAtS = /^btime (\d+)$/m.exec(readText('/proc/stat'))?.[1];
  return {
    pid,
    name: stat.slice(stat.indexOf('(') + 1, nameEnd),
    startedAtMs: bootedAtS === undefined ? null : Number(bootedAtS) * 1000 + Number(ticks) * msPerTick,
    startToken: ticks,
  };
}

function readProcessByPs(pid: number): ProcessIdentity | null {
  const { stdout } = spawnSync('ps', ['-o', 'stat=,lstart=,comm=', '-p', String(pid)], {
    encoding: 'utf8',
    timeout: 5_000,
    env: { PATH: '/bin:/usr/bin', LC_ALL: 'C' },
  });
  const found = /^(\S+)\s+(\w+\s+\w+\s+\d+\s+[\d:]+\s+\d+)\s+(.+)$/.exec((stdout ?? '').trim());
  const [, state, started, command] = found ?? [];
  if (!state || !started || !command || state.startsWith('Z')) return null;
  const startedAtMs = Date.parse(started);
  return {
    pid,
    name: command.slice(command.lastIndexOf('/') + 1),
    startedAtMs: Number.isNaN(startedAtMs) ? null : startedAtMs,
    startToken: started.replaceAll(/\W+/g, '_'),
  };
}

function worksIn(pid: number, wanted: { readonly dev: number; readonly ino: number }): boolean {
  try {
    const found = statSync(`/proc/${pid}/cwd`);
    return found.dev === wanted.dev && found.ino === wanted.ino;
  } catch {
    return false; // gone meanwhile, or another user's: then it cannot be ours
  }
}

function isSignalable(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // the process ended, or /proc does not show it: the callers treat both as absent
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
