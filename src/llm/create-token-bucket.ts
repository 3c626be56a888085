import type { Clock } from '../core/clock.ts';

const MINUTE_MS = 60_000;

export interface TokenBucket {
  /** Tokens that came since it was last asked. */
  refill(): number;
  isFull(): boolean;
  /** How long until a call of this size may go, in ms. One larger than the bucket goes when it is full. */
  delayMs(wanted: number): number;
  /** How long it takes for so many to come, in ms. */
  fillMs(amount: number): number;
  /** Returns what puts it right when it is known what was used; `null`: as much as was wanted. */
  take(wanted: number): (used: number | null) => void;
}

/**
 * So many tokens a minute, at most those of one minute at once. Debts are bounded by a minute too: a provider's figure
 * that cannot be true would otherwise keep everybody out for days.
 */
export function createTokenBucket(perMinute: () => number, clock: Clock): TokenBucket {
  let filledAtMs = clock();
  let tokens = perMinute();

  function move(amount: number): number {
    const before = tokens;
    const size = perMinute();
    tokens = Math.min(size, Math.max(-size, tokens + amount));
    return tokens - before;
  }

  return {
    refill() {
      const nowMs = clock();
      const amount = (Math.max(0, nowMs - filledAtMs) * perMinute()) / MINUTE_MS;
      filledAtMs = nowMs;
      return move(amount);
    },
    isFull: () => tokens >= perMinute(),
    delayMs(wanted) {
      const missing = Math.min(wanted, perMinute()) - tokens;
      return missing <= 0 ? 0 : Math.ceil((missing * MINUTE_MS) / perMinute());
    },
    fillMs: (amount) => Math.ceil((amount * MINUTE_MS) / perMinute()),
    take(wanted) {
      const taken = -move(-wanted);
      return (used) => {
        if (used !== null && used >= 0) move(taken - used);
      };
    },
  };
}
