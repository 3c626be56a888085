import { statfsSync } from 'node:fs';
import { isKonstructError, KonstructError } from '../../core/errors.ts';

/** Below this PostgreSQL cannot even write the next piece of its log of changes. In bytes. */
const hopelessBytes = 1024 * 1024;

export interface FailureContext {
  readonly dataDir: string;
  /** What PostgreSQL printed about it, if anything. */
  readonly output?: string;
  readonly logFile?: string;
  readonly cause?: unknown;
}

/** Makes one clear error of what a failed program printed: the disk is full, or the first line that says why. */
export function embeddedFailure(what: string, context: FailureContext): KonstructError {
  const { dataDir, output = '', logFile, cause } = context;
  if (
    /No space left on device|Disk quota exceeded/i.test(output) ||
    isDiskFull(cause) ||
    isFullNow(dataDir)
  ) {
    return diskFull(dataDir, cause);
  }
  const reason = firstReason(output) ?? (cause instanceof Error ? cause.message : null);
  const where = logFile ? ` Its log: ${logFile}` : '';
  return new KonstructError(
    'embedded_database_failed',
    `${what}${reason ? `: ${reason.replace(/\.$/, '')}` : ''}.${where}`,
    { details: { dataDir, ...(logFile ? { logFile } : {}) }, ...(cause === undefined ? {} : { cause }) },
  );
}

/** Lets the project's own errors through and translates everything else (file system, spawn, connection). */
export function asEmbeddedFailure(error: unknown, dataDir: string): KonstructError {
  if (isKonstructError(error)) return error;
  if (isDiskFull(error)) return diskFull(dataDir, error);
  if (isSpawnFailure(error)) {
    return new KonstructError(
      'embedded_database_failed',
      `The packaged PostgreSQL cannot be run on this system (${error.message}); it needs glibc, and as root the right to ` +
        'run programs as another user. Start Konstruct as an ordinary user, or set DATABASE_URL to a PostgreSQL server of yours.',
      { details: { dataDir }, cause: error },
    );
  }
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) {
    return new KonstructError(
      'embedded_database_failed',
      `This user may not write to the data folder ${dataDir} (${(error as Error).message}).`,
      { details: { dataDir }, cause: error },
    );
  }
  return embeddedFailure('The embedded PostgreSQL could not be started', { dataDir, cause: error });
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

function isSpawnFailure(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && String(error.syscall).startsWith('spawn');
}

function isDiskFull(error: unknown): boolean {
  return hasCode(error, 'ENOSPC', 'EDQUOT', '53100');
}

function diskFull(dataDir: string, cause: unknown): KonstructError {
  return new KonstructError(
    'disk_full',
    `The disk that holds the data folder ${dataDir} is full: free some space there and start again. No data was removed.`,
    { details: { dataDir }, ...(cause === undefined ? {} : { cause }) },
  );
}

/** On a full disk the server cannot write its reason into the log either, so the disk itself is asked. */
function isFullNow(dataDir: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dataDir);
    return bavail * bsize < hopelessBytes;
  } catch {
    return false;
  }
}

function firstReason(output: string): string | null {
  const lines = output.split('\n').map((line) => line.trim());
  const line =
    lines.find((each) => /\b(FATAL|PANIC):|\berror:/.test(each)) ?? lines.find((each) => each !== '');
  return line?.replace(/^.*?\b(FATAL|PANIC|error):\s*/, '') ?? null;
}
