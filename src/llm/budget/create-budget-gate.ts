import type { BudgetGate, PlannedCall, Reservation, SettledCall } from '../../core/budget.ts';
import type { Clock, Sleep } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ModelCost } from '../../core/model.ts';
import type { PriceList } from '../prices/create-price-list.ts';
import { type CountedUsage, costOf, type ModelPrice, worstCaseOf } from '../prices/model-price.ts';
import type {
  BudgetLedger,
  BudgetState,
  CallNames,
  ReachedThreshold,
  ReserveCall,
  ReserveOutcome,
  SettleCall,
} from './budget-ledger.ts';
import { createCallId } from './create-call-id.ts';
import { reckon } from './reckon.ts';
import { isTooSmall, refusedError, unpricedError } from './refused-error.ts';

export interface BudgetGateOptions {
  /** Is told where `onThreshold` goes. */
  readonly openLedger: (onThreshold: (reached: ReachedThreshold) => void) => BudgetLedger;
  readonly prices: PriceList;
  /** Steady, for durations. */
  readonly clock: Clock;
  readonly wallClock: Clock;
  readonly newId: () => string;
  readonly sleep: Sleep;
  readonly log: Log;
  /** Well below the lease of a reservation. */
  readonly renewEveryMs: number;
  /** Calls that wait to be written while the database is away; more of them are left to their lease. Default: 10,000. */
  readonly maxUnwritten?: number;
  readonly observe?: BudgetObserver;
}

/** For metrics; each is called once per event. */
export interface BudgetObserver {
  /** `konstruct_budget_thresholds_total`: 80 % of a budget are spent. */
  onThreshold?(reached: ReachedThreshold): void;
  /** `konstruct_budget_refusals_total`: a call was not made. */
  onRefused?(refused: BudgetState & { readonly tenantId: string; readonly isHeld: boolean }): void;
  /** `konstruct_model_cost_nano_usd_total` and the like: a call is in the ledger. */
  onSettled?(call: SettleCall): void;
}

export interface RunningBudgetGate extends BudgetGate {
  /** Tenants or agents have changed: what is known of them is looked up again. */
  invalidate(): void;
  /** Renews what is set aside for calls under way, and ends what other processes left behind when they died. */
  start(): void;
  /** Waits until all that was settled so far is in the ledger, or was tried once while the database is away. */
  flush(): Promise<void>;
  /** Waits for what is still to be written, a few seconds at most. What is not written then counts in full. */
  stop(): Promise<void>;
}

/** Tenants whose budgets are known; the rest is looked up again. */
const MAX_KNOWN = 10_000;
const RETRY_DELAYS_MS = [250, 1_000, 5_000, 15_000];
const MAX_UNWRITTEN = 10_000;
const STOP_DEADLINE_MS = 5_000;
/** How often a call waits for others of its tenant to be written. */
const MAX_WAITS = 3;

/**
 * The gate before every model call (invariant 7, docs/decisions/0008-budgets.md). Tenants without a limit pay for one
 * row in the ledger, after the call; all others also wait for their reservation. Nobody waits for a call to be settled: what
 * it cost is reckoned here, and until it is written its worst case counts.
 */
