import type { Random } from '../core/clock.ts';

export interface RetryPolicy {
  /** Further calls to one entry after its first failed for a transient reason. */
  readonly maxRetries: number;
  /** Upper bound of the first wait, in ms; it doubles with every retry. */
  readonly baseMs: number;
  /** Upper bound of every wait that we choose ourselves, in ms. */
  readonly maxMs: number;
  /** The longest `Retry-After` that is waited for, in ms; if longer, the next entry answers. */
  readonly maxRetryAfterMs: number;
}

export const defaultRetryPolicy: RetryPolicy = {
  maxRetries: 2,
  baseMs: 500,
  maxMs: 5_000,
  maxRetryAfterMs: 10_000,
};

/**
 * How long to wait before retry number `retry` (from 0), in ms; `null`: do not wait, go on with the next entry.
 * Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), because workers that failed
 * together would otherwise come back together. What the provider asks for is the least that is waited.
 */
export function retryDelay(
  policy: RetryPolicy,
  retry: number,
  retryAfterMs: number | null,
  random: Random,
): number | null {
  if (retryAfterMs === null) return random() * Math.min(policy.maxMs, policy.baseMs * 2 ** retry);
  if (retryAfterMs > policy.maxRetryAfterMs) return null;
  return retryAfterMs + random() * policy.baseMs;
}

/**
 * Reads `retry-after-ms` and `retry-after` (seconds or an HTTP date), in ms from now.
 * `null` when absent or unreadable. https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export function retryAfterMs(
  headers: Readonly<Record<string, string>> | undefined,
  nowMs: number,
): number | null {
  const precise = number(headers?.['retry-after-ms']);
  if (precise !== null) return precise;
  const written = headers?.['retry-after'];
  const seconds = number(written);
  if (seconds !== null) return seconds * 1000;
  const dateMs = written === undefined ? Number.NaN : Date.parse(written);
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowMs);
}

function number(written: string | undefined): number | null {
  return written !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(written) ? Number(written) : null;
}
