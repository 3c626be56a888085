import type pg from 'pg';
import type { PlannedCall } from '../../src/core/budget.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { RouteEntry } from '../../src/core/model.ts';
import type { ReachedThreshold } from '../../src/llm/budget/budget-ledger.ts';
import type { BudgetObserver, RunningBudgetGate } from '../../src/llm/budget/create-budget-gate.ts';
import { openBudgetGate } from '../../src/llm/budget/open-budget-gate.ts';
import { systemTime } from '../../src/system-time.ts';
import type { PipelineDatabase } from './pipeline-database.ts';
import { silentLog } from './silent-log.ts';

/** One dollar per million tokens in, and as much out: a token costs 1,000 nanoUsd. */
export const dollarModel: RouteEntry = {
  provider: 'openai-compatible',
  model: 'one-dollar',
  baseUrl: 'http://127.0.0.1:9/v1',
  price: { inputUsdPerMillion: 1, outputUsdPerMillion: 1 },
};

export interface BudgetProcess extends RunningBudgetGate {
  readonly thresholds: readonly ReachedThreshold[];
  /** As `reserve`, and settling does not wait until it is written, as in the product. */
  readonly reserveOnly: RunningBudgetGate['reserve'];
}

/** What one process of the application does with budgets: a pool and an owner of its own. Not started. */
export function budgetProcess(
  database: PipelineDatabase,
  options: {
    readonly pool?: pg.Pool;
    readonly leaseMs?: number;
    readonly renewEveryMs?: number;
    readonly observe?: BudgetObserver;
    readonly clock?: Clock;
  } = {},
): BudgetProcess {
  const thresholds: ReachedThreshold[] = [];
  const pool = options.pool ?? database.pool();
  const gate = openBudgetGate({
    pool,
    owner: `test-${crypto.randomUUID()}`,
    clock: options.clock ?? systemTime.clock,
    wallClock: systemTime.wallClock,
    sleep: systemTime.sleep,
    log: silentLog,
    leaseMs: options.leaseMs ?? 60_000,
    renewEveryMs: options.renewEveryMs ?? 15_000,
    observe: {
      ...options.observe,
      onThreshold(reached) {
        thresholds.push(reached);
        options.observe?.onThreshold?.(reached);
      },
    },
  });
  return {
    ...gate,
    thresholds,
    async reserve(call) {
      const reservation = await gate.reserve(call);
      return {
        async settle(outcome) {
          const cost = await reservation.settle(outcome);
          await gate.flush();
          return cost;
        },
      };
    },
    reserveOnly: gate.reserve,
  };
}

/** A call of 1,000 tokens at most; with `dollarModel` that is 1,000,000 nanoUsd, a tenth of a cent. */
export function plannedCall(
  tenant: { readonly tenantId: string; readonly agentId: string },
  overrides: Partial<PlannedCall> & Partial<PlannedCall['spender']> = {},
): PlannedCall {
  const entry = overrides.entry ?? dollarModel;
  const { agentId = tenant.agentId, personId = null, turnId = null, ...rest } = overrides;
  return {
    tenantId: tenant.tenantId,
    spender: { agentId, personId, turnId },
    provider: entry.provider,
    model: entry.model,
    entry,
    maxInputTokens: 900,
    maxOutputTokens: 100,
    ...rest,
  };
}

/** What a provider reports. */
export function used(inputTokens: number, outputTokens: number) {
  return {
    usage: {
      inputTokens,
      outputTokens,
      cachedInputTokens: null,
      cacheWriteTokens: null,
      reasoningTokens: null,
    },
    isEstimated: false,
    outcome: 'ok',
  } as const;
}
