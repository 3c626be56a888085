import type { BudgetGate } from '../../src/core/budget.ts';

/** Lets every call through. What the real one costs is measured apart (`bench/budget.ts`). */
export const noBudget: BudgetGate = {
  reserve: async () => ({
    settle: async ({ isEstimated }) => ({ nanoUsd: null, isEstimated, priceVersion: null }),
  }),
};
