import { once } from 'node:events';
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { KonstructError } from '../../core/errors.ts';
import { asEmbeddedFailure, embeddedFailure } from './embedded-failure.ts';
import { clusterPathFor, type ServerPrograms, spawnProgram } from './server-programs.ts';
import { endProcessesIn } from './stop-postmaster.ts';

const initialiseTimeoutMs = 120_000;
const passwordFile = 'konstruct-password';

export interface InitialiseOptions {
  readonly clusterDir: string;
  readonly programs: ServerPrograms;
  readonly password: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a new cluster. It is made in a sibling folder and renamed when whole, so a crash in the middle leaves nothing
 * that looks like a database: the next attempt removes the rest and begins anew.
 */
export async function initialiseCluster(options: InitialiseOptions): Promise<void> {
  const { clusterDir, programs, password, signal } = options;
  const temporary = `${clusterDir}.incomplete`;
  await discardCluster(temporary);
  mkdirSync(temporary, { mode: 0o700 });
  try {
    giveTo(programs, temporary);
    await runInitdb(programs, temporary, password, signal);
    // Kept inside the cluster: what moves, restores or removes one does so with the other.
    writeFileSync(join(temporary, passwordFile), `${password}\n`, { mode: 0o600, flush: true });
    giveTo(programs, join(temporary, passwordFile));
    renameSync(temporary, clusterDir);
    syncFolder(dirname(clusterDir));
  } catch (error) {
    await discardCluster(temporary);
    throw asEmbeddedFailure(error, dirname(clusterDir));
  }
}

/** The password that the cluster was made with. */
export function readClusterPassword(clusterDir: string): string {
  const path = join(clusterDir, passwordFile);
  if (!existsSync(path)) {
    throw new KonstructError(
      'embedded_database_failed',
      `The database in ${clusterDir} was not made by Konstruct, or its file ${passwordFile} was removed: restore that file from a backup.`,
      { details: { clusterDir } },
    );
  }
  return readFileSync(path, 'utf8').trim();
}

/** Refuses a cluster of another major version, before anything touches it. */
export function checkClusterVersion(clusterDir: string, binariesVersion: string): void {
  const found = readFileSync(join(clusterDir, 'PG_VERSION'), 'utf8').trim();
  const own = binariesVersion.split('.')[0] ?? binariesVersion;
  if (found === own) return;
  throw new KonstructError(
    'embedded_database_failed',
    `The database in ${clusterDir} was made by PostgreSQL ${found}, and this Konstruct brings PostgreSQL ${own}. Nothing was ` +
      `touched: back it up with the Konstruct that made it and restore it here into a new data folder.`,
    { details: { clusterDir, found, own } },
  );
}

async function runInitdb(
  programs: ServerPrograms,
  temporary: string,
  password: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  // initdb reads the password from a file, and the account may be unable to walk to one: it gets it opened.
  const path = `${temporary}.password`;
  writeFileSync(path, `${password}\n`, { mode: 0o600 });
  giveTo(programs, path);
  const descriptor = openSync(path, 'r');
  try {
    const child = spawnProgram(
      programs,
      'initdb',
      [
        `--pgdata=${clusterPathFor(programs.account, temporary)}`,
        `--pwfile=${process.platform === 'win32' ? path : '/dev/fd/3'}`,
        '--username=konstruct',
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // Sorting that no update of the system's libraries can change under an index.
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
      ],
      { clusterDir: temporary, stdio: ['ignore', 'pipe', 'pipe', descriptor] },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-16 * 1024);
      });
    }
    const deadline = AbortSignal.timeout(initialiseTimeoutMs);
    const ended = signal ? AbortSignal.any([signal, deadline]) : deadline;
    const [code] = await once(child, 'close', { signal: ended });
    if (code !== 0) {
      throw embeddedFailure('The embedded PostgreSQL could not be initialised', {
        dataDir: dirname(temporary),
        output,
      });
    }
  } catch (cause) {
    if (signal?.aborted) throw new KonstructError('aborted', undefined, { cause });
    throw cause;
  } finally {
    closeSync(descriptor);
    rmSync(path, { force: true });
  }
}

/** Removes a half-made cluster. An initdb that outlived its Konstruct may still be writing into it. */
async function discardCluster(temporary: string): Promise<void> {
  if (!existsSync(temporary)) return;
  await endProcessesIn(temporary, { graceMs: 0 });
  rmSync(temporary, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

function giveTo({ account }: ServerPrograms, path: string): void {
  if (account) chownSync(path, account.uid, account.gid);
}

function syncFolder(folder: string): void {
  if (process.platform === 'win32') return; // folders cannot be opened there
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
