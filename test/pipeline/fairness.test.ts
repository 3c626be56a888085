import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createWorker } from '../../src/queue/create-worker.ts';
import { until } from '../support/conversation.ts';
import { createPipelineDatabase, messageEvent, type PipelineDatabase } from '../support/pipeline-database.ts';
import { silentLog } from '../support/silent-log.ts';

let database: PipelineDatabase;
beforeAll(async () => {
  database = await createPipelineDatabase();
});
afterAll(() => database.drop());

/** So many conversations of the tenant have waited for an hour. */
async function letWait(tenant: 0 | 1, conversations: number): Promise<void> {
  const { tenantId, connectionId } = database.tenants[tenant];
  // A connection of its own: one that ends has handed in all it counted.
  const loader = new pg.Client({ connectionString: database.url });
  await loader.connect();
  await loader.query(
    `with made as (
       insert into konstruct.conversations (tenant_id, connection_id, channel_id, thread_id, scope, ready_at)
       select $1, $2, 'C1', 'waiting-' || n, 'channel', now() - interval '1 hour' from generate_series(1, $3::int) n
       returning tenant_id, id, connection_id
     )
     insert into konstruct.messages (tenant_id, conversation_id, connection_id, channel_id, external_id, direction,
       sender_id, content, addressed, sent_at)
     select tenant_id, id, connection_id, 'C1', 'waiting-' || id, 'in', 'U1', 'hello', true, now() from made`,
    [tenantId, connectionId, conversations],
  );
  await loader.end();
}

it.each([
  ['the first tenant', 0, 1],
  ['the second tenant', 1, 0],
] as const)(
  'one message is answered before most of the 5,000 of %s that came before it',
  async (_, many, one) => {
    await database.query('truncate konstruct.conversations cascade');
    await letWait(many, 5_000);
    const queue = database.worker('w');
    let isAnswered = false;
    let othersAnswered = 0;
    const worker = createWorker({
      queue,
      concurrency: 10,
      renewEveryMs: 5_000,
      pollEveryMs: 1_000,
      log: silentLog,
      async runTurn({ tenantId, conversationId, turnId, fence }) {
        const key = { tenantId, conversationId, turnId, fence };
        const nothing = { placeholderExternalId: null, errorCode: null, errorDetails: null, steps: [] };
        await sleep(5);
        await queue.commit({
          ...key,
          ...nothing,
          reply: 'a',
          parts: ['a'],
          agentUserId: 'U0',
          revision: 0,
          strict: false,
        });
        await queue.finish({
          ...key,
          status: 'answered',
          errorCode: null,
          externalIds: [`x${turnId}`],
          followMs: 0,
        });
        if (tenantId === database.tenants[one].tenantId) isAnswered = true;
        else othersAnswered += 1;
      },
    });
    worker.start();
    await sleep(200);
    await database.gateway()(messageEvent(database.tenants[one]));
    const before = othersAnswered;
    await until('the message is answered', () => isAnswered, 15_000);
    const between = othersAnswered - before;
    await worker.stop(1_000);
    // Counted and not timed: what is claimed already goes first, and a claim or two while the message was on its way.
    expect(between).toBeLessThan(500);
  },
);

it('a claim shares its room evenly among the tenants that wait, and fills it', async () => {
  await database.query('truncate konstruct.conversations cascade');
  await letWait(0, 30);
  await letWait(1, 3);
  const queue = database.worker('w');
  const claimed = async (limit: number) => {
    const turns = await queue.claim(limit);
    return database.tenants.map(
      (tenant) => turns.filter(({ tenantId }) => tenantId === tenant.tenantId).length,
    );
  };
  expect(await claimed(4)).toEqual([2, 2]);
  expect(await claimed(4)).toEqual([3, 1]);
  const others = await Promise.all([database.worker('v').claim(10), database.worker('u').claim(10)]);
  expect(others.map((turns) => turns.length)).toEqual([10, 10]);
  expect(await claimed(10)).toEqual([5, 0]);
});

it('a claim reads as little with 20,000 conversations waiting as with few', async () => {
  // As PostgreSQL knows an installation that has answered everything, until a backlog surprises it.
  await database.query(
    'update konstruct.conversations set ready_at = null, lease_owner = null, turn_id = null',
  );
  await database.query('analyze konstruct.conversations');
  // The 20,000 come in one transaction, which no traffic does: an autovacuum in the middle of it would find many pages
  // without a row that it may see, and every plan would be made for an empty table.
  for (const table of ['conversations', 'messages'])
    await database.query(`alter table konstruct.${table} set (autovacuum_enabled = off)`);
  await database.query('truncate konstruct.conversations cascade');
  await letWait(0, 20_000);
  await letWait(1, 1);
  // What this transaction has read, exactly: the counters of the whole table come late, and with what others read.
  const client = await database.pool(1).connect();
  await client.query('begin');
  const { rows: turns } = await client.query<{ turn: { tenantId: string } }>(
    'select turn from claim_turns($1, 10, 15000, 60, $2) as turn',
    ['v', '00000000-0000-0000-0000-000000000000'],
  );
  const { rows } = await client.query<{ read: string }>(
    `select seq_tup_read + coalesce(idx_tup_fetch, 0) as read from pg_stat_xact_user_tables
     where schemaname = 'konstruct' and relname = 'conversations'`,
  );
  await client.query('rollback');
  client.release();
  expect(new Set(turns.map(({ turn }) => turn.tenantId)).size).toBe(2);
  expect(Number(rows[0]?.read)).toBeGreaterThan(0);
  expect(Number(rows[0]?.read)).toBeLessThan(2_000);
});
