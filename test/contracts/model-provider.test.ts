import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type {
  ModelEvent,
  ModelMessage,
  ModelRequest,
  ProviderName,
  RouteEntry,
} from '../../src/core/model.ts';
import { createModelPool } from '../../src/llm/create-model-pool.ts';
import { type ModelProtocol, modelProtocols } from '../support/model-protocols.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { createRecordingBudget, type RecordingBudget } from '../support/recording-budget.ts';

/** What every provider with an API of its own must do, whatever its protocol. */

const models: Readonly<Record<ModelProtocol, string>> = {
  anthropic: 'claude-sonnet-4-5',
  openai: 'gpt-5.4',
  'openai-chat': 'gpt-4.1',
  google: 'gemini-3.5-flash',
  bedrock: 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0',
  azure: 'my-deployment',
  mistral: 'mistral-large-latest',
  groq: 'llama-3.3-70b-versatile',
  openrouter: 'meta-llama/llama-3.3-70b',
  'openai-compatible': 'llama-3.3-70b',
  ollama: 'llama3.2',
};

/** Where the protocol has no word for something, nothing can be said of it. */
const reportsCacheWrites: readonly ModelProtocol[] = ['anthropic', 'bedrock'];
const reportsReasoning = (protocol: ModelProtocol) => protocol !== 'mistral' && protocol !== 'bedrock';
const sendsObjects: readonly ModelProtocol[] = ['anthropic', 'bedrock', 'google'];

let budget: RecordingBudget;
/** How long the pool waited, in ms. */
let waitsMs: number[];

function poolFor(entry: RouteEntry, timeouts = {}) {
  const silent = () => undefined;
  return createModelPool({
    routes: async (name) => ({ name, entries: [entry], timeouts }),
    keys: {},
    budget,
    clock: Date.now,
    random: () => 0,
    sleep: async (ms) => void waitsMs.push(ms),
    log: { debug: silent, info: silent, warn: silent, error: silent },
  });
}

const request: ModelRequest = {
  tenantId: 'tenant-1',
  route: 'default',
  system: 'You are Ada.',
  messages: [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Good morning!' },
    { role: 'user', content: 'What is 6 × 7? ü 🙂' },
  ],
  maxOutputTokens: 321,
  signal: new AbortController().signal,
};

const tools = [
  {
    name: 'look_up',
    description: 'Looks something up.',
    inputSchema: { type: 'object', properties: { word: { type: 'string' } }, required: ['word'] },
  },
];

async function collect(events: AsyncIterable<ModelEvent>): Promise<readonly ModelEvent[]> {
  const all: ModelEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

function textOf(events: readonly ModelEvent[]): string {
  return events.map((event) => (event.type === 'text' ? event.text : '')).join('');
}

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer({ apiKey: 'key-1' });
});
afterAll(() => server.close());
beforeEach(() => {
  budget = createRecordingBudget();
  waitsMs = [];
  return () => expect(budget.unsettled()).toEqual([]);
});

