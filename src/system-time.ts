import { setTimeout as delay } from 'node:timers/promises';
import type { Clock, Random, Sleep } from './core/clock.ts';

/**
 * The real clocks, randomness and waiting, for composition roots.
 *
 * `clock` (ms since 1970, with fractions) never jumps, so durations and deadlines are right; it stands still while the
 * machine is suspended and never learns that somebody set the time. `wallClock` does.
 */
export const systemTime: {
  readonly clock: Clock;
  readonly wallClock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
} = {
  clock: () => performance.timeOrigin + performance.now(),
  wallClock: () => Date.now(),
  random: Math.random,
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
};
