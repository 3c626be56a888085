import type pg from 'pg';
import { createBatcher } from '../../db/create-batcher.ts';
import { isServerTrouble } from '../../db/pool.ts';
import { queryRows } from '../../db/query-rows.ts';

/** Who makes a call and to which model. */
export interface CallNames {
  /** UUID version 7, made by the caller; names the reservation and then the row of the ledger. */
  readonly id: string;
  readonly tenantId: string;
  readonly agentId: string | null;
  readonly personId: string | null;
  readonly turnId: number | null;
  readonly provider: string;
  readonly model: string;
  /** 1e-9 US dollars; `null`: the price is not known. */
  readonly nanoUsd: number | null;
  readonly priceVersion: string | null;
}

/** A call at its worst. */
export interface ReserveCall extends CallNames {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What became of a call. */
export interface SettleCall extends CallNames {
  /** `null`: it was never made, and only what was set aside is given back. */
  readonly outcome: string | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedInputTokens: number | null;
  readonly cacheWriteTokens: number | null;
  readonly reasoningTokens: number | null;
  readonly isEstimated: boolean;
  readonly isReserved: boolean;
  /** How long ago it was reserved, in ms. */
  readonly ageMs: number;
}

export type ReserveOutcome =
  | { readonly outcome: 'unlimited' }
  | { readonly outcome: 'reserved' }
  | { readonly outcome: 'unpriced'; readonly scope: BudgetScope; readonly period: BudgetPeriod }
  | ({
      readonly outcome: 'refused';
      readonly reserved: number;
      readonly needed: number;
      /** It would fit if all that is set aside for other calls came back. */
      readonly isHeld: boolean;
      /** Whether operators were told by this. */
      readonly isNews: boolean;
      /** `null`: never, it is the limit of one turn. */
      readonly resetsAtMs: number | null;
      readonly timeZone: string;
    } & BudgetState);

export type BudgetScope = 'tenant' | 'agent' | 'person' | 'turn';
export type BudgetPeriod = 'day' | 'month' | 'turn';

/** A limit and what is spent of it: 1e-9 US dollars, or tokens. */
export interface BudgetState {
  readonly scope: BudgetScope;
  /** Id of the agent, person or turn; empty for the tenant. */
  readonly subject: string;
  readonly period: BudgetPeriod;
  readonly unit: 'usd' | 'tokens';
  readonly limit: number;
  readonly spent: number;
}

export interface ReachedThreshold extends BudgetState {
  readonly tenantId: string;
}

/** Reservations and the ledger in the database (migrations/functions/), in batches. */
export interface BudgetLedger {
  /** Whether any limit can apply to calls of the tenant. */
  hasBudgets(tenantId: string): Promise<boolean>;
  reserve(call: ReserveCall): Promise<ReserveOutcome>;
  settle(call: SettleCall): Promise<void>;
  /** Prolongs the reservations of calls that are under way. */
  renew(ids: readonly string[]): Promise<void>;
  /** Ends reservations of processes that died; returns how many. */
  expire(): Promise<number>;
}

export interface BudgetLedgerOptions {
  readonly pool: pg.Pool;
  /** Names this process; must be unique among all. */
  readonly owner: string;
  readonly leaseMs: number;
  readonly onThreshold: (reached: ReachedThreshold) => void;
}

const MAX_BATCH = 100;
const MAX_IN_FLIGHT = 2;
const EXPIRE_AT_ONCE = 100;

/** @throws KonstructError (each call) `database_unavailable`, `disk_full` */
export function createBudgetLedger(options: BudgetLedgerOptions): BudgetLedger {
  const { pool, owner, leaseMs, onThreshold } = options;

  async function call<Result>(
    name: string,
    text: string,
    values: readonly unknown[],
  ): Promise<readonly Result[]> {
    const rows = await queryRows<{ result: Result }>(pool, { name, text, values });
    return rows.map(({ result }) => result);
  }

  const batches = { maxBatch: MAX_BATCH, maxInFlight: MAX_IN_FLIGHT, isShared: isServerTrouble };
  const reserve = createBatcher<ReserveCall, ReserveOutcome>({
    ...batches,
    call: async (calls) => {
      const values = [owner, leaseMs, JSON.stringify(calls)];
      if (calls.length === 1) {
        const outcomes = await call<ReserveOutcome | { readonly outcome: 'uncounted' }>(
          'reserve_budget',
          'select reserve_budget($1, $2, $3) as result',
          values,
        );
        if (isCounted(outcomes)) return outcomes;
      }
      return call('reserve_budgets', 'select reserve_budgets($1, $2, $3) as result', values);
    },
  });
  const settle = createBatcher<SettleCall, void>({
    ...batches,
    call: async (calls) => {
      for (const each of await settleAll(calls)) onThreshold(each);
      return calls.map(() => undefined);
    },
  });

  async function settleAll(calls: readonly SettleCall[]): Promise<readonly ReachedThreshold[]> {
    if (calls.length === 1) {
      const [reached] = await call<readonly ReachedThreshold[]>(
        'settle_call',
        'select settle_call($1) as result',
        [JSON.stringify(calls[0])],
      );
      if (reached !== undefined) return reached;
    }
    return call('settle_calls', 'select settle_calls($1) as result', [JSON.stringify(calls)]);
  }

  return {
    async hasBudgets(tenantId) {
      const [has] = await call<boolean>('has_budgets', 'select has_budgets($1) as result', [tenantId]);
      return has ?? false;
    },
    reserve,
    settle,
    async renew(ids) {
      await call('renew_reservations', 'select renew_reservations($1, $2, $3) as result', [
        owner,
        leaseMs,
        ids,
      ]);
    },
    async expire() {
      const rows = await call<ReachedThreshold | { readonly expired: number }>(
        'expire_reservations',
        'select expire_reservations($1) as result',
        [EXPIRE_AT_ONCE],
      );
      let expired = 0;
      for (const row of rows) {
        if ('expired' in row) expired += row.expired;
        else onThreshold(row);
      }
      return expired;
    },
  };
}

function isCounted(
  outcomes: readonly (ReserveOutcome | { readonly outcome: 'uncounted' })[],
): outcomes is readonly ReserveOutcome[] {
  return outcomes.every(({ outcome }) => outcome !== 'uncounted');
}
