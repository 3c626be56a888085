import { countDeadLetters } from '../../stores/dead-letters.ts';
import { type Check, ok, warning } from './check.ts';

const RECENT_MS = 24 * 60 * 60_000;

/** Whether people were left without an answer lately. */
export const checkDeadLetters: Check = {
  name: 'Dead letters',
  async run({ database, clock }) {
    if (database === null) return [];
    const { total, recent } = await countDeadLetters(database, new Date(clock() - RECENT_MS));
    if (recent > 0) {
      const turns = recent === 1 ? 'One turn was' : `${recent} turns were`;
      return [
        warning(
          `${turns} given up in the last 24 hours.`,
          'Run `konstruct dead-letters list` to see why; then replay or discard them.',
        ),
      ];
    }
    return [ok(total === 0 ? 'There are none.' : `None in the last 24 hours; ${total} older.`)];
  },
};
