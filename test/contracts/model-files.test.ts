import { afterAll, beforeAll, expect, it } from 'vitest';
import type { KonstructError } from '../../src/core/errors.ts';
import type { ModelAttempt, ModelRequest, PromptFile, RouteEntry } from '../../src/core/model.ts';
import { createModelPool, type ModelPoolOptions } from '../../src/llm/create-model-pool.ts';
import { estimatePrompt } from '../../src/llm/estimate-tokens.ts';
import { sizeWithFiles } from '../../src/llm/file-tokens.ts';
import type { ModelProtocol } from '../support/model-protocols.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { createRecordingBudget } from '../support/recording-budget.ts';
import { recordingLog } from '../support/recording-log.ts';

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer({ apiKey: 'key-1' });
});
afterAll(() => server.close());

const png = {
  kind: 'image',
  name: 'chart.png',
  mediaType: 'image/png',
  content: Buffer.alloc(12, 1),
} as const;
const pdf = {
  kind: 'pdf',
  name: 'plan 1.pdf',
  mediaType: 'application/pdf',
  content: Buffer.from('%PDF-1.4'),
  pages: 3,
  textBytes: 700,
} as const;

function requestWith(...files: readonly PromptFile[]): ModelRequest {
  return {
    tenantId: 't',
    route: 'default',
    system: 'You are Ada.',
    messages: [{ role: 'user', content: 'Look.', ...(files.length > 0 ? { files } : {}) }],
    maxOutputTokens: 100,
    signal: new AbortController().signal,
  };
}

function poolOf(entries: readonly RouteEntry[], options: Partial<ModelPoolOptions> = {}) {
  const log = recordingLog();
  const pool = createModelPool({
    routes: async (name) => ({ name, entries }),
    keys: {},
    budget: createRecordingBudget(),
    clock: Date.now,
    random: () => 0,
    sleep: async () => undefined,
    log,
    ...options,
  });
  return { pool, log };
}

const entryOf = (protocol: ModelProtocol, model: string, rest: Partial<RouteEntry> = {}): RouteEntry => ({
  provider: protocol === 'openai-chat' ? 'openai' : protocol,
  ...(protocol === 'openai-chat' ? { api: 'chat' as const } : {}),
  model,
  baseUrl: server.urls[protocol],
  apiKey: 'key-1',
  ...rest,
});

const IMAGE = '‹image/png 12 bytes›';
const PDF = '‹application/pdf 8 bytes›';

