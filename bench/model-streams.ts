import { fork } from 'node:child_process';
import { once } from 'node:events';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { createAnthropic } from '@ai-sdk/anthropic';
import type { ModelMessage } from '../src/core/model.ts';
import type { createModelPool } from '../src/llm/create-model-pool.ts';
import { createKeepAliveFetch } from '../src/llm/keep-alive-fetch.ts';
import { startModelServer } from '../test/support/model-server.ts';
import { readPromptCache } from '../test/support/prompt-cache.ts';
import type { Agent } from './budget.ts';
import { build } from './support/build.ts';
import { memoryEnvironment, memoryOptions } from './support/memory-options.ts';
import { MODEL, openPool, requestOf } from './support/open-pool.ts';
import { unmeteredBudget } from './support/unmetered-budget.ts';

/** What the pool adds to a direct call of the AI SDK, over the same HTTP client, on a stand-in in another process. */
export interface StreamCost {
  readonly measure: string;
  readonly direct: number | null;
  readonly pool: number;
  readonly added: number | null;
  readonly wanted: Wanted;
}

/** What is added, or the figure itself where nothing compares with it, is to be at most or at least this. */
interface Wanted {
  readonly sign: '≤' | '≥';
  readonly value: number;
}

const atMost = (value: number): Wanted => ({ sign: '≤', value });
const p50 = atMost(1);
const p99 = atMost(3);
const CHUNKS = 500;
const STREAMS = 1_000;
/** Until V8 has compiled what is hot: its threads take the core on which PostgreSQL would answer. */
const WARM_UP = 1_500;
/** Model calls of one turn: the first one makes the counter of the turn. */
const CALLS_PER_TURN = 3;

export async function benchModelStreams(): Promise<readonly StreamCost[]> {
  const server = fork(fileURLToPath(import.meta.url), ['--server']);
  // Loaded here: the process whose memory is measured needs none of it.
  const { openMeasuredBudget } = await import('./support/measured-budget.ts');
  const database = await openMeasuredBudget();
  try {
    const [baseUrl] = (await once(server, 'message')) as [string];
    const fetch = createKeepAliveFetch();
    const direct = createAnthropic({ apiKey: 'key', baseURL: baseUrl, fetch })(MODEL);
    const pool = openPool(baseUrl, unmeteredBudget, fetch);
    const paid = openPool(baseUrl, database.gate, fetch);
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hello' }] }];
    const callDirect = async () => direct.doGenerate({ prompt, maxOutputTokens: 1_000 });
    const callPool = () => pool.generate(requestOf([{ role: 'user', content: 'Hello' }]));
    const callPaid = (who: Agent) => () => {
      const { tenantId, agentId } = who;
      calls += 1;
      const turnId = Math.floor(calls / CALLS_PER_TURN);
      const spender = { agentId, personId: `k:U${calls % 40}`, turnId };
      return paid.generate(requestOf([{ role: 'user', content: 'Hello' }], { tenantId, spender }));
    };
    const streamDirect = async () => {
      const { stream } = await direct.doStream({
        prompt: [{ role: 'user', content: [{ type: 'text', text: 'chunks' }] }],
        maxOutputTokens: 1_000,
      });
      for await (const part of stream) void part;
    };
    const streamPool = async () => {
      for await (const event of pool.stream(requestOf([{ role: 'user', content: 'chunks' }]))) void event;
    };
    let calls = 0;
    for (const who of [database.free, database.plain, database.limited]) {
      for (let index = 0; index < WARM_UP; index += 1) {
        await callPaid(who)();
        await database.gate.flush();
      }
    }
    await database.vacuum();
    const plain = await compare(callDirect, callPool, 1_500);
    const free = await compare(callDirect, callPaid(database.free), 1_500, database.gate.flush);
    const budgeted = await compare(callDirect, callPaid(database.plain), 1_500, database.gate.flush);
    const limited = await compare(callDirect, callPaid(database.limited), 1_500, database.gate.flush);
    const streams = await compare(streamDirect, streamPool, 60);
    const perChunk = (ms: number) => ms / CHUNKS;
    return [
      row('a call, nothing metered, p50, ms', plain.direct.p50, plain.pool.p50, p50),
      row('a call, nothing metered, p99, ms', plain.direct.p99, plain.pool.p99, p99),
      row('a call, no limit, p50, ms', free.direct.p50, free.pool.p50, p50),
      row('a call, no limit, p99, ms', free.direct.p99, free.pool.p99, p99),
      row('a call, 2 limits, p50, ms', budgeted.direct.p50, budgeted.pool.p50, p50),
      row('a call, 2 limits, p99, ms', budgeted.direct.p99, budgeted.pool.p99, p99),
      row('a call, 7 limits, p50, ms', limited.direct.p50, limited.pool.p50, p50),
      row('a call, 7 limits, p99, ms', limited.direct.p99, limited.pool.p99, p99),
      row(
        'a streamed chunk, p50, ms',
        perChunk(streams.direct.p50),
        perChunk(streams.pool.p50),
        atMost(0.05),
      ),
      {
        measure: `resident memory with ${STREAMS} open streams, MB`,
        direct: null,
        pool: await memoryOf(baseUrl),
        added: null,
        wanted: atMost(300),
      },
      {
        measure: 'prompt tokens read from the cache, 12 turns, %',
        direct: null,
        pool: await hitRate(pool.generate),
        added: null,
        wanted: { sign: '≥', value: 85 },
      },
    ];
  } finally {
    server.disconnect();
    await database.stop();
  }
}

