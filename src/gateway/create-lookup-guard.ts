import type { Clock } from '../core/clock.ts';
import { KonstructError } from '../core/errors.ts';

/**
 * Looks a connection up for a request that nothing has vouched for yet. Those that there are may be any number, as after
 * a restart or a change, when none is remembered; a stranger must not be able to keep the database busy with ids that
 * nobody knows.
 *
 * @throws KonstructError `lookups_exhausted`; what the look-up throws
 */
export type GuardedLookup = <Found>(lookUp: () => Promise<Found | null>) => Promise<Found | null>;

/** Look-ups a second that may find nothing. */
const MISSES_PER_SECOND = 20;
/** Requests that wait for a look-up under way to make room; beyond that there are more strangers than platforms. */
const MAX_WAITING = 1_000;

export function createLookupGuard(clock: Clock): GuardedLookup {
  let second = 0;
  let misses = 0;
  /** Each of them may turn out a miss. */
  let underWay = 0;
  const waiting: (() => void)[] = [];

  async function enter(): Promise<void> {
    for (;;) {
      const now = Math.floor(clock() / 1_000);
      if (now !== second) [second, misses] = [now, 0];
      if (misses + underWay < MISSES_PER_SECOND) {
        underWay += 1;
        return;
      }
      // Refused so that a platform repeats it: it may be one of its own that comes at a bad moment.
      if (misses >= MISSES_PER_SECOND || waiting.length >= MAX_WAITING)
        throw new KonstructError('lookups_exhausted');
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  }

  return async (lookUp) => {
    await enter();
    try {
      const found = await lookUp();
      if (found === null) misses += 1;
      return found;
    } finally {
      underWay -= 1;
      for (const goOn of waiting.splice(0)) goOn();
    }
  };
}