it.each([
  ['anthropic', 'claude-sonnet-4-5', [IMAGE, PDF]],
  ['openai', 'gpt-5.4', [IMAGE, PDF]],
  ['openai-chat', 'gpt-4.1', [IMAGE, PDF]],
  ['google', 'gemini-3.5-flash', [IMAGE, PDF]],
  ['bedrock', 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0', [IMAGE, PDF]],
  ['azure', 'my-gpt-5', [IMAGE, PDF]],
  ['mistral', 'mistral-medium-latest', [IMAGE]],
  ['groq', 'meta-llama/llama-4-scout-17b-16e-instruct', [IMAGE]],
  ['openrouter', 'qwen/qwen2.5-vl-72b-instruct', [IMAGE]],
  ['ollama', 'llava:13b', [IMAGE]],
  ['openai-compatible', 'my-model', []],
  ['groq', 'llama-3.3-70b-versatile', []],
  ['mistral', 'codestral-2405', []],
  ['openai', 'o3-mini', []],
  ['azure', 'my-deployment', []],
] as const)(
  '%s %s is shown what it takes, and told the names of the rest',
  async (protocol, model, taken) => {
    const { pool } = poolOf([entryOf(protocol, model)]);
    await pool.generate(requestWith(png, pdf));
    const said = server.requests.at(-1)?.messages.at(-1)?.content ?? '';
    expect(said.match(/‹[^›]*›/g) ?? []).toEqual(taken);
    expect(said).toContain('Look.');
    for (const [name, word] of [
      ['chart.png', IMAGE],
      ['plan 1.pdf', PDF],
    ] as const) {
      const isTaken = taken.some((each) => each === word);
      expect(said).toContain(isTaken ? `[${name}:]` : `[You cannot look at ${name}: say so, if it matters.]`);
    }
  },
);

it('a route entry says what its model takes, whatever its name', async () => {
  const { pool } = poolOf([entryOf('openai-compatible', 'my-model', { accepts: ['image'] })]);
  await pool.generate(requestWith(png, pdf));
  expect(server.requests.at(-1)?.messages.at(-1)?.content).toMatch(/‹image\/png 12 bytes›/);
  const blind = poolOf([entryOf('anthropic', 'claude-sonnet-4-5', { accepts: [] })]);
  await blind.pool.generate(requestWith(png));
  expect(server.requests.at(-1)?.messages.at(-1)?.content).toMatch(/You cannot look at chart\.png/);
});

it.each(['generate', 'stream'] as const)(
  'what every model of the route refuses with files is asked again without them: %s',
  async (way) => {
    const { pool, log } = poolOf([entryOf('anthropic', 'claude-sonnet-4-5'), entryOf('openai', 'gpt-5.4')]);
    server.respondNext({ status: 400, message: 'Could not process image' }, { status: 400 });
    server.respond((request) => `Seen: ${request.messages.at(-1)?.content}`);
    const asked = requestWith(png);
    let result = null;
    if (way === 'generate') result = await pool.generate(asked);
    else for await (const event of pool.stream(asked)) if (event.type === 'end') result = event.result;
    expect(result?.text).toBe('Seen: Look.\n[You cannot look at chart.png: say so, if it matters.]');
    expect(result?.attempts.map(({ outcome }) => outcome)).toEqual(['rejected', 'rejected', 'ok']);
    expect(log.lines.map(({ event }) => event)).toContain('model.files_left_out');
    expect(JSON.stringify(log.lines)).not.toContain('chart');
  },
);

it('whatever comes of asking without the files, the calls with them are told of', async () => {
  const entries = [entryOf('anthropic', 'claude-sonnet-4-5'), entryOf('openai', 'gpt-5.4')];
  const outcomesOf = async (asked: Promise<unknown>) => {
    const error = (await asked.catch((reason: unknown) => reason)) as KonstructError;
    const attempts = error.details.attempts as readonly ModelAttempt[];
    return [
      error.code,
      ...attempts.map(({ provider, outcome, usage }) => `${provider} ${outcome} ${usage !== null}`),
    ];
  };
  const cutAtLimit = { text: '', finish: 'length' } as const;
  const paid = ['anthropic malformed true', 'openai rejected false'];
  server.respondNext(cutAtLimit, { status: 400 }, cutAtLimit, { status: 400 });
  expect(await outcomesOf(poolOf(entries).pool.generate(requestWith(png)))).toEqual([
    'model_rejected',
    ...paid,
    ...paid,
  ]);

  const stopped = new AbortController();
  server.respondNext(cutAtLimit, { status: 400 });
  server.respond(() => {
    stopped.abort();
    return { hang: true };
  });
  const asked = poolOf(entries).pool.generate({ ...requestWith(png), signal: stopped.signal });
  expect((await outcomesOf(asked)).slice(0, 3)).toEqual(['aborted', ...paid]);

  let asks = 0;
  server.respondNext(cutAtLimit, { status: 400 });
  const mayStillAsk = () => {
    asks += 1;
    return asks <= 2;
  };
  const lost = poolOf(entries).pool.generate({ ...requestWith(png), mayStillAsk });
  expect(await outcomesOf(lost)).toEqual(['lease_lost', ...paid]);
});

it('asking without the files has what is left of the time, and the refusal stands where nothing is', async () => {
  let nowMs = 0;
  const { pool } = poolOf([entryOf('anthropic', 'claude-sonnet-4-5')], { clock: () => nowMs });
  const before = server.requests.length;
  server.respond(() => {
    nowMs += 120_000;
    return { status: 400 };
  });
  const error = await pool.generate(requestWith(png)).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'model_rejected', details: { attempts: [{ outcome: 'rejected' }] } });
  expect(server.requests.length - before).toBe(1);
});

it.each([
  ['a key', { status: 401 }, requestWith(png)],
  ['an account without money', { status: 402 }, requestWith(png)],
  ['a request without files', { status: 400 }, requestWith()],
])('a refusal of %s is the end', async (_what, refusal, asked) => {
  const { pool } = poolOf([entryOf('anthropic', 'claude-sonnet-4-5')]);
  const before = server.requests.length;
  server.respondNext(refusal);
  await expect(pool.generate(asked)).rejects.toMatchObject({ code: 'model_rejected' });
  expect(server.requests.length).toBe(before + 1);
});

