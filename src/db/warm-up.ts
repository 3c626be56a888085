import type pg from 'pg';

const nobody = '00000000-0000-0000-0000-000000000000';

const admissions = [
  "select admit_batch('[]')",
  "select admit_and_claim('[]', 'warm-up', 0, 0, 0, gen_random_uuid())",
];
const turns = [
  "select claim_turns('warm-up', 0, 0, 0, gen_random_uuid())",
  "select reserve_budgets('warm-up', 0, '[]'), settle_calls('[]')",
  `select reserve_budget('warm-up', 0, '[{"tenantId": "${nobody}"}]')`,
  `select settle_call('{"tenantId": "${nobody}", "isReserved": true}')`,
  "select log_steps('warm-up', '[]'), commit_turns('warm-up', '[]'), finish_turns('warm-up', '[]')",
];

/**
 * Opens every pooled connection and plans the hot functions that its process asks on it: a cold first message would wait
 * 60–80 ms. Not those of the other pool: planning all of them costs PostgreSQL 24 ms of a core per connection.
 */
export async function warmUp(pools: {
  readonly admissions: pg.Pool | null;
  /** `null`: turns are another process's. */
  readonly turns: pg.Pool | null;
}): Promise<void> {
  if (pools.admissions) await ask(pools.admissions, admissions);
  if (pools.turns) await ask(pools.turns, turns);
}

async function ask(pool: pg.Pool, queries: readonly string[]): Promise<void> {
  const clients = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
  try {
    await Promise.all(
      clients.map(async (client) => {
        for (const query of queries) await client.query(query);
      }),
    );
  } finally {
    for (const client of clients) client.release();
  }
}
