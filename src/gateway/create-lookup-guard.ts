import type { Clock } from '../core/clock.ts';

/** Look-ups a second for requests that nothing has vouched for yet. */
const LOOKUPS_PER_SECOND = 20;

/** A stranger must not be able to keep the database busy with ids that nobody knows: says whether one more may be asked for. */
export function createLookupGuard(clock: Clock): () => boolean {
  let lookups = { second: 0, count: 0 };
  return () => {
    const second = Math.floor(clock() / 1_000);
    if (lookups.second !== second) lookups = { second, count: 0 };
    lookups.count += 1;
    return lookups.count <= LOOKUPS_PER_SECOND;
  };
}
