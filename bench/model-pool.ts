import { fork } from 'node:child_process';
import { once } from 'node:events';
import { argv } from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createAnthropic } from '@ai-sdk/anthropic';
import { generateText, type LanguageModel } from 'ai';
import { createModelPool } from '../src/llm/create-model-pool.ts';
import { createKeepAliveFetch } from '../src/llm/keep-alive-fetch.ts';
import { startModelServer } from '../test/support/model-server.ts';

/** Cost of one model call, medians over rounds. Wall time is one call after the other. */
export interface CallCost {
  readonly name: string;
  readonly wallMicros: number;
  readonly cpuMicros: number;
  /** CPU as a multiple of the plain `fetch`. */
  readonly cpuRatio: number;
}

interface BenchOptions {
  readonly rounds?: number;
  readonly callsPerRound?: number;
}

const MODEL = 'claude-sonnet-4-5';
const system = 'You are Ada, a support engineer: calm, precise, a little dry. '.repeat(20);
const messages = Array.from({ length: 21 }, (_, index) => ({
  role: index % 2 === 0 ? ('user' as const) : ('assistant' as const),
  content: `Message ${index}: ${'lorem ipsum dolor sit amet '.repeat(6)}`,
}));

/**
 * Measures what a call through the pool costs against the AI SDK's `generateText` and against a plain `fetch` of the
 * same request, on a provider stand-in in a process of its own, so that its CPU is not counted. The prompt is 21
 * messages and 4.9 kB. Cases take turns within a round: what disturbs one disturbs all.
 */
export async function benchModelPool(options: BenchOptions = {}): Promise<readonly CallCost[]> {
  const { rounds = 7, callsPerRound = 300 } = options;
  const server = fork(fileURLToPath(import.meta.url), ['--server']);
  try {
    const [baseUrl] = (await once(server, 'message')) as [string];
    const cases = Object.entries(callsOf(baseUrl));
    const samples = new Map(cases.map(([name]) => [name, { wall: [] as number[], cpu: [] as number[] }]));
    for (let round = -1; round < rounds; round += 1) {
      const start = (round + 1) % cases.length; // whoever comes first or last has it no easier
      for (const [name, call] of [...cases.slice(start), ...cases.slice(0, start)]) {
        const cpuBefore = process.cpuUsage();
        const before = performance.now();
        for (let index = 0; index < callsPerRound; index += 1) await call();
        const wallMs = performance.now() - before;
        const cpu = process.cpuUsage(cpuBefore);
        if (round < 0) continue; // warm-up
        samples.get(name)?.wall.push((wallMs * 1000) / callsPerRound);
        samples.get(name)?.cpu.push((cpu.user + cpu.system) / callsPerRound);
      }
    }
    const plain = median(samples.get('fetch')?.cpu ?? []);
    return [...samples].map(([name, { wall, cpu }]) => ({
      name,
      wallMicros: Math.round(median(wall)),
      cpuMicros: Math.round(median(cpu)),
      cpuRatio: Math.round((median(cpu) / plain) * 100) / 100,
    }));
  } finally {
    server.disconnect();
  }
}

function callsOf(baseUrl: string): Readonly<Record<string, () => Promise<unknown>>> {
  const silent = () => undefined;
  const keepAliveFetch = createKeepAliveFetch();
  const settings = { apiKey: 'key', baseURL: baseUrl };
  const model = createAnthropic(settings)(MODEL);
  const lightModel = createAnthropic({ ...settings, fetch: keepAliveFetch })(MODEL);
  const prompt = [
    { role: 'system' as const, content: system },
    ...messages.map(({ role, content }) => ({ role, content: [{ type: 'text' as const, text: content }] })),
  ];
  const sdkCall = (sdkModel: LanguageModel) => () =>
    generateText({
      model: sdkModel,
      system,
      messages: [...messages],
      maxOutputTokens: 1000,
      maxRetries: 0,
      abortSignal: new AbortController().signal,
    });
  const plain = (fetch: typeof globalThis.fetch) => async () => {
    const response = await fetch(`${baseUrl}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': 'key', 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({ model: MODEL, max_tokens: 1000, system, messages }),
    });
    return response.json();
  };
  const pool = createModelPool({
    routes: async (name) => ({ name, entries: [{ provider: 'anthropic', model: MODEL }] }),
    keys: { anthropic: { apiKey: 'key', baseUrl } },
    budget: {
      reserve: async () => ({ settle: async () => ({ nanoUsd: 0, isEstimated: false, priceVersion: null }) }),
    },
    clock: Date.now,
    random: Math.random,
    sleep: (ms, sleepSignal) => wait(ms, undefined, sleepSignal ? { signal: sleepSignal } : {}),
    log: { debug: silent, info: silent, warn: silent, error: silent },
  });
  return {
    fetch: plain(globalThis.fetch),
    'keep-alive fetch': plain(keepAliveFetch),
    'doGenerate, fetch': async () =>
      model.doGenerate({ prompt, maxOutputTokens: 1000, abortSignal: new AbortController().signal }),
    'doGenerate, keep-alive fetch': async () =>
      lightModel.doGenerate({ prompt, maxOutputTokens: 1000, abortSignal: new AbortController().signal }),
    'generateText, fetch': sdkCall(model),
    'generateText, keep-alive fetch': sdkCall(lightModel),
    pool: () =>
      pool.generate({
        tenantId: 'tenant-1',
        route: 'default',
        system,
        messages,
        maxOutputTokens: 1000,
        signal: new AbortController().signal,
      }),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function serve(): Promise<void> {
  const server = await startModelServer();
  server.respond(() => 'The answer is forty-two, for all we know. '.repeat(15));
  process.send?.(server.urls.anthropic);
  process.once('disconnect', () => process.exit());
}

if (import.meta.main ?? argv[1] === fileURLToPath(import.meta.url)) {
  if (argv.includes('--server')) await serve();
  else console.table(await benchModelPool());
}