describe.each(modelProtocols)('%s', (protocol) => {
  const provider: ProviderName = protocol === 'openai-chat' ? 'openai' : protocol;
  const here = (): RouteEntry => ({
    provider,
    model: models[protocol],
    apiKey: 'key-1',
    baseUrl: server.urls[protocol],
    ...(protocol === 'openai-chat' ? { api: 'chat' } : {}),
  });
  const pool = (timeouts = {}) => poolFor(here(), timeouts);

  const breaks = {
    cut: 'network',
    end: expect.stringMatching(/^(network|malformed)$/),
    // Bedrock and Mistral have no such word in a stream: what they send instead is a failure all the same.
    error: ['bedrock', 'mistral'].includes(protocol)
      ? expect.stringMatching(/^(network|malformed)$/)
      : 'overloaded',
  };

  it('sends the whole conversation, the limit and the key', async () => {
    await pool().generate(request);
    expect(server.requests.at(-1)).toMatchObject({
      protocol,
      model: models[protocol],
      apiKey: 'key-1',
      system: request.system,
      messages: request.messages,
      maxOutputTokens: 321,
      streamed: false,
    });
  });

  it('puts what changes behind what is stable', async () => {
    await pool().generate({ ...request, context: 'Today is Friday.' });
    expect(server.requests.at(-1)?.system).toMatch(/^You are Ada\.\n+Today is Friday\.$/);
  });

  it('begins the same, whole or streamed, as caches need it', async () => {
    const wanted = { ...request, context: 'Today is Friday.', cacheKey: 'conversation 7', tools };
    await pool().generate(wanted);
    const whole = server.requests.at(-1)?.body;
    await collect(pool().stream(wanted));
    const { stream: _, stream_options: __, ...streamed } = server.requests.at(-1)?.body ?? {};
    expect(streamed).toEqual({ ...whole, stream: undefined });
  });

  it.each(['generate', 'stream'] as const)(
    'returns the text and the tokens that the provider reports: %s',
    async (way) => {
      const usage = {
        inputTokens: 100,
        outputTokens: 30,
        cachedInputTokens: 60,
        cacheWriteTokens: 10,
        reasoningTokens: 20,
      };
      server.respondNext({ text: 'It is **42**. ü 🙂', usage });
      const events = way === 'generate' ? [] : await collect(pool().stream(request));
      const last = events.at(-1);
      const result = last?.type === 'end' ? last.result : await pool().generate(request);
      expect(result).toMatchObject({
        text: 'It is **42**. ü 🙂',
        finish: 'stop',
        toolCalls: [],
        object: null,
        provider,
        model: models[protocol],
        usage: {
          inputTokens: 100,
          outputTokens: 30,
          ...(protocol === 'mistral' ? {} : { cachedInputTokens: 60 }),
          ...(reportsCacheWrites.includes(protocol) ? { cacheWriteTokens: 10 } : {}),
          ...(reportsReasoning(protocol) ? { reasoningTokens: 20 } : {}),
        },
        attempts: [
          { provider, model: models[protocol], outcome: 'ok', status: 200, cost: { isEstimated: false } },
        ],
      });
      if (way === 'stream') expect(textOf(events)).toBe('It is **42**. ü 🙂');
      expect(budget.calls[0]?.settled).toMatchObject([
        { usage: { inputTokens: 100, outputTokens: 30 }, isEstimated: false },
      ]);
    },
  );

  it('gives the text as it comes', async () => {
    const gate = Promise.withResolvers<void>();
    async function* pieces() {
      yield 'It ';
      await gate.promise;
      yield 'is 42.';
    }
    server.respondNext({ pieces: pieces() });
    const events = pool().stream(request)[Symbol.asyncIterator]();
    expect(await events.next()).toMatchObject({ value: { type: 'text', text: 'It ' } });
    gate.resolve(); // the second piece is written only now
    expect(await events.next()).toMatchObject({ value: { type: 'text', text: 'is 42.' } });
    expect(await events.next()).toMatchObject({
      value: { type: 'end', result: { text: 'It is 42.', finish: 'stop' } },
    });
  });

  it.each(['generate', 'stream'] as const)('goes through a loop of tools: %s', async (way) => {
    const ask = async (messages: readonly ModelMessage[]) => {
      const wanted = { ...request, messages, tools };
      if (way === 'generate') return pool().generate(wanted);
      const last = (await collect(pool().stream(wanted))).at(-1);
      if (last?.type !== 'end') throw new Error('no end');
      return last.result;
    };
    const calls = [
      { id: 'abcdEFG01', name: 'look_up', input: { word: 'ü "quoted"' } },
      { id: 'abcdEFG02', name: 'look_up', input: { word: 'two' } },
    ];
    server.respondNext({ text: 'Let me see.', toolCalls: calls });
    const first = await ask(request.messages);
    expect(first).toMatchObject({ text: 'Let me see.', finish: 'tool_calls' });
    expect(first.toolCalls).toMatchObject(calls.map(({ name, input }) => ({ name, input })));
    expect(new Set(first.toolCalls.map(({ id }) => id)).size).toBe(2);
    expect(server.requests.at(-1)?.tools).toEqual(['look_up']);

    const results = first.toolCalls.map(({ id, name }, index) => ({
      callId: id,
      name,
      output: `found ${index}`,
      isError: index === 1,
    }));
    server.respondNext('Done.');
    const second = await ask([
      ...request.messages,
      { role: 'assistant', content: first.text, toolCalls: first.toolCalls },
      { role: 'tool', results },
    ]);
    expect(second).toMatchObject({ text: 'Done.', finish: 'stop' });
    expect(server.requests.at(-1)?.messages.slice(-3)).toMatchObject([
      {
        role: 'assistant',
        content: 'Let me see.',
        toolCalls: calls.map(({ name, input }) => ({ name, input })),
      },
      { role: 'tool', content: expect.stringContaining('found 0') },
      { role: 'tool', content: expect.stringContaining('found 1') },
    ]);
  });

  it('goes on with tool calls that another provider made', async () => {
    const id = `toolu_${'x'.repeat(80)}:1`;
    server.respondNext('Done.');
    const result = await pool().generate({
      ...request,
      tools,
      messages: [
        { role: 'user', content: 'Look it up.' },
        {
          role: 'assistant',
          content: '',
          toolCalls: [{ id, name: 'look_up', input: { word: 'one' }, rawInput: '{"word":"one"}' }],
        },
        { role: 'tool', results: [{ callId: id, name: 'look_up', output: 'found', isError: false }] },
      ],
    });
    expect(result.text).toBe('Done.');
  });

  it.each(['generate', 'stream'] as const)(
    'keeps results of tools that it may call no more: %s',
    async (way) => {
      const messages: readonly ModelMessage[] = [
        { role: 'user', content: 'Look it up.' },
        {
          role: 'assistant',
          content: '',
          toolCalls: [
            { id: 'abcdEFG01', name: 'look_up', input: { word: 'one' }, rawInput: '{"word":"one"}' },
          ],
        },
        {
          role: 'tool',
          results: [{ callId: 'abcdEFG01', name: 'look_up', output: 'found', isError: false }],
        },
      ];
      const wanted: ModelRequest = { ...request, messages, tools, toolChoice: 'none' };
      server.respondNext('Done.');
      if (way === 'generate') await pool().generate(wanted);
      else await collect(pool().stream(wanted));
      const sent = server.requests.at(-1);
      expect(sent?.tools).toEqual(['look_up']);
      expect(sent?.messages).toMatchObject([
        { role: 'user', content: 'Look it up.' },
        { role: 'assistant', toolCalls: [{ name: 'look_up', input: { word: 'one' } }] },
        { role: 'tool', content: expect.stringContaining('found') },
      ]);
      // Bedrock has no word for it.
      if (protocol !== 'bedrock') expect(JSON.stringify(sent?.body)).toMatch(/"none"/i);
    },
  );

  it('hands over arguments that are no JSON as they were written', async () => {
    if (protocol === 'google') return; // its protocol has no text there
    server.respondNext({
      text: '',
      toolCalls: [{ id: 'abcdEFG01', name: 'look_up', input: '{"word": "one' }],
    });
    const streamed = sendsObjects.includes(protocol); // as a whole they are objects there
    const events = streamed ? await collect(pool().stream({ ...request, tools })) : [];
    const last = events.at(-1);
    const result = last?.type === 'end' ? last.result : await pool().generate({ ...request, tools });
    expect(result.toolCalls).toMatchObject([{ name: 'look_up', input: null, rawInput: '{"word": "one' }]);
  });

  it.each(['generate', 'stream'] as const)(
    'answers with JSON of the schema that was asked for: %s',
    async (way) => {
      const output = {
        name: 'sum',
        schema: { type: 'object', properties: { value: { type: 'number' } }, required: ['value'] },
      };
      server.respondNext({ text: '{"value": "many"}' }, { text: '{"value": 42}' });
      const events = way === 'generate' ? [] : await collect(pool().stream({ ...request, output }));
      const last = events.at(-1);
      const result = last?.type === 'end' ? last.result : await pool().generate({ ...request, output });
      expect(result.object).toEqual({ value: 42 });
      expect(result.attempts).toMatchObject([
        { outcome: 'malformed', errorType: 'output_not_of_schema' },
        { outcome: 'ok' },
      ]);
      expect(JSON.stringify(server.requests.at(-1)?.body)).toContain('"value"');
      if (way === 'generate') return;
      const restart = events.findIndex(({ type }) => type === 'restart');
      expect(textOf(events.slice(restart))).toBe('{"value": 42}');
    },
  );

  it('says when the answer was cut at the limit', async () => {
    server.respondNext({ text: 'It is', finish: 'length' }, { text: 'It is', finish: 'length' });
    expect(await pool().generate(request)).toMatchObject({ text: 'It is', finish: 'length' });
    const events = await collect(pool().stream(request));
    expect(events.at(-1)).toMatchObject({ result: { text: 'It is', finish: 'length' } });
  });

  it('says when the model refused, without asking again', async () => {
    if (protocol === 'mistral') return; // it has no word for it
    const before = server.requests.length;
    server.respondNext({ text: 'I cannot help with that.', finish: 'refused' });
    expect(await pool().generate(request)).toMatchObject({ finish: 'refused' });
    server.respondNext({ text: '', finish: 'refused' });
    expect(await pool().generate(request)).toMatchObject({ text: '', finish: 'refused' });
    expect(server.requests.length - before).toBe(2);
  });

  it.each(['generate', 'stream'] as const)(
    'takes a prompt that the provider’s filter stops for a refusal, and counts what it may cost: %s',
    async (way) => {
      if (protocol !== 'azure') return; // nobody else says it with an error
      const before = server.requests.length;
      server.respondNext({ status: 400, errorType: 'content_filter', message: 'The response was filtered' });
      const last = way === 'generate' ? undefined : (await collect(pool().stream(request))).at(-1);
      const result = last?.type === 'end' ? last.result : await pool().generate(request);
      expect(result).toMatchObject({
        text: '',
        finish: 'refused',
        attempts: [{ outcome: 'ok', status: 400, errorType: 'content_filter', cost: { isEstimated: true } }],
      });
      expect(server.requests.length - before).toBe(1);
      expect(budget.calls[0]?.settled[0]?.usage?.inputTokens).toBeGreaterThan(0);
    },
  );

  it('names the provider’s own error type', async () => {
    server.respondNext({ status: 401, errorType: 'authentication_error', message: 'key-1 is wrong' });
    await expect(pool().generate(request)).rejects.toMatchObject({
      code: 'model_rejected',
      details: { attempts: [{ outcome: 'unauthorized', status: 401, errorType: 'authentication_error' }] },
    });
    expect(budget.calls[0]?.settled).toMatchObject([{ usage: null }]);
  });

  it('tells a wrong key from a wrong request', async () => {
    const wrong = poolFor({ ...here(), apiKey: 'wrong' });
    await expect(wrong.generate(request)).rejects.toMatchObject({
      code: 'model_rejected',
      details: { attempts: [{ outcome: 'unauthorized' }] },
    });
  });

  it.each([
    [429, 'rate_limit_error', 'rate_limited'],
    [500, 'api_error', 'server_error'],
    [529, 'overloaded_error', 'overloaded'],
  ])(
    'asks again after %i when the provider says, for a stream as well',
    async (status, errorType, outcome) => {
      const attempts = [{ outcome, status, errorType, usage: null }, { outcome: 'ok' }];
      server.respondNext({ status, errorType, headers: { 'retry-after': '1' } });
      expect(await pool().generate(request)).toMatchObject({ attempts });
      server.respondNext({ status, errorType, headers: { 'retry-after': '2' } });
      const events = await collect(pool().stream(request));
      expect(events.some(({ type }) => type === 'restart')).toBe(false);
      expect(events.at(-1)).toMatchObject({ result: { attempts } });
      expect(waitsMs).toEqual([1_000, 2_000]);
    },
  );

  it.each(['cut', 'end', 'error'] as const)(
    'begins anew when a stream breaks off, and says so: %s',
    async (how) => {
      const seen = Promise.withResolvers<void>();
      async function* pieces() {
        yield 'Half ';
        yield 'of it';
        await seen.promise;
      }
      const after = how === 'error' ? { errorType: 'overloaded_error' } : how;
      server.respondNext({ pieces: pieces(), after }, 'All of it.');
      const events: ModelEvent[] = [];
      for await (const event of pool().stream(request)) {
        events.push(event);
        if (textOf(events) === 'Half of it') seen.resolve();
      }
      const restart = events.findIndex(({ type }) => type === 'restart');
      expect(textOf(events.slice(0, restart))).toBe('Half of it');
      expect(textOf(events.slice(restart))).toBe('All of it.');
      expect(events.at(-1)).toMatchObject({
        result: {
          text: 'All of it.',
          attempts: [{ outcome: breaks[how], cost: { isEstimated: true } }, { outcome: 'ok' }],
        },
      });
      expect(budget.calls[0]?.settled[0]?.usage?.outputTokens).toBeGreaterThan(2);
    },
  );

  it('gives up a stream whose first token is too slow, or that falls silent', async () => {
    const timeouts = { firstTokenMs: 250, idleMs: 250 };
    server.respondNext({ pieces: [], after: 'hang' }, { pieces: ['Half'], after: 'hang' }, 'All.');
    const events = await collect(pool(timeouts).stream(request));
    expect(events.at(-1)).toMatchObject({
      result: {
        text: 'All.',
        attempts: [
          { outcome: 'timeout', errorType: 'first_token_timeout', firstTokenMs: null },
          { outcome: 'timeout', errorType: 'idle_timeout', firstTokenMs: expect.any(Number) },
          { outcome: 'ok' },
        ],
      },
    });
  });

  it('closes the socket when the consumer leaves, and settles what had come', async () => {
    server.respondNext({ pieces: ['Some ', 'words '], after: 'hang' });
    for await (const event of pool().stream(request)) {
      if (event.type === 'text' && event.text.includes('words')) break;
    }
    await server.requests.at(-1)?.abandoned; // resolves only when the connection is closed
    expect(budget.calls[0]?.settled).toMatchObject([{ isEstimated: true, outcome: 'aborted' }]);
  });

  it('reads a huge answer', async () => {
    const text = 'word '.repeat(200_000);
    server.respondNext({ text }, { pieces: Array.from({ length: 2_000 }, () => 'word '.repeat(100)) });
    expect((await pool().generate(request)).text).toBe(text);
    expect(textOf(await collect(pool().stream(request)))).toBe(text);
  });

  it('works when the answer carries no usage', async () => {
    if (['anthropic', 'bedrock', 'mistral'].includes(protocol)) return; // they always report it
    server.respondNext({ text: 'Hi', usage: null });
    const result = await pool().generate(request);
    expect(result).toMatchObject({ text: 'Hi', usage: { inputTokens: null, outputTokens: null } });
    expect(budget.calls[0]?.settled[0]).toMatchObject({ isEstimated: true });
  });
});

