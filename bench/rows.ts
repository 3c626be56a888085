import { once } from 'node:events';
import { parseArgs } from 'node:util';
import pg from 'pg';
import type { ClaimedTurn } from '../src/core/turn.ts';
import { createDatabasePool } from '../src/db/pool.ts';
import { createTurnQueue } from '../src/queue/create-turn-queue.ts';
import { type Admit, createAdmit } from '../src/router/admit.ts';
import { expireOldRows } from '../src/stores/retention.ts';
import { messageEvent } from '../test/support/pipeline-database.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { type BenchDatabase, startDatabaseServer } from './support/bench-database.ts';
import { fillRows } from './support/fill-rows.ts';
import { summarise } from './support/statistics.ts';

/**
 * `node bench/rows.ts [--rows 20000,1000000] [--batches 30]`: what admitting, claiming, committing and finishing a batch
 * costs beside so many conversations and messages, against a database with a thousand, in turns within one run; then how
 * long retention takes, and whether an admission beside it waits.
 */
const BATCH = 50;
const SMALL = 1_000;
const functions = ['admit', 'claim', 'commit', 'finish'] as const;
type Timings = Record<(typeof functions)[number], number[]>;

interface Subject {
  readonly rows: number;
  readonly database: BenchDatabase;
  readonly pool: pg.Pool;
  readonly admit: Admit;
  readonly connections: readonly { readonly tenantId: string; readonly connectionId: string }[];
  readonly timings: Timings;
}

const { values: flags } = parseArgs({
  options: { rows: { type: 'string', default: '20000,1000000' }, batches: { type: 'string', default: '30' } },
});
const sizes = [SMALL, ...flags.rows.split(',').map(Number)];
const server = await startDatabaseServer();
const subjects: Subject[] = [];
try {
  for (const rows of sizes) subjects.push(await prepare(rows));
  const scansBefore = await Promise.all(subjects.map(sequentialScans));
  for (let batch = -5; batch < Number(flags.batches); batch += 1) {
    for (const subject of subjects) await wayOfBatch(subject, batch);
  }
  report(scansBefore, await Promise.all(subjects.map(sequentialScans)));
  for (const subject of subjects.slice(1)) await measureRetention(subject);
} finally {
  for (const { pool, database } of subjects) {
    await pool.end();
    await database.drop();
  }
  await server.stop();
}

async function prepare(rows: number): Promise<Subject> {
  const database = await server.createDatabase('http://127.0.0.1:9', { history: 'none' });
  const startedAtMs = performance.now();
  await fillRows(database.url, rows);
  console.error(`${rows} conversations and messages in ${Math.round(performance.now() - startedAtMs)} ms`);
  const pool = createDatabasePool({ url: database.url, name: 'rows', size: 2, log: silentLog });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows: connections } = await client.query<{ tenantId: string; connectionId: string }>(
    'select tenant_id as "tenantId", id as "connectionId" from konstruct.connections order by id',
  );
  await client.end();
  return {
    rows,
    database,
    pool,
    admit: createAdmit(pool),
    connections,
    timings: { admit: [], claim: [], commit: [], finish: [] },
  };
}

