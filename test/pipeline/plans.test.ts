import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClaimedTurn, Step, TurnKey } from '../../src/core/turn.ts';
import { expireOldRows } from '../../src/stores/retention.ts';
import { fillDatabase } from '../support/fill-database.ts';
import {
  createPipelineDatabase,
  deletionOf,
  editOf,
  messageEvent,
  type PipelineDatabase,
} from '../support/pipeline-database.ts';

/** Tables that grow without bound; the functions must find their rows by an index. */
const growing = ['conversations', 'messages', 'turns', 'steps', 'deliveries'];

let database: PipelineDatabase;
beforeAll(async () => {
  database = await createPipelineDatabase();
  await fillDatabase(database, { conversations: 20_000, messagesPerConversation: 10 });
}, 60_000);
afterAll(() => database.drop());

interface Reading {
  readonly scans: number;
  readonly rows: number;
}

/** What work reads of the growing tables: sequential scans, and rows by any way (a wide index scan hides nothing). */
async function readingsOf(work: () => Promise<unknown>): Promise<Readonly<Record<string, Reading>>> {
  const read = async () => {
    await database.endPools(); // a connection that ends has handed in all it counted
    await database.query('select pg_stat_clear_snapshot()');
    const rows = await database.query<{ name: string; scans: string; rows: string }>(
      `select relname as name, seq_scan as scans, seq_tup_read + coalesce(idx_tup_fetch, 0) as rows
       from pg_stat_user_tables where schemaname = 'konstruct' and relname = any($1)`,
      [growing],
    );
    return new Map(rows.map(({ name, scans, rows }) => [name, { scans: Number(scans), rows: Number(rows) }]));
  };
  const before = await read();
  await work();
  const after = await read();
  return Object.fromEntries(
    growing.map((name) => [
      name,
      {
        scans: (after.get(name)?.scans ?? 0) - (before.get(name)?.scans ?? 0),
        rows: (after.get(name)?.rows ?? 0) - (before.get(name)?.rows ?? 0),
      },
    ]),
  );
}

function key({ tenantId, conversationId, turnId, fence }: ClaimedTurn): TurnKey {
  return { tenantId, conversationId, turnId, fence };
}

function step(position: number): Step {
  return {
    position,
    kind: position % 2 === 0 ? 'model' : 'tool',
    outcome: 'ok',
    provider: null,
    model: null,
    inputTokens: null,
    outputTokens: null,
    cachedInputTokens: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
    nanoUsd: null,
    detail: {},
    startedAtMs: Date.now(),
    durationMs: 1,
  };
}

const EVENTS = 100;

/** Every hot function, on conversations that are known: copies, edits, deletions, retries and all. */
async function wayOfMessages(round: number): Promise<void> {
  const admit = database.gateway();
  const worker = database.worker('w');
  const events = Array.from({ length: EVENTS }, (_, index) =>
    messageEvent(database.tenants[0], {
      channelId: `C${(index * 100 + round) % 500}`,
      conversationThreadId: `past-${index * 100 + round}`,
    }),
  );
  await Promise.all(events.map(admit));
  await Promise.all(events.map(admit));
  await Promise.all(events.slice(0, 20).map((event) => admit(editOf(event, 'edited', Date.now()))));
  await Promise.all(events.slice(0, 5).map((event) => admit(deletionOf(event))));
  const turns = await worker.claim(EVENTS);
  expect(turns.length).toBe(EVENTS - 5);
  await worker.renew(turns);
  await Promise.all(turns.map((turn) => worker.recordPlaceholder(turn, turn.placeholderId as number, 'p')));
  await Promise.all(turns.map((turn) => worker.logSteps({ ...key(turn), steps: [step(0), step(1)] })));
  const again = turns.slice(0, 20);
  const progress = { steps: [], placeholderExternalId: null, errorCode: null, errorDetails: null };
  await Promise.all(
    again.map((turn) =>
      worker.retry({ ...key(turn), ...progress, delayMs: 0, counts: true, externalIds: [] }),
    ),
  );
  const resumed = await worker.claim(EVENTS);
  expect(resumed.length).toBe(again.length);
  const open = [...turns.slice(20), ...resumed];
  const committed = await Promise.all(
    open.map((turn) =>
      worker.commit({
        ...key(turn),
        ...progress,
        reply: 'a',
        parts: ['a', 'b'],
        agentUserId: 'U0',
        revision: 0,
        strict: false,
      }),
    ),
  );
  expect(committed).not.toContain(null);
  const finished = await Promise.all(
    open.map((turn) =>
      worker.finish({
        ...key(turn),
        status: 'answered',
        errorCode: null,
        externalIds: [`a${turn.turnId}`, `b${turn.turnId}`],
        followMs: 60_000,
      }),
    ),
  );
  expect(finished).not.toContain(false);
  const pool = database.pool(1);
  await pool.query('select * from queue_status()');
  await pool.query('select claim_notices(10)');
}