/**
 * The two take turns, so that what disturbs one disturbs both.
 *
 * @param settled what goes on beside the next call of a model that takes no time, and is over before that of a real one
 */
async function compare(
  direct: () => Promise<unknown>,
  pool: () => Promise<unknown>,
  count: number,
  settled: () => Promise<void> = async () => {},
) {
  const times = { direct: [] as number[], pool: [] as number[] };
  for (let index = -Math.ceil(count / 10); index < count; index += 1) {
    for (const [name, call] of index % 2 === 0
      ? ([
          ['direct', direct],
          ['pool', pool],
        ] as const)
      : ([
          ['pool', pool],
          ['direct', direct],
        ] as const)) {
      const before = performance.now();
      await call();
      if (index >= 0) times[name].push(performance.now() - before);
      await settled();
    }
  }
  return { direct: percentiles(times.direct), pool: percentiles(times.pool) };
}

function percentiles(times: readonly number[]) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

function row(measure: string, direct: number, pool: number, wanted: Wanted): StreamCost {
  const round = (value: number) => Math.round(value * 10_000) / 10_000;
  return { measure, direct: round(direct), pool: round(pool), added: round(pool - direct), wanted };
}

/** The same in a process that does nothing else: what another keeps and compiles would be in the p99. */
export async function measureModels(): Promise<readonly StreamCost[]> {
  const child = fork(fileURLToPath(import.meta.url), ['--told']);
  const [told] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`bench/model-streams.ts ended with code ${code}.`);
    }),
  ]);
  return told as readonly StreamCost[];
}

/** Whether each is met, as the report tells it. */
export function modelTargets(costs: readonly StreamCost[]) {
  return costs.map(({ measure, pool, added, wanted: { sign, value } }) => {
    const figure = added ?? pool;
    return {
      name: added === null ? measure : `the pool adds to ${measure}`,
      wanted: `${sign} ${value}`,
      measured: String(figure),
      met: sign === '≤' ? figure <= value : figure >= value,
    };
  });
}

/** Of a process that has done nothing else, compiled and started as the product is. */
async function memoryOf(baseUrl: string): Promise<number> {
  const file = fileURLToPath(new URL('support/streams-process.js', await build()));
  const child = fork(file, [baseUrl, String(STREAMS)], {
    execArgv: [...memoryOptions],
    env: { ...process.env, ...memoryEnvironment },
  });
  const [megabytes] = (await once(child, 'message')) as [number];
  child.disconnect();
  return megabytes;
}

/** A conversation of twelve turns with one agent: the share of the prompt that the stand-in had kept. */
async function hitRate(generate: ReturnType<typeof createModelPool>['generate']): Promise<number> {
  const messages: ModelMessage[] = [];
  const system = 'You are Ada, a support engineer: calm, precise, a little dry. '.repeat(100);
  let read = 0;
  let all = 0;
  for (let turn = 0; turn < 12; turn += 1) {
    messages.push({ role: 'user', content: `Question ${turn}: ${'lorem ipsum dolor sit amet '.repeat(20)}` });
    const more = { system, context: 'Today is Friday.', cacheKey: 'conversation' };
    const { usage, text } = await generate(requestOf([...messages], more));
    read += usage.cachedInputTokens ?? 0;
    all += usage.inputTokens ?? 0;
    messages.push({ role: 'assistant', content: text });
  }
  return Math.round((read / all) * 1_000) / 10;
}

async function serve(): Promise<void> {
  const server = await startModelServer();
  const kept = new Set<string>();
  server.respond(({ messages, body }) => {
    const last = messages.at(-1)?.content;
    if (last === 'hang') return { pieces: ['Some ', 'text '], after: 'hang' };
    if (last === 'chunks') return { pieces: Array.from({ length: CHUNKS }, () => 'word ') };
    const { read, all } = readPromptCache(body, kept);
    return {
      text: 'The answer is forty-two, for all we know. '.repeat(5),
      usage: { inputTokens: all, outputTokens: 50, cachedInputTokens: read },
    };
  });
  process.send?.(server.urls.anthropic);
  process.once('disconnect', () => process.exit());
}

if (import.meta.main ?? argv[1] === fileURLToPath(import.meta.url)) {
  if (argv.includes('--server')) await serve();
  else if (argv.includes('--told')) process.send?.(await benchModelStreams());
  else {
    const costs = await benchModelStreams();
    const targets = modelTargets(costs);
    console.table(
      costs.map(({ wanted: { sign, value }, ...figures }, index) => ({
        ...figures,
        wanted: `${sign} ${value}`,
        '': targets[index]?.met ? 'met' : 'MISSED',
      })),
    );
    if (targets.some(({ met }) => !met)) process.exitCode = 1;
  }
}
