import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../core/log.ts';
import { type DatabaseAccess, showDataDirectory } from './database-access.ts';
import type { LaunchedPostmaster } from './launch-postmaster.ts';
import { postmasterArguments, postmasterCommandLine } from './launch-postmaster.ts';
import { type PostmasterPid, readPostmasterPid } from './postmaster-pid.ts';
import {
  isSameProcessAlive,
  type ProcessIdentity,
  readProcess,
  serverProcessesIn,
} from './process-identity.ts';
import { clusterPathFor, programPath, type ServerPrograms } from './server-programs.ts';
import { endProcessesIn, forgetPostmaster, stopPostmaster } from './stop-postmaster.ts';

export interface RecoverOptions {
  readonly clusterDir: string;
  readonly programs: ServerPrograms;
  readonly settings: Readonly<Record<string, string>>;
  readonly password: string;
  /** Only a server on this port is taken over, if given. */
  readonly port?: number | undefined;
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
}

/** The process's start and line 3 of `postmaster.pid` are taken at two moments and rounded to seconds. In ms. */
const startToleranceMs = 5_000;
/** How long backends without a postmaster get to notice by themselves. In ms. */
const leftoverGraceMs = 1_000;

/**
 * Deals with what an earlier Konstruct left behind when it was killed. Its server lives on: that one is taken over if
 * it is beyond doubt ours and runs with the settings of today, else stopped if it is ours, else left alone. Returns
 * the server taken over, or `null` when the cluster is free for a new one.
 *
 * Call it only while holding the claim on the data folder: then a running server has no other master.
 */
export async function recoverPostmaster(options: RecoverOptions): Promise<LaunchedPostmaster | null> {
  const { clusterDir, programs, log, signal } = options;
  const recorded = readPostmasterPid(clusterDir);
  const process = recorded ? readProcess(recorded.pid) : null;
  if (recorded && process && isServerOf(clusterDir, process, recorded)) {
    const postmaster = {
      pid: process.pid,
      port: recorded.port,
      isRunning: () => isSameProcessAlive(process),
    };
    const obstacle = await obstacleToAdoption(options, recorded, process);
    if (obstacle === null) return postmaster;
    log.info('database.orphan_stopping', { pid: process.pid, because: obstacle });
    await stopPostmaster(postmaster, { clusterDir, programs });
  }
  const leftovers = serverProcessesIn(clusterDir);
  if (leftovers.length > 0) {
    log.warn('database.leftovers_ending', { pids: leftovers });
    await endProcessesIn(clusterDir, { graceMs: leftoverGraceMs, signal });
  }
  const left = readPostmasterPid(clusterDir);
  if (left) forgetPostmaster(clusterDir, left.pid);
  return null;
}

/** Is it this cluster's server, and not a process that was given the pid of a dead one? */
function isServerOf(clusterDir: string, process: ProcessIdentity, recorded: PostmasterPid): boolean {
  if (globalThis.process.platform === 'linux') return serverProcessesIn(clusterDir).includes(process.pid);
  return /^postgres(\.exe)?$/.test(process.name) && startsTogether(process, recorded);
}

/** Why the server may not be taken over, or `null` if it may. */
async function obstacleToAdoption(
  options: RecoverOptions,
  recorded: PostmasterPid,
  process: ProcessIdentity,
): Promise<string | null> {
  const { clusterDir, programs, settings, password, port } = options;
  if (!startsTogether(process, recorded)) return 'started at another time than recorded';
  if (port !== undefined && port !== recorded.port) return 'runs on another port than wanted';
  const expected = postmasterCommandLine(programs, postmasterArguments(clusterDir, programs, settings));
  if (readCommandLine(clusterDir) !== `${expected} "-p" "${recorded.port}"`)
    return 'runs with other settings';
  if (runsReplacedProgram(process, programs)) return 'its program was replaced since';
  const access: DatabaseAccess = { port: recorded.port, password, signal: options.signal };
  const served = await showDataDirectory(access).catch(() => null);
  if (served === null) return 'its port does not answer';
  return served === clusterPathFor(programs.account, clusterDir)
    ? null
    : 'its port serves another data folder';
}

function startsTogether(process: ProcessIdentity, recorded: PostmasterPid): boolean {
  if (process.startedAtMs === null) return true;
  return Math.abs(process.startedAtMs - recorded.startedAtS * 1000) <= startToleranceMs;
}

/** An installation that was made anew has other files at the same path; libraries of both must not meet in one server. */
function runsReplacedProgram({ pid }: ProcessIdentity, programs: ServerPrograms): boolean {
  if (globalThis.process.platform !== 'linux') return false;
  try {
    const [running, installed] = [statSync(`/proc/${pid}/exe`), statSync(programPath(programs, 'postgres'))];
    return running.dev !== installed.dev || running.ino !== installed.ino;
  } catch {
    return true; // the running one cannot be looked at: better a new server than a mixed one
  }
}

function readCommandLine(clusterDir: string): string {
  try {
    return readFileSync(join(clusterDir, 'postmaster.opts'), 'utf8').trim();
  } catch {
    return '';
  }
}
