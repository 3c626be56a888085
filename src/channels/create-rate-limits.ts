import type { Clock } from '../core/clock.ts';
import type { Pace } from './create-paced-calls.ts';
import { ExpiringTimes } from './expiring-times.ts';

export interface Rate {
  readonly intervalMs: number;
  /** Places that may be taken at once after a quiet time. */
  readonly burst: number;
}

/** What a call counts towards, and how much of it a platform takes. */
export type RateLimit = readonly [key: string, rate: Rate];

/** Keeps calls within a platform's limits by saying how long each has to wait. Holds no timers. */
export interface RateLimits {
  /**
   * Takes the next place under all of the limits.
   * @returns ms to wait, 0 if it may go at once; `null`, and no place is taken, if that is more than `maxWaitMs`
   */
  reserve(wanted: readonly RateLimit[], maxWaitMs: number): number | null;
  /** The platform said so: nothing under this key before `retryAfterMs` have passed. */
  hold(key: string, retryAfterMs: number): void;
  /** How long a key is still on hold, in ms. */
  heldMs(key: string): number;
}

/** GCRA: per key the time at which its next place would be due if places were given out evenly. */
export function createRateLimits(clock: Clock): RateLimits {
  const places = new ExpiringTimes();
  const holds = new ExpiringTimes();
  return {
    reserve(wanted, maxWaitMs) {
      const now = clock();
      const dueTimes = wanted.map(([key]) => Math.max(places.get(key) ?? now, now));
      const waitMs = Math.max(
        0,
        ...wanted.map(
          ([, { intervalMs, burst }], index) => (dueTimes[index] ?? now) - now - (burst - 1) * intervalMs,
        ),
      );
      if (waitMs > maxWaitMs) return null;
      for (const [index, [key, { intervalMs }]] of wanted.entries()) {
        places.set(key, (dueTimes[index] ?? now) + intervalMs, now);
      }
      return waitMs;
    },
    hold(key, retryAfterMs) {
      const now = clock();
      holds.set(key, Math.max(holds.get(key) ?? 0, now + retryAfterMs), now);
    },
    heldMs(key) {
      return holds.size === 0 ? 0 : Math.max(0, (holds.get(key) ?? 0) - clock());
    },
  };
}

/** The limits of one call. */
export function paceOf(limits: RateLimits, wanted: readonly RateLimit[], holdKey: string): Pace {
  return {
    reserve: (maxWaitMs) => limits.reserve(wanted, maxWaitMs),
    heldMs: () => limits.heldMs(holdKey),
    hold: ({ retryAfterMs }) => limits.hold(holdKey, retryAfterMs ?? 0),
  };
}
