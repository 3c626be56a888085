import type pg from 'pg';

const nobody = '00000000-0000-0000-0000-000000000000';

/** Opens every pooled connection and plans the hot functions on it: a cold first message would wait 60–80 ms. */
export async function warmUp(pools: readonly pg.Pool[]): Promise<void> {
  for (const pool of pools) {
    const clients = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
    try {
      await Promise.all(
        clients.map(async (client) => {
          await client.query("select admit_batch('[]')");
          await client.query("select admit_and_claim('[]', 'warm-up', 0, 0, 0, gen_random_uuid())");
          await client.query("select claim_turns('warm-up', 0, 0, 0, gen_random_uuid())");
          await client.query("select reserve_budgets('warm-up', 0, '[]'), settle_calls('[]')");
          await client.query(`select reserve_budget('warm-up', 0, '[{"tenantId": "${nobody}"}]')`);
          await client.query(`select settle_call('{"tenantId": "${nobody}", "isReserved": true}')`);
          await client.query(
            "select log_steps('warm-up', '[]'), commit_turns('warm-up', '[]'), finish_turns('warm-up', '[]')",
          );
        }),
      );
    } finally {
      for (const client of clients) client.release();
    }
  }
}