/** Half of the messages begin a conversation, half come into one of old, anywhere in the table. */
async function wayOfBatch(subject: Subject, batch: number): Promise<void> {
  const { connections, rows, admit } = subject;
  const queue = createTurnQueue({
    pool: subject.pool,
    owner: 'rows',
    leaseMs: 60_000,
    historyMessages: 60,
    tenantTurns: 20,
    clock: Date.now,
  });
  const events = Array.from({ length: BATCH }, (_, index) => {
    const number = 1 + Math.floor(Math.random() * rows);
    const isNew = index % 2 === 0;
    const connection = connections[(isNew ? index : number) % connections.length];
    if (connection === undefined) throw new Error('No connection.');
    return messageEvent(
      connection,
      isNew ? {} : { channelId: `C${number % 10}`, conversationThreadId: `old-${number}` },
    );
  });
  const time = async <Result>(name: keyof Timings, work: () => Promise<Result>): Promise<Result> => {
    const startedAtMs = performance.now();
    const result = await work();
    if (batch >= 0) subject.timings[name].push(performance.now() - startedAtMs);
    return result;
  };
  await time('admit', () => Promise.all(events.map(admit)));
  const turns = await time('claim', () => queue.claim(BATCH * 2));
  if (turns.length < BATCH * 0.9) throw new Error(`Only ${turns.length} of ${BATCH} were claimed.`);
  const nothing = { placeholderExternalId: null, errorCode: null, errorDetails: null, steps: [] };
  await time('commit', () =>
    Promise.all(
      turns.map((turn) =>
        queue.commit({
          ...key(turn),
          ...nothing,
          reply: 'a',
          parts: ['a'],
          agentUserId: 'U0',
          revision: 0,
          strict: false,
        }),
      ),
    ),
  );
  await time('finish', () =>
    Promise.all(
      turns.map((turn) =>
        queue.finish({
          ...key(turn),
          status: 'answered',
          errorCode: null,
          externalIds: [`x${turn.turnId}`],
          followMs: 60_000,
        }),
      ),
    ),
  );
}

function key({ tenantId, conversationId, turnId, fence }: ClaimedTurn) {
  return { tenantId, conversationId, turnId, fence };
}

/** Of the tables that grow, by whatever asked. */
async function sequentialScans({ database }: Subject): Promise<number> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await new Promise((resolve) => setTimeout(resolve, 1_200)); // PostgreSQL hands in its counts once a second
    const { rows } = await client.query<{ scans: string }>(
      `select sum(seq_scan) as scans from pg_stat_user_tables where schemaname = 'konstruct'
         and relname in ('conversations', 'messages', 'turns', 'steps', 'deliveries')`,
    );
    return Number(rows[0]?.scans);
  } finally {
    const ended = once(client, 'end');
    await client.end();
    await ended;
  }
}

function report(scansBefore: readonly number[], scansAfter: readonly number[]): void {
  const [small] = subjects;
  const table = subjects.map(({ rows, timings }, index) => ({
    rows,
    ...Object.fromEntries(
      functions.map((name) => {
        const { median } = summarise(timings[name]);
        const ratio = median / summarise(small?.timings[name] ?? []).median;
        return [name, `${median.toFixed(1)} ms (${ratio.toFixed(2)} ×)`];
      }),
    ),
    'sequential scans': (scansAfter[index] ?? 0) - (scansBefore[index] ?? 0),
  }));
  console.log(`median of ${flags.batches} batches of ${BATCH}`);
  console.table(table);
}

/** A tenth of the conversations is older than the cut-off; meanwhile somebody writes every few milliseconds. */
async function measureRetention({ rows, database, admit, connections }: Subject): Promise<void> {
  const pool = createDatabasePool({ url: database.url, name: 'retention', size: 1, log: silentLog });
  let isOver = false;
  const waits: number[] = [];
  const writing = (async () => {
    for (let index = 0; !isOver; index += 1) {
      const connection = connections[index % connections.length];
      if (connection === undefined) return;
      const startedAtMs = performance.now();
      await admit(messageEvent(connection));
      waits.push(performance.now() - startedAtMs);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const startedAtMs = performance.now();
  const gone = await expireOldRows(
    pool,
    new Date(Date.now() - 90 * 86_400_000),
    new AbortController().signal,
  );
  const tookMs = performance.now() - startedAtMs;
  isOver = true;
  await writing;
  await pool.end();
  // A conversation takes its message and its turn with it.
  const removed = gone.conversations * 3 + gone.messages + gone.turns;
  const { median, max } = summarise(waits);
  console.log(
    `retention beside ${rows}: ${removed} rows (${gone.conversations} conversations) in ${Math.round(tookMs)} ms, ` +
      `${Math.round((tookMs * 10_000) / removed)} ms per 10,000 rows; an admission meanwhile: median ` +
      `${median.toFixed(1)} ms, longest ${max.toFixed(1)} ms of ${waits.length}`,
  );
}
