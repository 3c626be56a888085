import { setTimeout as delay } from 'node:timers/promises';
import type { Clock, Random, Sleep } from './core/clock.ts';

/** The real clock (monotonic, ms since 1970 with fractions), randomness and waiting, for composition roots. */
export const systemTime: { readonly clock: Clock; readonly random: Random; readonly sleep: Sleep } = {
  clock: () => performance.timeOrigin + performance.now(),
  random: Math.random,
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
};
