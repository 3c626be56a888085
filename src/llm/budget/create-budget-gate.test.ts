import { expect, it } from 'vitest';
import { plannedCall, used } from '../../../test/support/budget-process.ts';
import { KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { createPriceList } from '../prices/create-price-list.ts';
import type { BudgetLedger } from './budget-ledger.ts';
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
