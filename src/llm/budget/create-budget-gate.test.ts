import { expect, it } from 'vitest';
import { dollarModel, plannedCall, used } from '../../../test/support/budget-process.ts';
import { silentLog } from '../../../test/support/silent-log.ts';
import { KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { createPriceList } from '../prices/create-price-list.ts';
import type { BudgetLedger, SettleCall } from './budget-ledger.ts';
import { createBudgetGate } from './create-budget-gate.ts';

it('leaves a call to its lease that it can neither write nor keep for later', async () => {
  const events: string[] = [];
  const write = (event: string) => void events.push(event);
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const renewed: string[][] = [];
  const ledger: BudgetLedger = {
    hasBudgets: async () => true,
    reserve: async () => ({ outcome: 'reserved' }),
    settle: async () => {
      throw new KonstructError('database_unavailable');
    },
    renew: async (ids) => void renewed.push([...ids]),
    expire: async () => 0,
  };
  let wake = () => {};
  const gate = createBudgetGate({
    openLedger: () => ledger,
    prices: createPriceList(() => 0),
    clock: () => 0,
    wallClock: () => 0,
    newId: () => crypto.randomUUID(),
    sleep: (_ms, signal) =>
      new Promise((resolve, reject) => {
        wake = resolve;
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
    log,
    renewEveryMs: 1,
    maxUnwritten: 0,
  });
  gate.start();
  const call = plannedCall({ tenantId: crypto.randomUUID(), agentId: crypto.randomUUID() });
  const underWay = await gate.reserve(call);
  const dropped = await gate.reserve(call);
  await dropped.settle(used(1, 1));
  await gate.flush();
  expect(events).toContain('budget.settle_failed');
  wake();
  await expect.poll(() => renewed.length).toBe(1);
  expect(renewed[0]).toHaveLength(1); // the one that is under way
  await underWay.settle(used(1, 1));
  await gate.stop();
});

it('counts a prompt that may have been written to a cache as the dearer of both', async () => {
  const settled: SettleCall[] = [];
  const ledger: BudgetLedger = {
    hasBudgets: async () => false,
    reserve: async () => ({ outcome: 'unlimited' }),
    settle: async (call) => void settled.push(call),
    renew: async () => undefined,
    expire: async () => 0,
  };
  const gate = createBudgetGate({
    openLedger: () => ledger,
    prices: createPriceList(() => 0),
    clock: () => 0,
    wallClock: () => 0,
    newId: () => crypto.randomUUID(),
    sleep: async () => undefined,
    log: silentLog,
    renewEveryMs: 1,
  });
  const base = { inputUsdPerMillion: 1, outputUsdPerMillion: 0 };
  const usage = { ...used(800, 0).usage, cacheWriteTokens: 800 };
  const costs: (number | null)[] = [];
  for (const cacheWriteUsdPerMillion of [0, 2]) {
    const entry = { ...dollarModel, price: { ...base, cacheWriteUsdPerMillion } };
    const call = plannedCall({ tenantId: crypto.randomUUID(), agentId: crypto.randomUUID() }, { entry });
    for (const isEstimated of [true, false]) {
      const reservation = await gate.reserve(call);
      costs.push((await reservation.settle({ usage, isEstimated, outcome: 'aborted' })).nanoUsd);
    }
  }
  expect(costs).toEqual([800_000, 0, 1_600_000, 1_600_000]);
  await gate.flush();
  expect(settled.map(({ nanoUsd }) => nanoUsd)).toEqual(costs);
});
