import type { Metrics } from '../../core/metrics.ts';
import type { BudgetObserver } from './create-budget-gate.ts';

/** Counts what budgets did. */
export function countBudgets(metrics: Metrics): BudgetObserver {
  return {
    onThreshold: ({ scope, period }) =>
      metrics.counter('konstruct_budget_thresholds_total', { scope, period }).increment(),
    onRefused: ({ scope, period }) =>
      metrics.counter('konstruct_budget_refusals_total', { scope, period }).increment(),
  };
}
