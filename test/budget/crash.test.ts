import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { budgetProcess } from '../support/budget-process.ts';
import { createPipelineDatabase, type PipelineDatabase } from '../support/pipeline-database.ts';

const script = fileURLToPath(new URL('./spend.ts', import.meta.url));
const LIMIT_NANO_USD = 50_000_000;
let database: PipelineDatabase;
let children: ChildProcess[] = [];
beforeEach(async () => {
  database = await createPipelineDatabase();
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  await database.drop();
});

async function sums() {
  const [row] = await database.query<{ spent: number; lost: number; reserved: number; calls: number }>(
    `select (select coalesce(sum(nano_usd), 0)::int from konstruct.model_calls) as spent,
       (select count(*)::int from konstruct.model_calls) as calls,
       (select count(*)::int from konstruct.model_calls where outcome = 'lost') as lost,
       (select coalesce(sum(nano_usd), 0)::int from konstruct.budget_reservations) as reserved`,
  );
  return row ?? { spent: Number.NaN, lost: 0, reserved: 0, calls: 0 };
}

it('is not overrun by processes that are killed in the middle of their calls', {
  timeout: 90_000,
}, async () => {
  const [tenant] = database.tenants;
  await database.query('update konstruct.tenants set budget_daily_usd = 0.05 where id = $1', [
    tenant.tenantId,
  ]);
  children = Array.from({ length: 3 }, () =>
    spawn(process.execPath, [script, database.url, tenant.tenantId, tenant.agentId], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  const granted = await Promise.all(
    children.map(async (child) =>
      Number(String((await once(child.stdout as NodeJS.ReadableStream, 'data'))[0])),
    ),
  );
  const before = await sums();
  expect(before.spent + before.reserved).toBeLessThanOrEqual(LIMIT_NANO_USD);
  // There was room for no other call, so the limit was used to its end.
  expect(before.spent + before.reserved).toBeGreaterThan(LIMIT_NANO_USD - 1_000_000);
  expect(before.reserved).toBeGreaterThan(0);
  expect(granted.reduce((sum, count) => sum + count, 0)).toBe(before.calls + before.reserved / 1_000_000);

  // Their leases run out, and somebody who lives counts them in full.
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
  const heir = budgetProcess(database, { renewEveryMs: 50 });
  heir.start();
  await expect.poll(async () => (await sums()).reserved, { timeout: 20_000 }).toBe(0);
  await heir.stop();
  const after = await sums();
  expect(after.spent).toBe(before.spent + before.reserved);
  expect(after.lost).toBe(before.reserved / 1_000_000);
});
