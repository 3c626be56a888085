import type { BudgetGate, PlannedCall, SettledCall } from '../../src/core/budget.ts';
import { KonstructError } from '../../src/core/errors.ts';

/** A budget gate for tests of the pool: writes down what is reserved and settled, and refuses what it is told to. */
export interface RecordingBudget extends BudgetGate {
  readonly calls: readonly RecordedCall[];
  /** Refuses the calls for which this holds. */
  refuse(when: (call: PlannedCall) => boolean): void;
  /** The reservations that were not settled exactly once; empty is what a test wants. */
  unsettled(): readonly RecordedCall[];
}

interface RecordedCall {
  readonly planned: PlannedCall;
  readonly settled: readonly SettledCall[];
}

export function createRecordingBudget(): RecordingBudget {
  const calls: { planned: PlannedCall; settled: SettledCall[] }[] = [];
  let isRefused: (call: PlannedCall) => boolean = () => false;
  return {
    calls,
    refuse(when) {
      isRefused = when;
    },
    async reserve(planned) {
      await Promise.resolve(); // as the real one, which asks the database
      if (isRefused(planned)) {
        throw new KonstructError('budget_exhausted', undefined, { details: { limit: 'tenant day' } });
      }
      const call = { planned, settled: [] as SettledCall[] };
      calls.push(call);
      return {
        async settle(outcome) {
          await Promise.resolve();
          call.settled.push(outcome);
          return {
            nanoUsd: outcome.usage === null ? 0 : 1,
            isEstimated: outcome.isEstimated,
            priceVersion: 'test',
          };
        },
      };
    },
    unsettled: () => calls.filter(({ settled }) => settled.length !== 1),
  };
}