/** Rows read for one message on its whole way: mostly the dozen of its conversation that the prompt shows. */
const ROWS_PER_MESSAGE = 40;
const MOST_ROWS = EVENTS * ROWS_PER_MESSAGE;

function expectFewRows(readings: Readonly<Record<string, Reading>>): void {
  for (const name of growing) {
    expect(readings[name]?.scans, `sequential scans of ${name}`).toBe(0);
    expect(readings[name]?.rows, `rows read of ${name}`).toBeLessThan(MOST_ROWS);
  }
}

function fewer(one?: Reading, other?: Reading): Reading {
  if (!one || !other) throw new Error('A table was not read at all.');
  return { scans: Math.min(one.scans, other.scans), rows: Math.min(one.rows, other.rows) };
}

describe('with 200,000 messages in 20,000 conversations', () => {
  it('the way of a message reads a few rows per message and scans no table', async () => {
    expectFewRows(await readingsOf(() => wayOfMessages(1)));
  });

  it('no index names what an answer changes on its way, so turns and deliveries are updated in place', async () => {
    const naming = await database.query(
      `select indexdef from pg_indexes where schemaname = 'konstruct' and tablename in ('turns', 'deliveries')
         and indexdef ~ '\\m(status|committed_at|finished_at|sent_at|external_id|content)\\M'`,
    );
    expect(naming).toEqual([]);
  });

  it('retention reads what it removes and little more, however much stays', async () => {
    const cutOff = new Date(Date.now() - 13 * 86_400_000);
    const old = await database.query<{ conversations: number }>(
      'select count(*)::int as conversations from konstruct.conversations where last_message_at < $1',
      [cutOff],
    );
    let expired = { conversations: 0, messages: 0, turns: 0, notices: 0 };
    const readings = await readingsOf(async () => {
      expired = { ...(await expireOldRows(database.pool(1), cutOff, new AbortController().signal)) };
    });
    expect(expired.conversations).toBe(old[0]?.conversations);
    expect(expired.conversations).toBeGreaterThan(1_000);
    const removed = expired.conversations * 10 + expired.messages + expired.turns;
    for (const name of growing) {
      expect(readings[name]?.scans, `sequential scans of ${name}`).toBe(0);
      expect(readings[name]?.rows, `rows read of ${name}`).toBeLessThan(removed * 6);
    }
  });
});

describe('on a new database, of which PostgreSQL knows nothing yet', () => {
  it('the way of a message stays as short as it was', async () => {
    await database.drop();
    database = await createPipelineDatabase();
    for (let round = 1; round < 8; round += 1) await wayOfMessages(round);
    // Index entries of rows that moved on are read as long as anybody may still see them, and on a busy machine an analyze of
    // the same database may for a second: the best of up to twelve rounds counts. A plan that reads a table does so in each.
    let best = await readingsOf(() => wayOfMessages(8));
    for (
      let round = 9;
      round < 20 && growing.some((name) => (best[name]?.rows ?? 0) >= MOST_ROWS);
      round += 1
    ) {
      const readings = await readingsOf(() => wayOfMessages(round));
      best = Object.fromEntries(growing.map((name) => [name, fewer(best[name], readings[name])]));
    }
    expectFewRows(best);
  });
});
