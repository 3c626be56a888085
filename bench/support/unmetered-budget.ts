import type { BudgetGate } from '../../src/core/budget.ts';

/** Lets every call through: no budget is enforced, and no price is known. */
export const unmeteredBudget: BudgetGate = {
  reserve: async () => ({
    settle: async ({ isEstimated }) => ({ nanoUsd: null, isEstimated, priceVersion: null }),
  }),
};
