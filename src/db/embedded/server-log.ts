import { closeSync, copyFileSync, fstatSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

/** How large the server's log may grow before it is moved aside; with its predecessor at most twice this. */
const maxLogBytes = 8 * 1024 * 1024;
const checkEveryMs = 10_000;

/**
 * Keeps the log bounded: what is too large is copied to `….1` and emptied in place. Emptied, not renamed, because the
 * server holds the file open (for appending, so it goes on at the new end) and outlives us after a `kill -9`.
 * PostgreSQL's own log collector was rejected: it bounds time or size per file, but not the number of files.
 */
export function boundServerLog(logFile: string, maxBytes: number = maxLogBytes): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= maxBytes) return;
  try {
    copyFileSync(logFile, `${logFile}.1`);
  } finally {
    truncateSync(logFile); // also when the disk had no room for the copy
  }
}

/** Bounds the log now and then, until the returned function is called. Never keeps the process alive. */
export function watchServerLog(logFile: string, onError: (error: unknown) => void): () => void {
  const timer = setInterval(() => {
    try {
      boundServerLog(logFile);
    } catch (error) {
      onError(error);
    }
  }, checkEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** The size of the log now, so that later only what came after can be read. In bytes; 0 when there is none. */
export function serverLogSize(logFile: string): number {
  return statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
}

/** The log's text from `fromByte` on, at most its last 16 KiB. */
export function readServerLog(logFile: string, fromByte: number): string {
  let descriptor: number;
  try {
    descriptor = openSync(logFile, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(descriptor);
    const start = Math.max(size < fromByte ? 0 : fromByte, size - 16 * 1024);
    const buffer = Buffer.alloc(size - start);
    return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, buffer.length, start));
  } finally {
    closeSync(descriptor);
  }
}
