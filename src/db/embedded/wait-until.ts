import { setTimeout as delay } from 'node:timers/promises';
import { KonstructError } from '../../core/errors.ts';

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly intervalMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks again and again until the answer is yes. Returns false when the time is up.
 * Polling, because what is waited for here (another process, its files) sends no events to us.
 * Rejects with `aborted` when the signal ends the wait.
 */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  { timeoutMs, intervalMs = 20, signal }: WaitOptions,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    throwIfAborted(signal);
    if (await condition()) return true;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return false;
    await pause(Math.min(intervalMs, leftMs), signal);
  }
}

/** Waits `ms`; rejects with `aborted` when the signal ends the wait. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal ? { signal } : {});
  } catch (cause) {
    throw new KonstructError('aborted', undefined, { cause });
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new KonstructError('aborted', undefined, { cause: signal.reason });
}
