import { spawnSync } from 'node:child_process';
import { removePostmasterPid } from './postmaster-pid.ts';
import { readProcess, serverProcessesIn } from './process-identity.ts';
import { programPath, type ServerPrograms } from './server-programs.ts';
import { waitUntil } from './wait-until.ts';

/** A server process that can be watched and signalled. */
export interface RunningPostmaster {
  readonly pid: number;
  isRunning(): boolean;
}

export interface StopOptions {
  readonly clusterDir: string;
  readonly programs: ServerPrograms;
  /** How long the fast shutdown may take: open transactions are rolled back and a checkpoint is written. In ms. */
  readonly fastTimeoutMs?: number;
  readonly immediateTimeoutMs?: number;
}

/**
 * Stops the server: fast (nothing to recover at the next start), then immediate (recovers at the next start), then by
 * force. Nothing committed is lost in any of them. Never rejects because of a server that is already gone.
 */
export async function stopPostmaster(postmaster: RunningPostmaster, options: StopOptions): Promise<void> {
  const { clusterDir, programs, fastTimeoutMs = 10_000, immediateTimeoutMs = 3_000 } = options;
  const hasEnded = () => !postmaster.isRunning();
  for (const [signal, timeoutMs] of [
    ['SIGINT', fastTimeoutMs],
    ['SIGQUIT', immediateTimeoutMs],
    ['SIGKILL', 1_000],
  ] as const) {
    if (hasEnded()) break;
    signalServer(programs, postmaster.pid, signal);
    if (await waitUntil(hasEnded, { timeoutMs })) break;
  }
  await endProcessesIn(clusterDir, { graceMs: 1_000 });
}

/**
 * Ends what still works in a cluster folder whose postmaster died. Such backends notice its death by themselves, but a
 * busy one only after its query, for as long as which no new server can start.
 */
export async function endProcessesIn(
  clusterDir: string,
  { graceMs, signal }: { readonly graceMs: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const areGone = () => serverProcessesIn(clusterDir).length === 0;
  if (await waitUntil(areGone, { timeoutMs: graceMs, signal })) return;
  for (const [name, timeoutMs] of [
    ['SIGQUIT', 1_000],
    ['SIGKILL', 5_000],
  ] as const) {
    for (const pid of serverProcessesIn(clusterDir)) signalProcess(pid, name);
    if (await waitUntil(areGone, { timeoutMs, signal })) return;
  }
}

/** Removes a `postmaster.pid` whose pid now is a zombie or an unrelated process: PostgreSQL would refuse to start. */
export function forgetPostmaster(clusterDir: string, pid: number): void {
  const isGone = readProcess(pid) === null && !canSignal(pid);
  // When the pid is free, PostgreSQL itself checks for leftovers of the old server by what the file says: keep it.
  if (!isGone) removePostmasterPid(clusterDir);
}

function signalServer(programs: ServerPrograms, pid: number, signal: NodeJS.Signals): void {
  if (process.platform === 'win32' && signal !== 'SIGKILL') {
    // Windows has no signals: PostgreSQL listens on a pipe, which its own tool knows.
    const name = signal.replace('SIG', '');
    spawnSync(programPath(programs, 'pg_ctl'), ['kill', name, String(pid)], {
      timeout: 5_000,
      windowsHide: true,
    });
    return;
  }
  signalProcess(pid, signal);
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended between being seen and being signalled, which is what was wanted.
  }
}

function canSignal(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