it('files count as the most that a provider makes of them, whatever their bytes are', () => {
  const big: PromptFile = { ...png, content: Buffer.alloc(3_000_000) };
  const size = (files: readonly PromptFile[], entry: Pick<RouteEntry, 'provider' | 'model'>) => {
    const request = requestWith(...files);
    return sizeWithFiles(estimatePrompt(request), request, entry).maxTokens;
  };
  const claude = { provider: 'anthropic', model: 'claude-sonnet-4-5' } as const;
  const text = size([], claude);
  const around = 300;
  expect(size([big], claude) - text).toBe(around + 5_000);
  expect(size([big, png], claude) - text).toBe(2 * (around + 5_000));
  expect(size([pdf], claude) - text).toBe(around + 3 * 5_000 + 700);
  expect(size([{ ...pdf, pages: 100, textBytes: 9_000_000 }], claude) - text).toBe(around + 2_000_000);
  expect(size([png], { provider: 'openai', model: 'gpt-4o-mini' }) - text).toBe(around + 48_200);
  expect(size([png], { provider: 'openai', model: 'gpt-5.4' }) - text).toBe(around + 24_600);
  expect(size([png], { provider: 'groq', model: 'llama-3.3-70b-versatile' }) - text).toBe(around);
});

it('what the budget does not allow with files is asked without them', async () => {
  const budget = createRecordingBudget();
  budget.refuse(({ maxInputTokens }) => maxInputTokens > 5_000);
  const pool = createModelPool({
    routes: async (name) => ({ name, entries: [entryOf('anthropic', 'claude-sonnet-4-5')] }),
    keys: {},
    budget,
    clock: Date.now,
    random: () => 0,
    sleep: async () => undefined,
    log: recordingLog(),
  });
  server.respond((request) => `Seen: ${request.messages.at(-1)?.content}`);
  const { text } = await pool.generate(requestWith(png));
  expect(text).toContain('You cannot look at chart.png');
  budget.refuse(() => true);
  await expect(pool.generate(requestWith(png))).rejects.toMatchObject({ code: 'budget_exhausted' });
});

it('a budget sets the worst case of the pictures aside', async () => {
  const budget = createRecordingBudget();
  const pool = createModelPool({
    routes: async (name) => ({ name, entries: [entryOf('anthropic', 'claude-sonnet-4-5')] }),
    keys: {},
    budget,
    clock: Date.now,
    random: () => 0,
    sleep: async () => undefined,
    log: recordingLog(),
  });
  server.respond(() => 'Seen.');
  await pool.generate(requestWith());
  await pool.generate(requestWith(png));
  const [without, withPicture] = budget.calls.map(({ planned }) => planned.maxInputTokens);
  expect((withPicture ?? 0) - (without ?? 0)).toBe(5_300);
});

it.each([
  ['anthropic', 'claude-sonnet-4-5', false],
  ['openai', 'gpt-5.4', false],
  ['openai-chat', 'gpt-4.1', false],
  ['google', 'gemini-3.5-flash', false],
  ['bedrock', 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0', false],
  ['mistral', 'mistral-medium-latest', true],
  ['openrouter', 'mistralai/devstral-small', true],
  ['openai-compatible', 'llama-3.3-70b', false],
] as const)('%s %s takes a picture behind the results of tools', async (protocol, model, isBridged) => {
  const { pool } = poolOf([entryOf(protocol, model, { accepts: ['image'] })]);
  const call = { id: 'call_1', name: 'look', input: {}, rawInput: '{}', signature: 'c2lnbmF0dXJl' };
  server.respond(() => 'Seen.');
  await pool.generate({
    ...requestWith(),
    tools: [{ name: 'look', description: 'Looks.', inputSchema: { type: 'object', properties: {} } }],
    messages: [
      { role: 'user', content: 'Look.' },
      { role: 'assistant', content: '', toolCalls: [call] },
      { role: 'tool', results: [{ callId: 'call_1', name: 'look', output: 'It follows.', isError: false }] },
      { role: 'user', content: '[What you wanted to see:]', files: [png] },
    ],
  });
  const said = server.requests.at(-1)?.messages ?? [];
  expect(said.at(-1)).toMatchObject({ role: 'user', content: expect.stringContaining(IMAGE) });
  expect(said.at(-2)).toMatchObject(isBridged ? { role: 'assistant', content: 'I see.' } : { role: 'tool' });
});
