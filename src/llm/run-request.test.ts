// One file for every way a request can take through its models: the ways differ in a reply or two.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ModelServer, startModelServer } from '../../test/support/model-server.ts';
import { createRecordingBudget, type RecordingBudget } from '../../test/support/recording-budget.ts';
import { isKonstructError, type KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import type { ModelEvent, ModelRequest, ProviderKeys, Route, RouteEntry } from '../core/model.ts';
import { createModelPool, type ModelPoolOptions } from './create-model-pool.ts';
import { CONNECT_TIMEOUT, createKeepAliveFetch } from './keep-alive-fetch.ts';

let server: ModelServer;
let keys: ProviderKeys;
let budget: RecordingBudget;
let logLines: { readonly event: string; readonly fields: object }[];

beforeEach(async () => {
  server = await startModelServer();
  keys = {
    anthropic: { apiKey: 'key-a,key-b', baseUrl: server.urls.anthropic },
    openai: { apiKey: 'key-o', baseUrl: server.urls.openai },
    mistral: { apiKey: 'key-m', baseUrl: server.urls.mistral },
  };
  budget = createRecordingBudget();
  logLines = [];
});
afterEach(async () => {
  expect(budget.unsettled()).toEqual([]);
  await server.close();
});

const claude: RouteEntry = { provider: 'anthropic', model: 'claude-sonnet-4-5' };
const gpt: RouteEntry = { provider: 'openai', model: 'gpt-5.4' };
const mistral: RouteEntry = { provider: 'mistral', model: 'mistral-large-latest' };

function poolOf(route: Omit<Route, 'name'>, overrides: Partial<ModelPoolOptions> = {}) {
  const write = (event: string, fields: object = {}) => void logLines.push({ event, fields });
  const log: Log = { debug: write, info: write, warn: write, error: write };
  return createModelPool({
    routes: async (name) => ({ name, ...route }),
    keys,
    budget,
    clock: Date.now,
    random: () => 0,
    sleep: async () => undefined,
    log,
    ...overrides,
  });
}

function request(overrides: Partial<ModelRequest> = {}): ModelRequest {
  return {
    tenantId: 'tenant-1',
    route: 'default',
    system: 'You are Ada.',
    messages: [{ role: 'user', content: 'Hello' }],
    maxOutputTokens: 1000,
    signal: new AbortController().signal,
    ...overrides,
  };
}

async function collect(events: AsyncIterable<ModelEvent>) {
  let shown = '';
  const types: string[] = [];
  for await (const event of events) {
    if (types.at(-1) !== event.type) types.push(event.type);
    if (event.type === 'restart') shown = '';
    if (event.type === 'text') shown += event.text;
    if (event.type === 'end') return { shown, types, result: event.result };
  }
  throw new Error('no end');
}

async function failureOf(promise: Promise<unknown>): Promise<KonstructError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (!isKonstructError(error)) throw error;
  return error;
}

function outcomes(source: unknown): readonly string[] {
  const { attempts } = source as { readonly attempts: readonly { provider: string; outcome: string }[] };
  return attempts.map(({ provider, outcome }) => `${provider} ${outcome}`);
}

