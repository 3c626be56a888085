import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { KonstructError } from '../../core/errors.ts';
import { findFreePort } from './choose-port.ts';
import { embeddedFailure } from './embedded-failure.ts';
import { readPostmasterPid } from './postmaster-pid.ts';
import { readServerLog, serverLogSize } from './server-log.ts';
import { clusterPathFor, programPath, type ServerPrograms, spawnProgram } from './server-programs.ts';
import type { RunningPostmaster } from './stop-postmaster.ts';
import { waitUntil } from './wait-until.ts';

export interface LaunchOptions {
  readonly clusterDir: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly programs: ServerPrograms;
  readonly settings: Readonly<Record<string, string>>;
  /** Taken if it is free, else the next free one. */
  readonly wantedPort: number;
  /** Rejects with `port_in_use` instead of taking another port: for a server whose address is in use already. */
  readonly keepPort?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface LaunchedPostmaster extends RunningPostmaster {
  readonly port: number;
}

/** Replaying the log of changes after a crash comes before readiness; a gigabyte of it takes this long on a slow disk. */
const readyTimeoutMs = 120_000;
const maxAttempts = 5;

/** The arguments of the server, without its port: a running server is taken over only if it was started with these. */
export function postmasterArguments(
  clusterDir: string,
  programs: ServerPrograms,
  settings: Readonly<Record<string, string>>,
): string[] {
  const named = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', clusterPathFor(programs.account, clusterDir), ...named];
}

/** What PostgreSQL writes into `postmaster.opts` for these arguments; the port is the last of them. */
export function postmasterCommandLine(programs: ServerPrograms, args: readonly string[]): string {
  return [programPath(programs, 'postgres'), ...args.map((arg) => `"${arg}"`)].join(' ');
}

/** Starts the server and resolves when it accepts connections. Rejects with the reason that its log gives. */
export async function launchPostmaster(options: LaunchOptions): Promise<LaunchedPostmaster> {
  for (let attempt = 1; ; attempt++) {
    const port = await findFreePort(options.wantedPort);
    if (options.keepPort && port !== options.wantedPort) {
      throw new KonstructError(
        'port_in_use',
        `The database's port ${options.wantedPort} was taken by another program.`,
      );
    }
    const logStart = serverLogSize(options.logFile);
    const postmaster = await launchOn(port, options);
    if (postmaster) return postmaster;
    const output = readServerLog(options.logFile, logStart);
    // Somebody took the port between our look and the server's, or backends of a dead server are still ending.
    const mayPass = /could not create any TCP\/IP sockets|pre-existing shared memory block/.test(output);
    if (!mayPass || attempt === maxAttempts) {
      const { dataDir, logFile } = options;
      throw embeddedFailure('The embedded PostgreSQL did not start', { dataDir, output, logFile });
    }
    await waitUntil(() => false, { timeoutMs: 300 * attempt, signal: options.signal });
  }
}

/** Resolves to `null` if the server ended before it was ready. */
async function launchOn(port: number, options: LaunchOptions): Promise<LaunchedPostmaster | null> {
  const { clusterDir, programs, settings, signal } = options;
  const args = [...postmasterArguments(clusterDir, programs, settings), '-p', String(port)];
  const log = openSync(options.logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawnProgram(programs, 'postgres', args, {
      clusterDir,
      stdio: ['ignore', log, log],
      detached: true,
    });
  } finally {
    closeSync(log);
  }
  const { pid } = child;
  let spawnError: Error | undefined;
  child.once('error', (error) => {
    spawnError = error;
  });
  child.unref();
  const isRunning = () => pid !== undefined && child.exitCode === null && child.signalCode === null;
  try {
    const isSettled = () => {
      if (!isRunning()) return true;
      const status = readPostmasterPid(clusterDir);
      return status !== null && status.pid === pid && status.ready;
    };
    const settled = await waitUntil(isSettled, { timeoutMs: readyTimeoutMs, intervalMs: 10, signal });
    if (!settled) throw new KonstructError('embedded_database_failed', notReady(options.logFile));
  } catch (error) {
    child.kill('SIGQUIT');
    await waitUntil(() => !isRunning(), { timeoutMs: 5_000 });
    throw error;
  }
  if (pid === undefined) throw spawnError ?? new Error('postgres could not be spawned');
  return isRunning() ? { pid, port, isRunning } : null;
}

function notReady(logFile: string): string {
  return `The embedded PostgreSQL was not ready after ${readyTimeoutMs / 1000} s. Its log: ${logFile}`;
}