export function createBudgetGate(options: BudgetGateOptions): RunningBudgetGate {
  const { prices, clock, wallClock, newId, sleep, log, maxUnwritten = MAX_UNWRITTEN, observe = {} } = options;
  const ledger = options.openLedger((reached) => {
    log.warn('budget.threshold', { ...reached, percent: 80 });
    observe.onThreshold?.(reached);
  });
  const stopped = new AbortController();
  const known = new Map<string, Promise<boolean>>();
  /** Reservations of calls under way. */
  const held = new Set<string>();
  const unwritten = new Set<Promise<void>>();
  /** First attempts to write what was settled, by tenant. */
  const settling = new Map<string, Set<Promise<void>>>();
  let running: Promise<void> | null = null;

  function hasBudgets(tenantId: string): Promise<boolean> {
    const before = known.get(tenantId);
    if (before) return before;
    const looking = ledger.hasBudgets(tenantId);
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(tenantId, looking);
    looking.catch(() => {
      if (known.get(tenantId) === looking) known.delete(tenantId); // a failure is not an answer
    });
    return looking;
  }

  async function reserve(planned: PlannedCall): Promise<Reservation> {
    const call: PlannedCall = {
      ...planned,
      maxInputTokens: Math.max(0, Math.ceil(planned.maxInputTokens)),
      maxOutputTokens: Math.max(0, Math.ceil(planned.maxOutputTokens)),
    };
    const [price, mayBeLimited] = await Promise.all([prices.find(call.entry), hasBudgets(call.tenantId)]);
    const names = namesOf(call, createCallId(wallClock(), newId()));
    const worst: ReserveCall = {
      ...names,
      nanoUsd: price && worstCaseOf(price, call.maxInputTokens, call.maxOutputTokens),
      priceVersion: price?.version ?? null,
      inputTokens: call.maxInputTokens,
      outputTokens: call.maxOutputTokens,
    };
    const reservedAtMs = clock();
    const isReserved = mayBeLimited && (await setAside(worst, reservedAtMs));
    let settled: Promise<ModelCost> | null = null;
    return {
      settle(outcome) {
        settled ??= settle(call, price, worst, outcome, { isReserved, reservedAtMs });
        return settled;
      },
    };
  }

  /** `false`: no limit applied when it was looked at; one that comes meanwhile is looked at when it is settled. */
  async function setAside(worst: ReserveCall, reservedAtMs: number): Promise<boolean> {
    held.add(worst.id);
    try {
      const result = await askLedger(worst);
      switch (result.outcome) {
        case 'reserved':
          return true;
        case 'unlimited':
          held.delete(worst.id);
          return false;
        case 'unpriced':
          throw unpricedError(worst, result);
        case 'refused': {
          const error = refusedError(worst, result);
          if (result.isNews)
            log.warn(isTooSmall(result) ? 'budget.too_small' : 'budget.exhausted', error.details);
          observe.onRefused?.({ ...result, tenantId: worst.tenantId });
          throw error;
        }
      }
    } catch (error) {
      held.delete(worst.id);
      // Whether it was set aside before the connection broke is not known: the call is not made, so give it back.
      if (!isKonstructError(error, 'budget_exhausted')) void write(giveBack(worst, clock() - reservedAtMs));
      throw error;
    }
  }

  /**
   * A call that would fit if nothing else were set aside may be kept from it by one of our own that is over and not
   * written yet, such as the one before it in the same turn.
   */
  async function askLedger(worst: ReserveCall): Promise<ReserveOutcome> {
    for (let waited = 0; ; waited += 1) {
      const underWay = [...(settling.get(worst.tenantId) ?? [])];
      const result = await ledger.reserve(worst);
      const isInTheWay = result.outcome === 'refused' && result.isHeld && underWay.length > 0;
      if (!isInTheWay || waited === MAX_WAITS) return result;
      await Promise.all(underWay);
    }
  }

  async function settle(
    call: PlannedCall,
    price: ModelPrice | null,
    worst: ReserveCall,
    outcome: SettledCall,
    made: { readonly isReserved: boolean; readonly reservedAtMs: number },
  ): Promise<ModelCost> {
    const { usage, isEstimated } = reckon(call, outcome);
    const nanoUsd = price === null ? (outcome.usage === null ? 0 : null) : dearest(price, usage, isEstimated);
    const priceVersion = price?.version ?? null;
    if (made.isReserved && (nanoUsd ?? 0) > (worst.nanoUsd ?? 0)) {
      // More than was set aside: the prompt was counted too low, or the provider ignored the limit of the answer.
      log.warn('budget.underestimated', {
        ...namesOf(call, worst.id),
        nanoUsd,
        reservedNanoUsd: worst.nanoUsd,
      });
    }
    const writing = write({
      ...namesOf(call, worst.id),
      ...usage,
      nanoUsd,
      priceVersion,
      outcome: outcome.outcome,
      isEstimated,
      isReserved: made.isReserved,
      ageMs: Math.max(0, clock() - made.reservedAtMs),
    });
    const ofTenant = settling.get(call.tenantId) ?? new Set();
    settling.set(call.tenantId, ofTenant.add(writing));
    void writing.finally(() => {
      ofTenant.delete(writing);
      if (ofTenant.size === 0 && settling.get(call.tenantId) === ofTenant) settling.delete(call.tenantId);
    });
    return { nanoUsd, isEstimated, priceVersion };
  }

  /** Writes to the ledger. Ends after the first attempt; while the database is away the others follow by themselves. Never rejects. */
  async function write(call: SettleCall): Promise<void> {
    const startedAtMs = clock();
    const attempt = async (): Promise<void> => {
      await ledger.settle({ ...call, ageMs: call.ageMs + (clock() - startedAtMs) });
      held.delete(call.id);
      if (call.outcome !== null) observe.onSettled?.(call);
    };
    const first = attempt();
    track(first.catch(() => {}));
    try {
      await first;
    } catch (error) {
      log.warn('budget.settle_delayed', { tenantId: call.tenantId, callId: call.id, error });
      if (unwritten.size < maxUnwritten) track(writeLater(call, attempt));
      else giveUp(call, error);
    }
  }

  async function writeLater(call: SettleCall, attempt: () => Promise<void>): Promise<void> {
    for (let retry = 0; ; retry += 1) {
      try {
        await sleep(RETRY_DELAYS_MS[Math.min(retry, RETRY_DELAYS_MS.length - 1)] ?? 0, stopped.signal);
        await attempt();
        return;
      } catch (error) {
        if (!stopped.signal.aborted && isKonstructError(error) && error.retryable) continue;
        giveUp(call, error);
        return;
      }
    }
  }

  /** Its lease runs out then, and the worst case counts. */
  function giveUp(call: SettleCall, error: unknown): void {
    held.delete(call.id);
    log.error('budget.settle_failed', { tenantId: call.tenantId, callId: call.id, error });
  }

  function track(work: Promise<void>): void {
    unwritten.add(work);
    void work.finally(() => unwritten.delete(work));
  }

  async function keep(): Promise<void> {
    for (;;) {
      try {
        await sleep(options.renewEveryMs, stopped.signal);
      } catch {
        return; // stopped
      }
      try {
        if (held.size > 0) await ledger.renew([...held]);
        const expired = await ledger.expire();
        if (expired > 0) log.warn('budget.calls_lost', { calls: expired });
      } catch (error) {
        log.warn('budget.renew_failed', { error });
      }
    }
  }

  return {
    reserve,
    invalidate: () => known.clear(),
    start() {
      running ??= keep();
    },
    async flush() {
      await Promise.all([...settling.values()].flatMap((writings) => [...writings]));
    },
    async stop() {
      const deadline = new AbortController();
      const patience = sleep(STOP_DEADLINE_MS, deadline.signal).catch(() => {});
      // What is being written brings more of it when it fails.
      const emptied = (async () => {
        while (unwritten.size > 0) await Promise.all(unwritten);
      })();
      await Promise.race([emptied, patience]);
      deadline.abort();
      stopped.abort();
      await emptied;
      await running;
    },
  };
}

function namesOf({ tenantId, spender, provider, model }: PlannedCall, id: string) {
  const { agentId, personId, turnId } = spender;
  return { id, tenantId, agentId, personId, turnId, provider, model } satisfies Partial<CallNames>;
}

function giveBack(worst: ReserveCall, ageMs: number): SettleCall {
  return {
    ...worst,
    outcome: null,
    cachedInputTokens: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
    isEstimated: false,
    isReserved: true,
    ageMs,
  };
}

/** Tokens that count as written to a cache by estimate cost no less than if they were not: some write for nothing. */
function dearest(price: ModelPrice, usage: CountedUsage, isEstimated: boolean): number {
  const cost = costOf(price, usage);
  return isEstimated ? Math.max(cost, costOf(price, { ...usage, cacheWriteTokens: 0 })) : cost;
}
