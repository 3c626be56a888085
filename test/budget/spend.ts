/** A process that makes calls until it is refused, and settles every second one: the rest stays under way. */

import { createDatabasePool } from '../../src/db/pool.ts';
import { openBudgetGate } from '../../src/llm/budget/open-budget-gate.ts';
import { systemTime } from '../../src/system-time.ts';
import { plannedCall, used } from '../support/budget-process.ts';
import { silentLog } from '../support/silent-log.ts';

const [databaseUrl = '', tenantId = '', agentId = ''] = process.argv.slice(2);
const gate = openBudgetGate({
  pool: createDatabasePool({ url: databaseUrl, name: 'spend', size: 4, log: silentLog }),
  owner: `spend-${process.pid}`,
  clock: systemTime.clock,
  wallClock: systemTime.wallClock,
  sleep: systemTime.sleep,
  log: silentLog,
  leaseMs: 500,
  renewEveryMs: 100,
});
gate.start();

let granted = 0;
async function spend(index: number): Promise<void> {
  const reservation = await gate.reserve(plannedCall({ tenantId, agentId })).catch(() => null);
  if (reservation === null) return;
  granted += 1;
  // Half of what was set aside comes back: room for others, who must not get more than that.
  if (index % 2 === 0) await reservation.settle(used(450, 50));
}

for (let round = 0; round < 20; round += 1) {
  await Promise.all(Array.from({ length: 10 }, (_, index) => spend(index)));
}
process.stdout.write(`${granted}\n`);
// What is under way stays so, with its leases renewed, until somebody ends this process.
setInterval(() => {}, 1_000);
