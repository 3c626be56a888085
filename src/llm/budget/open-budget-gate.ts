import type pg from 'pg';
import type { Clock, Sleep } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { ProviderKeys } from '../../core/model.ts';
import { createPriceList } from '../prices/create-price-list.ts';
import { createBudgetLedger } from './budget-ledger.ts';
import { type BudgetObserver, createBudgetGate, type RunningBudgetGate } from './create-budget-gate.ts';

export interface OpenBudgetGateOptions {
  readonly pool: pg.Pool;
  /** Names this process; must be unique among all. */
  readonly owner: string;
  readonly clock: Clock;
  readonly wallClock: Clock;
  readonly sleep: Sleep;
  readonly log: Log;
  /** For addresses of models that a route does not have. */
  readonly keys?: ProviderKeys;
  readonly observe?: BudgetObserver;
  /** How long what a silent process set aside stays set aside, before it counts as spent; ms. */
  readonly leaseMs?: number;
  readonly renewEveryMs?: number;
}

const LEASE_MS = 60_000;
const RENEW_EVERY_MS = 15_000;

/** The budget gate on a database, with the prices of this version. Start it, or leases run out under long calls. */
export function openBudgetGate(options: OpenBudgetGateOptions): RunningBudgetGate {
  const { pool, owner, clock, wallClock, sleep, log, observe } = options;
  return createBudgetGate({
    openLedger: (onThreshold) =>
      createBudgetLedger({ pool, owner, leaseMs: options.leaseMs ?? LEASE_MS, onThreshold }),
    prices: createPriceList(wallClock, options.keys),
    clock,
    wallClock,
    newId: () => crypto.randomUUID(),
    sleep,
    log,
    renewEveryMs: options.renewEveryMs ?? RENEW_EVERY_MS,
    ...(observe ? { observe } : {}),
  });
}
