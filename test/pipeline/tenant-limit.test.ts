import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ClaimedTurn } from '../../src/core/turn.ts';
import type { TurnQueue } from '../../src/queue/create-turn-queue.ts';
import { createWorker } from '../../src/queue/create-worker.ts';
import { until } from '../support/conversation.ts';
import { createPipelineDatabase, messageEvent, type PipelineDatabase } from '../support/pipeline-database.ts';
import { silentLog } from '../support/silent-log.ts';

let database: PipelineDatabase;
beforeAll(async () => {
  database = await createPipelineDatabase();
});
beforeEach(async () => {
  await database.query('truncate konstruct.conversations cascade');
  await database.query('update konstruct.tenants set max_concurrent_turns = null');
});
afterAll(() => database.drop());

/** So many conversations of the tenant have waited for an hour. */
async function letWait(tenant: 0 | 1, conversations: number): Promise<void> {
  const { tenantId, connectionId } = database.tenants[tenant];
  await database.query(
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
}

const key = ({ tenantId, conversationId, turnId, fence }: ClaimedTurn) => ({
  tenantId,
  conversationId,
  turnId,
  fence,
});

async function finish(queue: TurnQueue, turn: ClaimedTurn): Promise<void> {
  const nothing = { placeholderExternalId: null, errorCode: null, errorDetails: null, steps: [] };
  await queue.commit({
    ...key(turn),
    ...nothing,
    reply: 'a',
    parts: ['a'],
    agentUserId: 'U0',
    revision: 0,
    strict: false,
  });
  await queue.finish({
    ...key(turn),
    status: 'answered',
    errorCode: null,
    externalIds: [`x${turn.turnId}`],
    followMs: 0,
  });
}

const ofTenant = (turns: readonly ClaimedTurn[], tenant: 0 | 1) =>
  turns.filter(({ tenantId }) => tenantId === database.tenants[tenant].tenantId);

it('a claim takes no more of a tenant than may run, and the rest of its room from others', async () => {
  await letWait(0, 100);
  await letWait(1, 4);
  const queue = database.worker('w', { tenantTurns: 5 });
  const first = await queue.claim(20);
  expect([ofTenant(first, 0).length, ofTenant(first, 1).length]).toEqual([5, 4]);
  expect(await queue.claim(20)).toEqual([]);
  await finish(queue, ofTenant(first, 0)[0] as ClaimedTurn);
  await finish(queue, ofTenant(first, 0)[1] as ClaimedTurn);
  expect((await queue.claim(20)).length).toBe(2);
});

it('the tenant’s own number goes before the installation’s, in both directions', async () => {
  await letWait(0, 20);
  await letWait(1, 20);
  await database.query('update konstruct.tenants set max_concurrent_turns = 2 where id = $1', [
    database.tenants[0].tenantId,
  ]);
  await database.query('update konstruct.tenants set max_concurrent_turns = 9 where id = $1', [
    database.tenants[1].tenantId,
  ]);
  const turns = await database.worker('w', { tenantTurns: 5 }).claim(50);
  expect([ofTenant(turns, 0).length, ofTenant(turns, 1).length]).toEqual([2, 9]);
});

it('a full tenant does not hide the others from a worker with room for one', async () => {
  await letWait(0, 50);
  await database.worker('v', { tenantTurns: 3 }).claim(50);
  await letWait(1, 1);
  const turns = await database.worker('w', { tenantTurns: 3 }).claim(1);
  expect(ofTenant(turns, 1)).toHaveLength(1);
});

it('leases that ran out take no room: a tenant whose workers died goes on', async () => {
  await letWait(0, 10);
  const dead = await database.worker('v', { leaseMs: 50, tenantTurns: 4 }).claim(50);
  expect(dead).toHaveLength(4);
  await sleep(80);
  expect(await database.worker('w', { tenantTurns: 4 }).claim(50)).toHaveLength(4);
});

it('holds while ten workers claim at the same moment, again and again', { timeout: 60_000 }, async () => {
  await letWait(0, 600);
  const queues = Array.from({ length: 10 }, (_, index) => database.worker(`w${index}`, { tenantTurns: 20 }));
  let most = 0;
  for (let round = 0; round < 30; round += 1) {
    const claimed = await Promise.all(
      queues.map(async (queue) => (await queue.claim(7)).map((turn) => ({ queue, turn }))),
    );
    const [row] = await database.query<{ running: number }>(
      `select count(*)::int as running from konstruct.conversations where lease_owner is not null and ready_at > now()`,
    );
    most = Math.max(most, row?.running ?? 0);
    await Promise.all(claimed.flat().map(({ queue, turn }) => finish(queue, turn)));
  }
  expect(most).toBe(20);
});

it('what a full tenant had to leave waiting begins as soon as one of its turns ends, on whichever worker', async () => {
  await letWait(0, 300);
  let running = 0;
  let most = 0;
  let done = 0;
  const listener = await database.listen('konstruct_ready', () => {
    for (const worker of workers) worker.wake();
  });
  const workers = ['a', 'b'].map((name) => {
    const queue = database.worker(name, { tenantTurns: 4 });
    return createWorker({
      queue,
      concurrency: 10,
      renewEveryMs: 5_000,
      pollEveryMs: 600_000, // only what is announced counts
      log: silentLog,
      async runTurn(turn) {
        running += 1;
        most = Math.max(most, running);
        await sleep(2);
        running -= 1; // before its end is written: the next one may begin in between
        await finish(queue, turn);
        done += 1;
      },
    });
  });
  for (const worker of workers) worker.start();
  await until('all are done without a poll', () => done === 300, 30_000);
  await Promise.all(workers.map((worker) => worker.stop(1_000)));
  await listener();
  expect(most).toBe(4);
});

it('ten thousand messages of a full tenant delay another’s single message by less than two seconds', {
  timeout: 60_000,
}, async () => {
  await letWait(0, 10_000);
  const queue = database.worker('w', { tenantTurns: 20 });
  let answeredAtMs: number | null = null;
  let others = 0;
  const worker = createWorker({
    queue,
    concurrency: 50,
    renewEveryMs: 5_000,
    pollEveryMs: 1_000,
    log: silentLog,
    async runTurn(turn, signal) {
      if (turn.tenantId === database.tenants[0].tenantId) {
        others += 1;
        await sleep(30_000, undefined, { signal }).catch(() => {}); // a model that takes its time
        return;
      }
      await finish(queue, turn);
      answeredAtMs = performance.now();
    },
  });
  worker.start();
  await until('the tenant is full', () => others === 20);
  const askedAtMs = performance.now();
  await database.gateway()(messageEvent(database.tenants[1]));
  worker.wake();
  // Without the limit all fifty places are taken for thirty seconds: no other message could be answered.
  await until('the message is answered', () => answeredAtMs !== null, 20_000);
  await worker.stop(0);
  expect((answeredAtMs ?? Number.POSITIVE_INFINITY) - askedAtMs).toBeLessThan(2_000);
  expect(others).toBe(20);
});
