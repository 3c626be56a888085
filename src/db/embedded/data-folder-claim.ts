import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { KonstructError } from '../../core/errors.ts';
import { processPlace, readProcess } from './process-identity.ts';
import { pause, throwIfAborted } from './wait-until.ts';

/** The right of one process to use a data folder. */
export interface DataFolderClaim {
  release(): void;
}

export interface ClaimOptions {
  readonly dataDir: string;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock;
  /** How long to wait for a holder that is about to end, in ms. */
  readonly patienceMs?: number;
}

interface Holder {
  readonly file: string;
  readonly pid: number;
  readonly startToken: string;
  readonly place: string;
}

const heartbeatMs = 2_000;
const silentAfterMs = 8_000;

/**
 * Claims the data folder for this process, or rejects with `data_dir_in_use`, naming the holder.
 *
 * A claim is an empty file whose NAME says who holds it (it costs no block on a full disk, and cannot be half
 * written). Whoever wants the folder first writes its own claim and then looks for others: of two that come at the
 * same moment at least one sees the other and steps back. A single lock file would need a takeover after a `kill -9`,
 * and between "the holder is dead" and "remove its file" a third process can have taken it.
 *
 * Whether a holder lives is decided by pid and start time; a holder in another container or on another host, where
 * pids mean nothing here, by its heartbeat on the file.
 */
export async function claimDataFolder(options: ClaimOptions): Promise<DataFolderClaim> {
  const { dataDir, signal, clock = Date.now, patienceMs = 400 } = options;
  const claimsDir = join(dataDir, 'in-use');
  mkdirSync(claimsDir, { recursive: true, mode: 0o700 });
  const self = readProcess(process.pid);
  const own = `${process.pid}.${self?.startToken ?? ''}.${processPlace()}.${crypto.randomUUID().slice(0, 8)}`;
  const ownPath = join(claimsDir, own);

  const startedAt = performance.now();
  for (;;) {
    throwIfAborted(signal);
    closeSync(openSync(ownPath, 'wx', 0o600));
    const holder = livingHolder(claimsDir, own, clock);
    if (holder === null) break;
    rmSync(ownPath, { force: true });
    // A crashed holder elsewhere can only be told from a living one by waiting for its heartbeat.
    const deadlineMs = holder.place === processPlace() ? patienceMs : silentAfterMs + heartbeatMs;
    if (performance.now() - startedAt > deadlineMs) throw inUse(dataDir, holder);
    await pause(30 + Math.random() * 70, signal); // uneven, so that two which step back do not meet again
  }

  const heartbeat = setInterval(() => beat(ownPath, clock), heartbeatMs);
  heartbeat.unref();
  return {
    release() {
      clearInterval(heartbeat);
      rmSync(ownPath, { force: true });
    },
  };
}

/** The first living holder besides `own`; the claims of dead ones are removed on the way (their names never recur). */
function livingHolder(claimsDir: string, own: string, clock: Clock): Holder | null {
  for (const file of readdirSync(claimsDir)) {
    if (file === own) continue;
    const holder = parseHolder(file);
    if (holder === null) continue;
    if (isAlive(claimsDir, holder, clock)) return holder;
    rmSync(join(claimsDir, file), { force: true });
  }
  return null;
}

function parseHolder(file: string): Holder | null {
  const [pid, startToken, place] = file.split('.');
  if (!pid || startToken === undefined || !place) return null;
  return { file, pid: Number(pid), startToken, place };
}

function isAlive(claimsDir: string, holder: Holder, clock: Clock): boolean {
  if (holder.place === processPlace()) return readProcess(holder.pid)?.startToken === holder.startToken;
  const stat = statSync(join(claimsDir, holder.file), { throwIfNoEntry: false });
  return stat !== undefined && clock() - stat.mtimeMs < silentAfterMs;
}

function beat(path: string, clock: Clock): void {
  try {
    const nowS = clock() / 1000;
    utimesSync(path, nowS, nowS);
  } catch {
    // The data folder was removed under us; the database will say so more clearly than we can.
  }
}

function inUse(dataDir: string, { pid, place }: Holder): KonstructError {
  const where = place === processPlace() ? '' : ' in another container or on another host';
  const who =
    pid === process.pid && where === ''
      ? 'This process itself'
      : `Another Konstruct process (pid ${pid}${where})`;
  return new KonstructError('data_dir_in_use', `${who} already runs on the data folder ${dataDir}.`, {
    details: { pid, dataDir },
  });
}
