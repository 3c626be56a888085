/**
 * What the hot functions cost in PostgreSQL, apart from everything else: CPU of one server process per turn, in µs, by
 * the size of the batch. `node bench/functions.ts [rounds]`; a database as in the other benches.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { startDatabaseServer } from './support/bench-database.ts';
import { cpuMs } from './support/process-usage.ts';
import { percentile } from './support/statistics.ts';

const rounds = Number(process.argv[2] ?? 5);
const TURNS_PER_ROUND = 600;
const BATCHES = [1, 4, 30];
const FUNCTIONS = ['admit', 'claim', 'commit', 'finish'] as const;
type HotFunction = (typeof FUNCTIONS)[number];

interface Claimed {
  readonly tenantId: string;
  readonly conversationId: number;
  readonly turnId: number;
  readonly fence: number;
}

const server = await startDatabaseServer();
const database = await server.createDatabase('http://127.0.0.1:9/v1');
const client = new pg.Client({ connectionString: database.url });
await client.connect();
await client.query('set search_path = konstruct');
// The disk is not what is measured.
await client.query('set synchronous_commit = off');
await client.query('set role konstruct_app');
const backend = Number((await client.query('select pg_backend_pid() as pid')).rows[0].pid);
const connections = (
  await client
    .query('reset role')
    .then(() => client.query<{ tenant_id: string; id: string }>('select tenant_id, id from connections'))
).rows;
await client.query('set role konstruct_app');

let message = 0;
function nextEvent(): Record<string, unknown> {
  message += 1;
  const connection = connections[message % connections.length];
  const id = `1900000000.${String(message).padStart(6, '0')}`;
  return {
    type: 'message',
    tenantId: connection?.tenant_id,
    connectionId: connection?.id,
    eventId: `EvF${message}`,
    bucketKey: 'slack',
    ratePerMinute: 10_000_000,
    channelId: `C${message % 10}`,
    conversationThreadId: id,
    replyThreadId: id,
    noticeThreadId: id,
    threadBegan: false,
    scope: 'channel',
    addressed: 'yes',
    messageId: id,
    senderId: 'U1',
    senderName: null,
    content: 'How do we restart the importer after a failed night run?',
    mentions: [],
    attachments: [],
    channelMetadata: {},
    sentAtMs: Date.now(),
  };
}

/** One batch on its way: admitted, claimed, committed, finished. */
async function runBatch(size: number, spent: Record<HotFunction, number>): Promise<void> {
  const call = async <Row>(name: HotFunction, text: string, values: readonly unknown[]): Promise<Row[]> => {
    const before = process.hrtime.bigint();
    const { rows } = await client.query({ name, text, values: [...values] });
    spent[name] += Number(process.hrtime.bigint() - before) / 1_000;
    return rows as Row[];
  };
  await call('admit', 'select admit_batch($1)', [JSON.stringify(Array.from({ length: size }, nextEvent))]);
  const claimed = await call<{ turn: Claimed }>(
    'claim',
    'select turn from claim_turns($1, $2, 15000, 60, $3, 20) as turn',
    ['bench', size + 1, randomUUID()],
  );
  if (claimed.length !== size) throw new Error(`${claimed.length} of ${size} turns were claimed.`);
  const keys = claimed.map(({ turn: { tenantId, conversationId, turnId, fence } }) => ({
    tenantId,
    conversationId,
    turnId,
    fence,
  }));
  const step = {
    position: 0,
    kind: 'model',
    outcome: 'stop',
    provider: 'openai-compatible',
    model: 'bench',
    inputTokens: 300,
    outputTokens: 80,
    detail: { attempts: [] },
    startedAtMs: Date.now(),
    durationMs: 200,
  };
  await call('commit', 'select commit_turns($1, $2)', [
    'bench',
    JSON.stringify(
      keys.map((key) => ({
        ...key,
        placeholderExternalId: `2000000000.${key.turnId}`,
        steps: [step],
        reply: 'The importer keeps its place.',
        parts: ['The importer keeps its place.'],
        agentUserId: 'U0',
        errorCode: null,
        errorDetails: null,
      })),
    ),
  ]);
  await call('finish', 'select finish_turns($1, $2)', [
    'bench',
    JSON.stringify(
      keys.map((key) => ({
        ...key,
        status: 'answered',
        errorCode: null,
        externalIds: [`2000000000.${key.turnId}`],
        followMs: 1_800_000,
      })),
    ),
  ]);
}

console.log(
  `${server.version}; CPU of the server process per turn, µs (share of time: ${FUNCTIONS.join(', ')})`,
);
for (const size of BATCHES) {
  const totals: number[] = [];
  const shares: Record<HotFunction, number>[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const spent = { admit: 0, claim: 0, commit: 0, finish: 0 };
    const before = cpuMs(backend);
    for (let turns = 0; turns < TURNS_PER_ROUND; turns += size) await runBatch(size, spent);
    if (round === 0) continue; // warms up
    totals.push(((cpuMs(backend) - before) * 1_000) / TURNS_PER_ROUND);
    shares.push(spent);
  }
  const perTurn = percentile(totals, 50);
  const share = (name: HotFunction): number => {
    const all = shares.reduce((sum, spent) => sum + FUNCTIONS.reduce((s, f) => s + spent[f], 0), 0);
    return shares.reduce((sum, spent) => sum + spent[name], 0) / all;
  };
  const parts = FUNCTIONS.map((name) => `${name} ${Math.round(share(name) * perTurn)}`).join(', ');
  console.log(`batches of ${size}: ${Math.round(perTurn)} (${parts})`);
}
await client.end();
await database.drop();
await server.stop();