describe('a stream', () => {
  it('falls back unseen before anything was shown, and replaces what was shown afterwards', async () => {
    const pool = poolOf({ entries: [claude, gpt] }, { retries: { maxRetries: 0 } });
    server.respondNext({ status: 500 }, 'From the second.');
    expect(await collect(pool.stream(request()))).toMatchObject({
      shown: 'From the second.',
      types: ['text', 'end'],
    });

    const seen = Promise.withResolvers<void>();
    async function* half() {
      yield 'From the fi';
      await seen.promise;
    }
    server.respondNext({ pieces: half(), after: 'cut' }, 'From the second.');
    const types: string[] = [];
    for await (const event of pool.stream(request())) {
      types.push(event.type);
      seen.resolve();
    }
    expect(types.filter((type, index) => type !== types[index - 1])).toEqual([
      'text',
      'restart',
      'text',
      'end',
    ]);
  });

  it('reads nothing ahead: a consumer that waits makes the provider wait', async () => {
    const piece = 'x'.repeat(10_000);
    const total = 5_000;
    server.respondNext({ pieces: Array.from({ length: total }, () => piece) });
    const events = poolOf({ entries: [claude] })
      .stream(request())
      [Symbol.asyncIterator]();
    await events.next();
    // 50 MB are wanted; what fits into the buffers of two sockets is all that may be under way.
    let sent = -1;
    while (sent !== server.requests[0]?.sentPieces) {
      sent = server.requests[0]?.sentPieces ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(total / 2);
    await events.return?.(undefined);
    await server.requests[0]?.abandoned;
  });

  it('closes the socket when the request is aborted, and ends', async () => {
    const controller = new AbortController();
    server.respondNext({ pieces: ['Some '], after: 'hang' });
    const failure = failureOf(
      (async () => {
        for await (const event of poolOf({ entries: [claude, gpt] }).stream(
          request({ signal: controller.signal }),
        )) {
          if (event.type === 'text') controller.abort();
        }
      })(),
    );
    await server.requests[0]?.abandoned;
    const error = await failure;
    expect(error.code).toBe('aborted');
    await server.requests[0]?.abandoned;
    expect(outcomes(error.details)).toEqual(['anthropic aborted']);
    expect(server.requests).toHaveLength(1);
  });

  it.each(['stream', 'generate'] as const)(
    'is closed at the provider’s socket within 100 ms: %s',
    async (way) => {
      const pool = poolOf({ entries: [claude] });
      // The median of five: a machine that does something else just then says nothing about the pool.
      const tookMs: number[] = [];
      for (let attempt = 0; attempt < 5; attempt += 1) {
        const controller = new AbortController();
        const before = server.requests.length;
        server.respondNext(way === 'stream' ? { pieces: ['Some '], after: 'hang' } : { hang: true });
        const wanted = request({ signal: controller.signal });
        const failure = failureOf(way === 'stream' ? collect(pool.stream(wanted)) : pool.generate(wanted));
        await expect.poll(() => server.requests.length).toBe(before + 1);
        const abortedAtMs = performance.now();
        controller.abort();
        await server.requests[before]?.abandoned;
        tookMs.push(performance.now() - abortedAtMs);
        expect((await failure).code).toBe('aborted');
      }
      expect(tookMs.toSorted((a, b) => a - b)[2]).toBeLessThan(100);
    },
  );

  it('is ended by the total deadline in the middle of a text', async () => {
    server.respond(() => ({ pieces: ['Some '], after: 'hang' }));
    const pool = poolOf({ entries: [claude, gpt], timeouts: { totalMs: 400 } });
    const error = await failureOf(collect(pool.stream(request())));
    expect(error.code).toBe('model_unavailable');
    expect(outcomes(error.details)).toEqual(['anthropic timeout']);
  });

  it('gives up a connection that does not stand in time', async () => {
    // It takes the connection and never shakes hands.
    const silent = createServer((socket) => void socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const nowhere: RouteEntry = { ...claude, baseUrl: `https://127.0.0.1:${port}/v1` };
    const pool = poolOf(
      { entries: [nowhere, gpt], timeouts: { connectMs: 50, firstTokenMs: 3_000 } },
      { retries: { maxRetries: 0 } },
    );
    const { result } = await collect(pool.stream(request()));
    silent.close();
    expect(outcomes(result)).toEqual(['anthropic timeout', 'openai ok']);
    expect(result.attempts[0]?.errorType).toBe(CONNECT_TIMEOUT);
    expect(budget.calls[0]?.settled).toMatchObject([{ usage: null }]);
  });
});

describe('a call that never left', () => {
  it('costs nothing when the provider speaks no TLS', async () => {
    const baseUrl = server.urls.anthropic.replace('http:', 'https:');
    const pool = poolOf({ entries: [{ ...claude, baseUrl }, gpt] }, { retries: { maxRetries: 0 } });
    const { result } = await collect(pool.stream(request()));
    expect(outcomes(result)).toEqual(['anthropic network', 'openai ok']);
    expect(budget.calls[0]?.settled).toMatchObject([{ usage: null, isEstimated: false }]);
  });

  it('is not prepared when it was aborted while the route was looked up', async () => {
    const controller = new AbortController();
    const routes = async (name: string) => {
      controller.abort();
      return { name, entries: [claude] };
    };
    const pool = poolOf({ entries: [claude] }, { routes });
    const error = await failureOf(pool.generate(request({ signal: controller.signal })));
    expect(error.code).toBe('aborted');
    expect(budget.calls).toEqual([]);
  });
});

describe('a hedge', () => {
  const route = { entries: [claude, gpt], hedgeAfterMs: 20 };

  it('starts a second model when the first shows nothing, cancels the loser and counts its cost', async () => {
    server.respond(({ protocol }) => (protocol === 'anthropic' ? { pieces: [], after: 'hang' } : 'Second.'));
    const { shown, types, result } = await collect(poolOf(route).stream(request()));
    expect({ shown, types }).toEqual({ shown: 'Second.', types: ['text', 'end'] });
    expect(outcomes(result)).toContain('anthropic outrun');
    expect(outcomes(result)).toContain('openai ok');
    await server.requests.find(({ protocol }) => protocol === 'anthropic')?.abandoned;
    const loser = budget.calls.find(({ planned }) => planned.provider === 'anthropic');
    expect(loser?.settled).toMatchObject([
      { outcome: 'outrun', isEstimated: true, usage: { inputTokens: expect.any(Number) } },
    ]);
  });

  it('lets the first win when its token comes before the second’s', async () => {
    const second = Promise.withResolvers<void>();
    async function* late() {
      await second.promise;
      yield 'First.';
    }
    server.respond(({ protocol }) => {
      if (protocol === 'anthropic') return { pieces: late() };
      second.resolve();
      return { pieces: [], after: 'hang' };
    });
    const { shown, result } = await collect(poolOf(route).stream(request()));
    expect(shown).toBe('First.');
    expect([...outcomes(result)].sort()).toEqual(['anthropic ok', 'openai outrun']);
  });

  it('does not start where the first is quick, and works for an answer as a whole', async () => {
    server.respond(() => 'Quick.');
    const pool = poolOf({ ...route, hedgeAfterMs: 60_000 });
    expect(outcomes(await pool.generate(request()))).toEqual(['anthropic ok']);
    server.respond(({ protocol }) => (protocol === 'anthropic' ? { hang: true } : 'Second.'));
    expect((await poolOf(route).generate(request())).text).toBe('Second.');
  });

  it('goes on to the third when both fail', async () => {
    server.respond(async ({ protocol }) => {
      if (protocol === 'mistral') return 'Third.';
      await new Promise((resolve) => setTimeout(resolve, 60));
      return { status: 400 };
    });
    const result = await poolOf({ ...route, entries: [claude, gpt, mistral] }).generate(request());
    expect(result.text).toBe('Third.');
    expect(server.requests).toHaveLength(3);
  });
});

describe('a course', () => {
  it('begins with the preferred model, with what the route knows of it', async () => {
    const pool = poolOf({ entries: [claude, { ...gpt, apiKey: 'own' }] });
    expect((await pool.generate(request({ preferred: gpt }))).provider).toBe('openai');
    expect(server.requests[0]?.apiKey).toBe('own');
  });

  it('splits by weight, and keeps a conversation with one model', async () => {
    const entries = [
      { ...claude, weight: 75 },
      { ...gpt, weight: 25 },
    ];
    const first = async (random: number) =>
      (await poolOf({ entries }, { random: () => random }).generate(request())).provider;
    expect([await first(0), await first(0.74), await first(0.76)]).toEqual([
      'anthropic',
      'anthropic',
      'openai',
    ]);
    const of = async (cacheKey: string, random: number) =>
      (await poolOf({ entries }, { random: () => random }).generate(request({ cacheKey }))).provider;
    for (const cacheKey of ['one', 'two', 'three'])
      expect(await of(cacheKey, 0)).toBe(await of(cacheKey, 0.99));
  });

  it('asks no model that has no weight in a trial, not even when the others fail', async () => {
    const entries = [
      { ...claude, weight: 0 },
      { ...gpt, weight: 1 },
      { ...mistral, weight: 1 },
    ];
    server.respond(({ protocol }) => (protocol === 'openai' ? { status: 400 } : 'Fine.'));
    const pool = poolOf({ entries }, { random: () => 0 });
    expect(outcomes(await pool.generate(request()))).toEqual(['openai rejected', 'mistral ok']);
    server.respond(() => ({ status: 400 }));
    const error = await failureOf(pool.generate(request()));
    expect(outcomes(error.details)).toEqual(['openai rejected', 'mistral rejected']);
  });

  it('leaves out a model whose window is too small, and goes to a longer one when a provider says so', async () => {
    const small = poolOf({ entries: [{ ...claude, contextTokens: 1_100 }, gpt] });
    const long = request({ messages: [{ role: 'user', content: 'word '.repeat(400) }] });
    expect(outcomes(await small.generate(long))).toEqual(['anthropic too_long', 'openai ok']);
    expect(server.requests).toHaveLength(1);

    server.respondNext({
      status: 400,
      errorType: 'invalid_request_error',
      message: 'prompt is too long: 250000 tokens > 200000 maximum',
    });
    const pool = poolOf({
      entries: [
        { ...claude, contextTokens: 200_000 },
        { ...mistral, contextTokens: 128_000 },
        { ...gpt, contextTokens: 400_000 },
      ],
    });
    expect(outcomes(await pool.generate(request()))).toEqual(['anthropic too_long', 'openai ok']);
  });

  it('asks a model whose window may be large enough after all, behind those that surely fit', async () => {
    // 236 kB are 79,000 tokens by our count, and 52,000 by a tokenizer's.
    const long = request({ messages: [{ role: 'user', content: 'Plain English text. '.repeat(11_800) }] });
    const alone = poolOf({ entries: [{ ...claude, contextTokens: 75_000 }] });
    expect(outcomes(await alone.generate(long))).toEqual(['anthropic ok']);

    const some = poolOf({
      entries: [
        { ...mistral, contextTokens: 60_000 },
        { ...claude, contextTokens: 75_000 },
        { ...gpt, contextTokens: 400_000 },
      ],
    });
    expect(outcomes(await some.generate(long))).toEqual(['openai ok']);
    server.respondNext({ status: 400 });
    expect(outcomes(await some.generate(long))).toEqual(['openai rejected', 'anthropic ok']);
    server.respondNext(
      { status: 400 },
      { status: 400, message: 'prompt is too long: 76000 tokens > 75000 maximum' },
    );
    const error = await failureOf(some.generate(long));
    expect(outcomes(error.details)).toEqual(['openai rejected', 'anthropic too_long']); // not the narrower one
  });

  it('asks no model with a prompt of more than twice its window, not even the last one', async () => {
    const long = request({ messages: [{ role: 'user', content: 'Plain English text. '.repeat(11_800) }] });
    const error = await failureOf(poolOf({ entries: [{ ...claude, contextTokens: 32_000 }] }).generate(long));
    expect(outcomes(error.details)).toEqual(['anthropic too_long']);
    expect(server.requests).toHaveLength(0);
  });

  it('takes a refusal for the answer, or asks the next model where the route says so', async () => {
    const refused = { text: 'No.', finish: 'refused' } as const;
    server.respondNext(refused);
    expect(await poolOf({ entries: [claude, gpt] }).generate(request())).toMatchObject({ finish: 'refused' });
    server.respondNext(refused, 'Yes.');
    const result = await poolOf({ entries: [claude, gpt], onRefusal: 'next' }).generate(request());
    expect(result).toMatchObject({ text: 'Yes.', finish: 'stop' });
    expect(outcomes(result)).toEqual(['anthropic refused', 'openai ok']);
  });

  it('does the same with a prompt that a filter stops before the model sees it', async () => {
    const stopped = { status: 400, errorType: 'content_filter' };
    const azure: RouteEntry = {
      provider: 'azure',
      model: 'my-deployment',
      apiKey: 'key-z',
      baseUrl: server.urls.azure,
    };
    server.respondNext(stopped);
    expect(await poolOf({ entries: [azure, gpt] }).generate(request())).toMatchObject({
      provider: 'azure',
      finish: 'refused',
    });
    server.respondNext(stopped, 'Yes.');
    const result = await poolOf({ entries: [azure, gpt], onRefusal: 'next' }).generate(request());
    expect(result).toMatchObject({ text: 'Yes.', finish: 'stop' });
    expect(outcomes(result)).toEqual(['azure refused', 'openai ok']);
  });

  it('keeps the refusal when the other models fail', async () => {
    server.respond(({ protocol }) =>
      protocol === 'anthropic' ? { text: 'No.', finish: 'refused' } : { status: 400 },
    );
    const result = await poolOf({ entries: [claude, gpt], onRefusal: 'next' }).generate(request());
    expect(result).toMatchObject({ text: 'No.', finish: 'refused', provider: 'anthropic' });
  });
});

describe('keys', () => {
  it('takes the next key at once when one is at its limit or refused', async () => {
    const pool = poolOf({ entries: [claude] });
    server.respondNext({ status: 429, headers: { 'retry-after': '60' } }, 'From the second key.');
    await pool.generate(request());
    expect(server.requests.map(({ apiKey }) => apiKey)).toEqual(['key-a', 'key-b']);
    await pool.generate(request()); // key-a is still left alone
    expect(server.requests.at(-1)?.apiKey).toBe('key-b');
    expect(pool.snapshot().keys).toMatchObject([{ provider: 'anthropic', state: 'limited' }]);
  });

  it('leaves a key at its limit alone for as long as the provider says, and no longer', async () => {
    let nowMs = 1_000_000;
    const pool = poolOf({ entries: [claude] }, { clock: () => nowMs });
    server.respondNext({ status: 429, headers: { 'retry-after': '60' } }, 'From the second key.');
    const keyAfter = async (ms: number) => {
      nowMs += ms;
      await pool.generate(request());
      return server.requests.at(-1)?.apiKey;
    };
    expect(await keyAfter(0)).toBe('key-b');
    expect(await keyAfter(59_000)).toBe('key-b');
    expect(await keyAfter(2_000)).toBe('key-a');
  });

  it('sets a refused key aside and reports it, without telling it', async () => {
    server.respond(({ apiKey }) => (apiKey === 'key-a' ? { status: 401 } : 'Fine.'));
    const pool = poolOf({ entries: [claude] });
    for (let call = 0; call < 3; call += 1) await pool.generate(request());
    expect(server.requests.filter(({ apiKey }) => apiKey === 'key-a')).toHaveLength(1);
    expect(logLines.filter(({ event }) => event === 'model.key_refused')).toHaveLength(1);
    expect(pool.snapshot().keys).toMatchObject([
      { provider: 'anthropic', state: 'dead', keyId: expect.stringMatching(/^[0-9a-f]{8}$/) },
    ]);
    expect(inspect([logLines, pool.snapshot()], { depth: 9 })).not.toContain('key-a');
  });

  it.each([
    [gpt, { status: 429, errorType: 'insufficient_quota' }],
    [gpt, { status: 429, errorType: 'credit_balance_exhausted' }],
    [mistral, { status: 402 }],
    [claude, { status: 402, errorType: 'billing_error' }],
    [
      claude,
      {
        status: 400,
        errorType: 'invalid_request_error',
        message: 'Your credit balance is too low to access the Anthropic API.',
      },
    ],
  ])(
    'sets a key aside whose account is out of money, and asks with the next: %j %j',
    async (entry, spent) => {
      server.respond(({ apiKey }) => (apiKey === 'spent' ? spent : 'Fine.'));
      const pool = poolOf({ entries: [{ ...entry, apiKeys: ['spent', 'good'] }] });
      expect(outcomes(await pool.generate(request()))).toEqual([
        `${entry.provider} unauthorized`,
        `${entry.provider} ok`,
      ]);
      await pool.generate(request());
      expect(server.requests.map(({ apiKey }) => apiKey)).toEqual(['spent', 'good', 'good']);
      expect(pool.snapshot().keys).toMatchObject([{ provider: entry.provider, state: 'dead' }]);
      expect(logLines.filter(({ event }) => event === 'model.key_refused')).toMatchObject([
        { fields: { fault: 'spent', status: spent.status } },
      ]);
    },
  );

  it('goes on to the next model when all keys are spent, without asking twice with any', async () => {
    server.respond(({ apiKey }) => (apiKey === 'key-g' ? 'Fine.' : { status: 402 }));
    const pool = poolOf({
      entries: [
        { ...claude, apiKeys: ['one', 'two'] },
        { ...gpt, apiKey: 'key-g' },
      ],
    });
    expect(outcomes(await pool.generate(request()))).toEqual([
      'anthropic unauthorized',
      'anthropic unauthorized',
      'openai ok',
    ]);
    expect(server.requests.map(({ apiKey }) => apiKey)).toEqual(['one', 'two', 'key-g']);
  });

  it('sets a key aside when a stream says that its account is out of money', async () => {
    server.respondNext({ pieces: [], after: { errorType: 'insufficient_quota' } }, 'Fine.');
    const pool = poolOf({ entries: [{ ...gpt, apiKeys: ['spent', 'good'] }] });
    expect(outcomes((await collect(pool.stream(request()))).result)).toEqual([
      'openai unauthorized',
      'openai ok',
    ]);
    expect(server.requests.map(({ apiKey }) => apiKey)).toEqual(['spent', 'good']);
  });

  it('sets a refused key aside at the address that refused it alone', async () => {
    server.respondNext({ status: 401 });
    const behindProxy = { ...claude, baseUrl: server.urls.anthropic.replace('127.0.0.1', 'localhost') };
    const one = { anthropic: { apiKey: 'key-a', baseUrl: server.urls.anthropic } };
    const pool = poolOf({ entries: [behindProxy, claude] }, { keys: one });
    expect(outcomes(await pool.generate(request()))).toEqual(['anthropic unauthorized', 'anthropic ok']);
    expect(outcomes(await pool.generate(request()))).toEqual(['anthropic unauthorized', 'anthropic ok']);
    expect(server.requests).toHaveLength(3); // the second time the proxy is not asked
    expect(pool.snapshot().keys).toMatchObject([{ host: new URL(behindProxy.baseUrl).host, state: 'dead' }]);
  });

  it('does not take the installation’s in place of a tenant’s that cannot be read', async () => {
    const pool = poolOf({ entries: [claude, gpt] }, { tenantKeys: async () => ({ anthropic: null }) });
    expect(outcomes(await pool.generate(request()))).toEqual(['anthropic unconfigured', 'openai ok']);
  });

  it('uses a tenant’s own keys for that tenant alone, and never the installation’s for it', async () => {
    const tenantKeys = async (tenantId: string) =>
      tenantId === 'tenant-1' ? { anthropic: ['tenant-1-key'] } : {};
    server.respond(({ apiKey }) => (apiKey === 'tenant-1-key' ? { status: 401 } : 'Fine.'));
    const pool = poolOf({ entries: [claude, gpt] }, { tenantKeys });
    expect(outcomes(await pool.generate(request()))).toEqual(['anthropic unauthorized', 'openai ok']);
    expect(outcomes(await pool.generate(request({ tenantId: 'tenant-2' })))).toEqual(['anthropic ok']);
    expect(server.requests.map(({ apiKey }) => apiKey)).toEqual(['tenant-1-key', 'key-o', 'key-a']);
  });

  it('sends a tenant’s key to no address that stands in a route', async () => {
    const pool = poolOf(
      { entries: [{ ...claude, baseUrl: server.urls.anthropic }] },
      { tenantKeys: async () => ({ anthropic: ['tenant-1-key'] }) },
    );
    await pool.generate(request());
    expect(server.requests[0]?.apiKey).toBe('key-a');
  });
});

describe('circuits', () => {
  const circuits = { failures: 3, openMs: 30 };

  it('leave a model alone that failed again and again, try it with one call, and close', async () => {
    const one = { ...claude, apiKey: 'one' };
    let isIll = true;
    server.respond(({ protocol }) => (protocol === 'anthropic' && isIll ? { status: 500 } : 'Fine.'));
    const pool = poolOf({ entries: [one, gpt] }, { circuits, retries: { maxRetries: 0 } });
    for (let call = 0; call < 3; call += 1) await pool.generate(request());
    expect(pool.snapshot().circuits).toContainEqual(
      expect.objectContaining({ provider: 'anthropic', state: 'open' }),
    );
    expect(outcomes(await pool.generate(request()))).toEqual(['anthropic circuit_open', 'openai ok']);
    const asked = server.requests.filter(({ protocol }) => protocol === 'anthropic').length;
    expect(asked).toBe(3);

    isIll = false;
    const until = Date.now() + 5_000;
    while (Date.now() < until) {
      if ((await pool.generate(request())).provider === 'anthropic') break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(pool.snapshot().circuits).toContainEqual(
      expect.objectContaining({ provider: 'anthropic', state: 'closed' }),
    );
  });

  it.each([429, 400, 413, 401])('close for everybody when the call that tries gets a %i', async (status) => {
    const pool = poolOf(
      { entries: [{ ...claude, apiKey: 'one' }, gpt] },
      { circuits: { failures: 1, openMs: 0 }, retries: { maxRetries: 0 } },
    );
    server.respondNext({ status: 500 }, 'From the second.', { status }, 'From the second.');
    await pool.generate(request());
    await pool.generate(request());
    expect(server.requests).toHaveLength(4);
    expect(pool.snapshot().circuits[0]).toMatchObject({ provider: 'anthropic', state: 'closed' });
  });

  it('are not tried by a tenant whose budget is used up', async () => {
    budget.refuse(({ tenantId }) => tenantId === 'poor');
    const pool = poolOf(
      { entries: [{ ...claude, apiKey: 'one' }, gpt] },
      { circuits: { failures: 1, openMs: 0 }, retries: { maxRetries: 0 } },
    );
    server.respondNext({ status: 500 });
    await pool.generate(request());
    const before = logLines.length;
    expect((await failureOf(pool.generate(request({ tenantId: 'poor' })))).code).toBe('budget_exhausted');
    expect(logLines.slice(before).filter(({ event }) => event.startsWith('model.circuit'))).toEqual([]);
    expect(outcomes(await pool.generate(request()))).toEqual(['anthropic ok']);
  });

  it('do not open for limits, refusals and cancelled calls', async () => {
    const pool = poolOf(
      { entries: [{ ...claude, apiKey: 'one' }] },
      { circuits, retries: { maxRetries: 0 } },
    );
    server.respond(() => ({ status: 429 }));
    for (let call = 0; call < 4; call += 1) await failureOf(pool.generate(request()));
    server.respond(() => ({ status: 400 }));
    for (let call = 0; call < 4; call += 1) await failureOf(pool.generate(request()));
    expect(pool.snapshot().circuits).toMatchObject([{ state: 'closed' }]);
  });
});

describe('budgets', () => {
  it('are asked before every call with the worst case, and told what it was', async () => {
    server.respondNext({ status: 500 }, { text: 'Fine.', usage: { inputTokens: 7, outputTokens: 2 } });
    const spender = { agentId: 'a', personId: 'p', turnId: 1 };
    const result = await poolOf({ entries: [{ ...claude, maxOutputTokens: 200 }] }).generate(
      request({ spender }),
    );
    expect(budget.calls.map(({ planned }) => planned)).toMatchObject([
      { tenantId: 'tenant-1', spender, provider: 'anthropic', maxOutputTokens: 200 },
      { maxOutputTokens: 200 },
    ]);
    expect(budget.calls[0]?.planned.maxInputTokens).toBeGreaterThan('You are Ada.Hello'.length);
    expect(budget.calls.map(({ settled }) => settled[0]?.usage?.inputTokens ?? null)).toEqual([null, 7]);
    expect(result.attempts.at(-1)?.cost).toEqual({ nanoUsd: 1, isEstimated: false, priceVersion: 'test' });
  });

  it('stop a request at once, unless a cheaper model fits', async () => {
    budget.refuse(({ provider }) => provider === 'anthropic');
    const pool = poolOf({ entries: [claude, gpt] });
    expect(outcomes(await pool.generate(request()))).toEqual(['anthropic over_budget', 'openai ok']);
    budget.refuse(() => true);
    const error = await failureOf(pool.generate(request()));
    expect(error).toMatchObject({ code: 'budget_exhausted', details: { limit: 'tenant day' } });
    expect(server.requests).toHaveLength(1);
  });

  it('let no call happen when they cannot be asked', async () => {
    const broken = { reserve: () => Promise.reject(new Error('the database is away')) };
    await expect(poolOf({ entries: [claude, gpt] }, { budget: broken }).generate(request())).rejects.toThrow(
      'away',
    );
    expect(server.requests).toHaveLength(0);
  });

  it('count an answer that is too long to be read as the longest there could have been', async () => {
    const fetch = createKeepAliveFetch({ maxAnswerBytes: 2_000 });
    server.respondNext('x'.repeat(3_000), 'From the second.');
    const result = await poolOf({ entries: [claude, gpt] }, { fetch }).generate(request());
    expect(result.attempts).toMatchObject([
      { outcome: 'malformed', status: 200, errorType: 'answer_too_large', usage: { outputTokens: 1_000 } },
      { outcome: 'ok' },
    ]);
    expect(budget.calls[0]?.settled[0]).toMatchObject({ isEstimated: true, outcome: 'malformed' });
  });

  it('do not cost the answer when the ledger cannot be written', async () => {
    const deaf = {
      reserve: async () => ({ settle: () => Promise.reject(new Error('the database is away')) }),
    };
    const result = await poolOf({ entries: [claude] }, { budget: deaf }).generate(request());
    expect(result.attempts).toMatchObject([{ outcome: 'ok', cost: null }]);
    expect(logLines.map(({ event }) => event)).toContain('model.settle_failed');
  });
});

describe('limits', () => {
  it('hold calls back and let tenants take turns', async () => {
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    server.respond(async ({ messages }) => {
      order.push(messages[0]?.content ?? '');
      await gate.promise;
      return 'Fine.';
    });
    const pool = poolOf({ entries: [claude] }, { limits: () => ({ concurrency: 1 }) });
    const ask = (tenantId: string, content: string) =>
      pool.generate(request({ tenantId, messages: [{ role: 'user', content }] }));
    const all = [ask('one', '1a'), ask('one', '1b'), ask('one', '1c'), ask('two', '2a'), ask('three', '3a')];
    await expect.poll(() => pool.snapshot().limits).toMatchObject([{ running: 1, waiting: 4 }]);
    gate.resolve();
    await Promise.all(all);
    expect(order).toEqual(['1a', '1b', '2a', '3a', '1c']);
    expect(pool.snapshot().limits).toMatchObject([{ running: 0, waiting: 0 }]);
  });

  it('count prompt and longest answer as tokens of the minute until it is known what a call used', async () => {
    const gate = Promise.withResolvers<void>();
    const usage = { inputTokens: 20, outputTokens: 10 };
    server.respond(async () => {
      await gate.promise;
      return { text: 'Fine.', usage };
    });
    const pool = poolOf({ entries: [claude] }, { limits: () => ({ tokensPerMinute: 1_200 }) });
    const all = [pool.generate(request()), pool.generate(request({ tenantId: 'two' }))]; // 1,000 and more each
    await expect.poll(() => server.requests.length).toBe(1);
    expect(pool.snapshot().limits).toMatchObject([{ running: 1, waiting: 1 }]);
    gate.resolve();
    await Promise.all(all); // not a minute later
  });

  it('make no call that took no time: what was not asked is counted, and not among the durations', async () => {
    const observed: string[] = [];
    const counted: string[] = [];
    const metrics: Metrics = {
      ...noMetrics,
      counter: (name, labels) => ({
        increment: () => counted.push([name, ...Object.values(labels)].join(' ')),
      }),
      histogram: (name, labels) => ({
        observe: () => observed.push([name, ...Object.values(labels)].join(' ')),
      }),
    };
    const small = { ...mistral, contextTokens: 100 };
    const pool = poolOf({ entries: [small, claude, gpt] }, { metrics, retries: { maxRetries: 0 } });
    server.respondNext({ status: 429 }, { status: 401 }, 'First.', 'Second.');
    await pool.generate(request());
    await pool.generate(request()); // one key is at its limit, the other set aside
    expect(counted.filter((line) => line.startsWith('konstruct_model_attempts_total'))).toEqual([
      'konstruct_model_attempts_total mistral mistral-large-latest too_long',
      'konstruct_model_attempts_total anthropic claude-sonnet-4-5 rate_limited',
      'konstruct_model_attempts_total anthropic claude-sonnet-4-5 unauthorized',
      'konstruct_model_attempts_total openai gpt-5.4 ok',
      'konstruct_model_attempts_total mistral mistral-large-latest too_long',
      'konstruct_model_attempts_total anthropic claude-sonnet-4-5 rate_limited',
      'konstruct_model_attempts_total openai gpt-5.4 ok',
    ]);
    expect(observed).toEqual([
      'konstruct_model_attempt_seconds anthropic claude-sonnet-4-5',
      'konstruct_model_attempt_seconds anthropic claude-sonnet-4-5',
      'konstruct_model_attempt_seconds openai gpt-5.4',
      'konstruct_model_attempt_seconds openai gpt-5.4',
    ]);
  });

  it('are no reason not to try again later', async () => {
    const usage = { inputTokens: 1_000, outputTokens: 1_000 };
    server.respond(() => ({ text: 'Fine.', usage }));
    const pool = poolOf(
      { entries: [claude], timeouts: { totalMs: 150 } },
      { limits: () => ({ tokensPerMinute: 2_000 }) },
    );
    await pool.generate(request());
    const error = await failureOf(pool.generate(request()));
    expect(error).toMatchObject({ code: 'model_unavailable', retryable: true });
    expect(error.details.attempts).toMatchObject([{ outcome: 'rate_limited', errorType: 'own_limit' }]);
    expect(server.requests).toHaveLength(1);
  });

  it('end a wait with the deadline and with the request', async () => {
    server.respond(() => ({ hang: true }));
    const holder = new AbortController();
    const pool = poolOf(
      { entries: [claude], timeouts: { totalMs: 150 } },
      { limits: () => ({ concurrency: 1 }) },
    );
    const held = failureOf(pool.generate(request({ signal: holder.signal })));
    await expect.poll(() => server.requests.length).toBe(1);
    const leaver = new AbortController();
    const left = failureOf(pool.generate(request({ signal: leaver.signal })));
    await expect.poll(() => pool.snapshot().limits[0]?.waiting).toBe(1);
    leaver.abort();
    expect((await left).code).toBe('aborted');
    const waited = await failureOf(pool.generate(request()));
    expect(waited.code).toBe('model_unavailable');
    holder.abort();
    await held;
    expect(pool.snapshot().limits).toMatchObject([{ running: 0, waiting: 0 }]);
  });
});

describe('a turn that somebody else has by now', () => {
  it('is not asked about again after a pause, nor at another model', async () => {
    let isOurs = true;
    const sleep = async () => {
      isOurs = false; // the process was stopped in its pause, for longer than its lease
    };
    const pool = poolOf({ entries: [claude, gpt] }, { sleep, retries: { maxRetries: 3 } });
    server.respondNext({ status: 503 });
    const asking = pool.generate(request({ mayStillAsk: () => isOurs }));
    expect((await failureOf(asking)).code).toBe('lease_lost');
    expect(server.requests).toHaveLength(1);

    isOurs = true;
    const other = poolOf({ entries: [claude, gpt] }, { sleep, retries: { maxRetries: 0 } });
    server.respondNext({ status: 400 });
    const looks = [true, false];
    const failed = await failureOf(other.generate(request({ mayStillAsk: () => looks.shift() ?? false })));
    expect(failed.code).toBe('lease_lost');
    expect(server.requests).toHaveLength(2);
  });

  it('is not asked about when the wait for its budget was too long', async () => {
    let isOurs = true;
    const pool = poolOf(
      { entries: [claude] },
      {
        budget: {
          async reserve(call) {
            isOurs = false;
            return budget.reserve(call);
          },
        },
      },
    );
    const asking = pool.generate(request({ mayStillAsk: () => isOurs }));
    expect((await failureOf(asking)).code).toBe('lease_lost');
    expect(server.requests).toHaveLength(0);
  });
});
