import type { Budget } from '../core/tenant.ts';

interface BudgetColumns<Value> {
  readonly budget_daily_usd: Value;
  readonly budget_monthly_usd: Value;
  readonly budget_daily_tokens: Value;
  readonly budget_monthly_tokens: Value;
}

/** A budget as the columns of tenants and agents have it. */
export function toBudget(row: BudgetColumns<string | null>): Budget {
  return {
    dailyUsd: toNumber(row.budget_daily_usd),
    monthlyUsd: toNumber(row.budget_monthly_usd),
    dailyTokens: toNumber(row.budget_daily_tokens),
    monthlyTokens: toNumber(row.budget_monthly_tokens),
  };
}

export function toBudgetColumns(budget: Budget): BudgetColumns<number | null> {
  return {
    budget_daily_usd: budget.dailyUsd,
    budget_monthly_usd: budget.monthlyUsd,
    budget_daily_tokens: budget.dailyTokens,
    budget_monthly_tokens: budget.monthlyTokens,
  };
}

/** `numeric` and `bigint` come as text. */
export function toNumber(value: string | null): number | null {
  return value === null ? null : Number(value);
}
