import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { PlannedCall } from '../src/core/budget.ts';
import { createDatabasePool } from '../src/db/pool.ts';
import { openBudgetGate } from '../src/llm/budget/open-budget-gate.ts';
import { systemTime } from '../src/system-time.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { startDatabaseServer } from './support/bench-database.ts';
import { percentile } from './support/statistics.ts';

/** What a call to a model waits for its budget, in ms: until it is set aside. It is settled beside what follows. */
export interface BudgetCost {
  readonly name: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly callsPerSecond: number;
  /** CPU of PostgreSQL per call, µs. */
  readonly databaseMicros: number;
}

const LEDGER_ROWS = 200_000;
/** Calls of one turn: the first one makes the counter of the turn. */
const CALLS_PER_TURN = 3;
const entry = { provider: 'anthropic', model: 'claude-sonnet-4-5' } as const;
const usage = {
  inputTokens: 5_000,
  outputTokens: 300,
  cachedInputTokens: 4_000,
  cacheWriteTokens: 500,
  reasoningTokens: null,
};

/**
 * Measures reservation and settling on a database with a ledger of 200,000 rows, for a tenant without a limit and for one
 * with limits on every level, one call after the other and 50 at a time. The model takes no time.
 */
export async function benchBudget(): Promise<readonly BudgetCost[]> {
  const server = await startDatabaseServer();
  const database = await server.createDatabase('http://127.0.0.1:9');
  const admin = new pg.Client({ connectionString: database.url });
  const pool = createDatabasePool({ url: database.url, name: 'work', size: 8, log: silentLog });
  try {
    await admin.connect();
    const [free, limited, plain] = await prepareBudgets(admin);
    const gate = openBudgetGate({
      pool,
      owner: 'bench',
      clock: systemTime.clock,
      wallClock: systemTime.wallClock,
      sleep: systemTime.sleep,
      log: silentLog,
    });
    const planned = (who: Agent, index: number): PlannedCall => ({
      tenantId: who.tenantId,
      spender: {
        agentId: who.agentId,
        personId: `k:U${index % 40}`,
        turnId: Math.floor(index / CALLS_PER_TURN),
      },
      ...entry,
      entry,
      maxInputTokens: 8_000,
      maxOutputTokens: 4_096,
    });
    let next = 0;
    const one = async (who: Agent): Promise<number> => {
      next += 1;
      const call = planned(who, next);
      const startedAtMs = performance.now();
      const reservation = await gate.reserve(call);
      await reservation.settle({ usage, isEstimated: false, outcome: 'ok' });
      return performance.now() - startedAtMs;
    };
    const measure = async (name: string, who: Agent, atOnce: number, calls: number): Promise<BudgetCost> => {
      const times: number[] = [];
      const cpuBeforeMs = server.cpuMs();
      const startedAtMs = performance.now();
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          while (times.length < calls) {
            times.push(await one(who));
            // A real model takes longer than settling the call before.
            if (atOnce === 1) await gate.flush();
          }
        }),
      );
      await gate.flush();
      const tookMs = performance.now() - startedAtMs;
      return {
        name,
        p50Ms: percentile(times, 50),
        p99Ms: percentile(times, 99),
        callsPerSecond: (times.length / tookMs) * 1000,
        databaseMicros: ((server.cpuMs() - cpuBeforeMs) * 1000) / times.length,
      };
    };
    for (const who of [free, limited, plain]) await measure('warm-up', who, 8, 400);
    // As autovacuum does before long: plans for empty tables are others.
    await admin.query('analyze');
    return [
      await measure('no limit, one by one', free, 1, 2_000),
      await measure('no limit, 50 at once', free, 50, 10_000),
      await measure('2 limits, one by one', plain, 1, 2_000),
      await measure('7 limits, one by one', limited, 1, 2_000),
      await measure('7 limits, 50 at once', limited, 50, 5_000),
    ];
  } finally {
    await pool.end();
    await admin.end();
    await database.drop();
    await server.stop();
  }
}

/** Whose calls are measured. */
export interface Agent {
  readonly tenantId: string;
  readonly agentId: string;
}

/** Fills the ledger; gives agents of a tenant without a limit, of one with limits on every level, and of one with a budget. */
export async function prepareBudgets(admin: pg.Client): Promise<readonly [Agent, Agent, Agent]> {
  const { rows } = await admin.query<Agent>(
    `select tenant_id as "tenantId", id as "agentId" from konstruct.agents order by tenant_id limit 3`,
  );
  const [free, limited, plain] = rows;
  if (!free || !limited || !plain) throw new Error('The database of the bench has fewer than three tenants.');
  await admin.query(
    'update konstruct.tenants set budget_daily_usd = 100000, budget_monthly_usd = 1000000 where id = $1',
    [plain.tenantId],
  );
  await admin.query(
    `update konstruct.tenants set time_zone = 'Europe/Berlin', budget_daily_usd = 100000, budget_monthly_usd = 1000000,
       person_budget_daily_usd = 100000, person_budget_monthly_tokens = 100000000000 where id = $1`,
    [limited.tenantId],
  );
  await admin.query(
    `update konstruct.agents set budget_daily_usd = 100000, budget_monthly_usd = 1000000, max_turn_usd = 5 where id = $1`,
    [limited.agentId],
  );
  await admin.query(
    `insert into konstruct.model_calls (tenant_id, id, agent_id, person_id, turn_id, provider, model, outcome, input_tokens,
       output_tokens, is_estimated, nano_usd, price_version, at)
     select a.tenant_id, gen_random_uuid(), a.id, 'k:U' || n % 40, -n, 'anthropic', 'claude-sonnet-4-5', 'ok', 5000, 300,
       false, 10000000, 'bench', now() - n * interval '10 s'
     from generate_series(1, $1) n
     join konstruct.agents a on a.id = case n % 2 when 0 then $2::uuid else $3::uuid end`,
    [LEDGER_ROWS, free.agentId, limited.agentId],
  );
  await admin.query('analyze');
  return [free, limited, plain];
}

if (fileURLToPath(import.meta.url) === argv[1]) {
  for (const { name, p50Ms, p99Ms, callsPerSecond, databaseMicros } of await benchBudget()) {
    console.log(
      `${name.padEnd(24)} p50 ${p50Ms.toFixed(2)} ms  p99 ${p99Ms.toFixed(2)} ms  ${Math.round(callsPerSecond)} calls/s  ${Math.round(databaseMicros)} µs PostgreSQL per call`,
    );
  }
}
