import type { Clock } from '../../core/clock.ts';
import { KonstructError } from '../../core/errors.ts';

export interface VisitorLimitOptions {
  readonly perMinute: number;
  /** How many may come at once. */
  readonly burst: number;
  readonly clock: Clock;
}

/** Above this the keys whose time has passed are forgotten. */
const MANY_KEYS = 10_000;

/**
 * Keeps one visitor from what is everybody's, in this process: per key the time at which its next place would be due if
 * places were given out evenly (GCRA). What a tenant takes in all is PostgreSQL's to count.
 *
 * @returns a function that takes a place, or throws `rate_limited` with how long to wait
 */
export function createVisitorLimit({ perMinute, burst, clock }: VisitorLimitOptions): (key: string) => void {
  const intervalMs = 60_000 / perMinute;
  const dueAtMs = new Map<string, number>();
  return (key) => {
    const nowMs = clock();
    const due = Math.max(dueAtMs.get(key) ?? 0, nowMs);
    const waitMs = due - nowMs - (burst - 1) * intervalMs;
    if (waitMs > 0) throw new KonstructError('rate_limited', undefined, { retryAfterMs: waitMs });
    if (dueAtMs.size > MANY_KEYS) {
      for (const [other, otherDue] of dueAtMs) if (otherDue <= nowMs) dueAtMs.delete(other);
    }
    dueAtMs.set(key, due + intervalMs);
  };
}