it('tells OpenAI not to keep what was said', async () => {
  const entry: RouteEntry = {
    provider: 'openai',
    model: 'gpt-5.4',
    apiKey: 'key-1',
    baseUrl: server.urls.openai,
  };
  await poolFor(entry).generate(request);
  expect(server.requests.at(-1)?.body).toMatchObject({ store: false });
});

describe('caching', () => {
  const cacheMark = { type: 'ephemeral' };
  const cached = { ...request, context: 'Today is Friday.', cacheKey: 'conversation 7', tools };

  it('marks for Anthropic the stable part and the end of the conversation', async () => {
    await poolFor({
      provider: 'anthropic',
      model: 'claude-sonnet-4-5',
      apiKey: 'key-1',
      baseUrl: server.urls.anthropic,
    }).generate(cached);
    const { system, messages } = (server.requests.at(-1)?.body ?? {}) as {
      system: object[];
      messages: { content: object[] }[];
    };
    expect(system).toEqual([
      { type: 'text', text: 'You are Ada.', cache_control: cacheMark },
      { type: 'text', text: 'Today is Friday.' },
    ]);
    expect(messages.map(({ content }) => content.some((part) => 'cache_control' in part))).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('marks for Bedrock where the model can cache', async () => {
    const entry: RouteEntry = {
      provider: 'bedrock',
      model: models.bedrock,
      apiKey: 'key-1',
      baseUrl: server.urls.bedrock,
    };
    await poolFor(entry).generate(cached);
    expect(server.requests.at(-1)?.body.system).toEqual([
      { text: 'You are Ada.' },
      { cachePoint: { type: 'default' } },
      { text: 'Today is Friday.' },
    ]);
    await poolFor({ ...entry, model: 'meta.llama3-3-70b-instruct-v1:0' }).generate(cached);
    expect(JSON.stringify(server.requests.at(-1)?.body)).not.toContain('cachePoint');
  });

  it('names the conversation to OpenAI, differently for every tenant and without its id', async () => {
    const entry: RouteEntry = {
      provider: 'openai',
      model: 'gpt-5.4',
      apiKey: 'key-1',
      baseUrl: server.urls.openai,
    };
    const keyOf = async (tenantId: string) => {
      await poolFor(entry).generate({ ...cached, tenantId });
      return String(server.requests.at(-1)?.body.prompt_cache_key);
    };
    const [first, again, other] = [await keyOf('one'), await keyOf('one'), await keyOf('two')];
    expect(first).toBe(again);
    expect(first).not.toBe(other);
    expect(first).toMatch(/^[0-9a-f]{32}$/);
  });
});

/** A second, independent reading of the protocols: our own stand-in could share a mistake with our own code. */
describe('against aimock', () => {
  const mock = new LLMock({ port: 0, logLevel: 'silent' });
  const tokens = {
    prompt_tokens: 31,
    completion_tokens: 7,
    input_tokens: 31,
    output_tokens: 7,
    promptTokenCount: 31,
    candidatesTokenCount: 7,
  };
  beforeAll(async () => {
    mock.onMessage(/6 × 7/, { content: 'It is 42.', usage: tokens });
    await mock.start();
  });
  afterAll(() => mock.stop());

  it.each(['anthropic', 'openai', 'google', 'openai-compatible', 'ollama'] as const)(
    'gets an answer from %s',
    async (provider) => {
      const baseUrl = provider === 'openai-compatible' ? `${mock.url}/v1` : mock.url;
      const pool = poolFor({ provider, model: models[provider], apiKey: 'key-1', baseUrl });
      expect(await pool.generate(request)).toMatchObject({
        text: 'It is 42.',
        finish: 'stop',
        usage: { inputTokens: 31, outputTokens: 7 },
      });
    },
  );

  it('understands its errors', async () => {
    mock.nextRequestError(429, { message: 'slow down', type: 'rate_limit_error' });
    const pool = poolFor({ provider: 'anthropic', model: 'm', apiKey: 'key-1', baseUrl: mock.url });
    const { attempts } = await pool.generate(request);
    expect(attempts).toMatchObject([{ outcome: 'rate_limited', status: 429 }, { outcome: 'ok' }]);
  });
});
