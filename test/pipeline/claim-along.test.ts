import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClaimedTurn } from '../../src/core/turn.ts';
import { createWorker, type Worker } from '../../src/queue/create-worker.ts';
import { type Admit, createAdmit } from '../../src/router/admit.ts';
import { createPipelineDatabase, messageEvent, type PipelineDatabase } from '../support/pipeline-database.ts';
import { silentLog } from '../support/silent-log.ts';

const CONCURRENCY = 3;
let database: PipelineDatabase;
let worker: Worker;
let admit: Admit;
let statements: string[];
let running: { readonly turn: ClaimedTurn; readonly end: () => void }[];
let announced: number;
let listening: pg.PoolClient;

beforeAll(async () => {
  database = await createPipelineDatabase();
});
afterAll(() => database.drop());

beforeEach(async () => {
  await database.query(
    'update konstruct.conversations set ready_at = null, lease_owner = null, turn_id = null',
  );
  statements = [];
  running = [];
  announced = 0;
  const pool = database.pool();
  listening = await pool.connect();
  listening.on('notification', () => {
    announced += 1;
  });
  await listening.query('listen konstruct_ready');
  const query = pool.query.bind(pool) as (statement: { name: string }) => Promise<unknown>;
  pool.query = ((statement: { name: string }) => {
    statements.push(statement.name);
    return query(statement);
  }) as never;
  worker = createWorker({
    queue: database.worker(`worker-${crypto.randomUUID()}`),
    concurrency: CONCURRENCY,
    runTurn: (turn) => new Promise((resolve) => running.push({ turn, end: resolve })),
    renewEveryMs: 5_000,
    pollEveryMs: 60_000,
    log: silentLog,
  });
  worker.start();
  admit = createAdmit(pool, () => worker);
  await sleep(50); // its first claim finds nothing
});
afterEach(async () => {
  for (const { end } of running) end();
  await worker.stop(1_000);
  await listening.query('unlisten *');
  listening.release();
});

const mention = (content = 'hello') => messageEvent(database.tenants[0], { content });
const contents = () => running.map(({ turn }) => turn.messages.map(({ content }) => content).join());

describe('a gateway with a worker beside it', () => {
  it('stores a message and has its turn by one statement, and wakes nobody', async () => {
    const outcome = await admit(mention('first'));
    expect(outcome).toMatchObject({ outcome: 'new', wasIdle: false });
    expect(statements).toEqual(['admit_and_claim']);
    await expect.poll(contents).toEqual(['first']);
    expect(running[0]?.turn).toMatchObject({ fresh: true, fence: 1, attempts: 0, status: 'running' });
    await listening.query('select 1');
    expect(announced).toBe(0);
  });

  it('claims no more than it has room for, and announces the rest to others', async () => {
    const events = Array.from({ length: CONCURRENCY + 2 }, (_, index) => mention(`message ${index}`));
    const outcomes = await Promise.all(events.map((event) => admit(event)));
    await expect.poll(() => running.length).toBe(CONCURRENCY);
    expect(outcomes.filter((outcome) => 'wasIdle' in outcome && outcome.wasIdle)).toHaveLength(2);
    await expect.poll(() => announced).toBeGreaterThan(0);
    for (const { end } of running.slice(0, 2)) end();
    worker.wake();
    await expect.poll(() => running.length).toBe(CONCURRENCY + 2);
    expect(contents().toSorted()).toEqual(events.map(({ content }) => content));
  });

  it('without room stores all the same, in a statement of its own', async () => {
    await Promise.all(Array.from({ length: CONCURRENCY }, () => admit(mention())));
    await expect.poll(() => running.length).toBe(CONCURRENCY);
    statements = [];
    expect(await admit(mention())).toMatchObject({ outcome: 'new', wasIdle: true });
    expect(statements).toEqual(['admit_batch']);
  });

  it('takes what waited longer first', async () => {
    const other = database.gateway();
    await other(mention('waited'));
    await admit(mention('came now'));
    await expect.poll(contents).toEqual(['waited', 'came now']);
  });

  it('stores what comes in although nothing can be claimed', async () => {
    await database.query(
      `create function konstruct.refuse() returns trigger language plpgsql as $$ begin raise exception 'no turns today'; end $$`,
    );
    await database.query(
      'create trigger refuse before insert on konstruct.turns for each row execute function konstruct.refuse()',
    );
    try {
      expect(await admit(mention('stays'))).toMatchObject({ outcome: 'new', wasIdle: true });
      expect(statements).toEqual(['admit_and_claim', 'admit_batch']);
      expect(running).toEqual([]);
    } finally {
      await database.query('drop trigger refuse on konstruct.turns');
      await database.query('drop function konstruct.refuse');
    }
    worker.wake();
    await expect.poll(contents).toEqual(['stays']);
  });

  it('that stops claims nothing any more', async () => {
    await worker.stop(1_000);
    expect(await admit(mention())).toMatchObject({ outcome: 'new', wasIdle: true });
    expect(statements).toEqual(['admit_batch']);
  });
});
