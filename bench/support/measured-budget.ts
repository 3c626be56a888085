import pg from 'pg';
import { createDatabasePool } from '../../src/db/pool.ts';
import { openBudgetGate } from '../../src/llm/budget/open-budget-gate.ts';
import { systemTime } from '../../src/system-time.ts';
import { silentLog } from '../../test/support/silent-log.ts';
import { prepareBudgets } from '../budget.ts';
import { startDatabaseServer } from './bench-database.ts';

/** The budget gate on an embedded database, with a ledger and agents with and without limits. */
export async function openMeasuredBudget() {
  const server = await startDatabaseServer();
  const database = await server.createDatabase('http://127.0.0.1:9', { history: 'none' });
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  const [free, limited, plain] = await prepareBudgets(admin);
  const pool = createDatabasePool({ url: database.url, name: 'work', size: 8, log: silentLog });
  const { clock, wallClock, sleep } = systemTime;
  const gate = openBudgetGate({ pool, owner: 'bench', clock, wallClock, sleep, log: silentLog });
  return {
    gate,
    free,
    limited,
    plain,
    /** As autovacuum does before long, which would do it in the midst of the measure. */
    vacuum: () => admin.query('vacuum analyze'),
    async stop() {
      await admin.end();
      await gate.stop();
      await pool.end();
      await database.drop();
      await server.stop();
    },
  };
}
