import type { ModelCost, ModelUsage, ProviderName, RouteEntry, Spender } from './model.ts';

/**
 * The gate before every model call: the worst case is reserved across all budgets it counts against (tenant, agent,
 * person; day and month; money and tokens) or refused as a whole, so a limit cannot be overrun, not even by calls that
 * run side by side or in the middle of a turn (invariant 7).
 */
export interface BudgetGate {
  /** @throws KonstructError `budget_exhausted`, with which limit and until when in the details */
  reserve(call: PlannedCall): Promise<Reservation>;
}

/** One call to one model that is about to be made. */
export interface PlannedCall {
  readonly tenantId: string;
  readonly spender: Spender;
  readonly provider: ProviderName;
  readonly model: string;
  /** Where the entry overrides the price table. */
  readonly entry: RouteEntry;
  /** Prompt, instructions and tool schemas, counted cautiously: never fewer than the provider will count. */
  readonly maxInputTokens: number;
  readonly maxOutputTokens: number;
}

/** Money set aside for one call. Not settling it leaves it set aside until the worker's lease on it runs out. */
export interface Reservation {
  /**
   * Tells what the call cost, has it written to the ledger and the rest given back. Called exactly once, whatever became of
   * the call. Does not wait for the ledger: until it is written the worst case counts.
   */
  settle(outcome: SettledCall): Promise<ModelCost>;
}

export interface SettledCall {
  /** What the provider reported, or our count (`isEstimated`); `null`: the call cost nothing (it never reached a model). */
  readonly usage: ModelUsage | null;
  readonly isEstimated: boolean;
  readonly outcome: string;
}
