import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ModelServer, startModelServer } from '../../test/support/model-server.ts';
import { createRecordingBudget, type RecordingBudget } from '../../test/support/recording-budget.ts';
import { isKonstructError, type KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ModelRequest, ProviderKeys, RouteEntry } from '../core/model.ts';
import { createModelPool, type ModelPoolOptions } from './create-model-pool.ts';

const KEY = 'sk-very-secret-4711';
const PROMPT = 'the merger with Initech is on Friday';

let server: ModelServer;
let keys: ProviderKeys;
let waitsMs: number[];
let logLines: unknown[];
let budget: RecordingBudget;
const nowMs = Date.parse('2026-02-03T04:05:06Z');

beforeEach(async () => {
  server = await startModelServer({ apiKey: KEY });
  keys = {
    anthropic: { apiKey: KEY, baseUrl: server.urls.anthropic },
    openai: { apiKey: KEY, baseUrl: server.urls.openai },
    google: { apiKey: KEY, baseUrl: server.urls.google },
    ollama: { baseUrl: server.urls.ollama },
  };
  waitsMs = [];
  logLines = [];
  budget = createRecordingBudget();
});
afterEach(async () => {
  expect(budget.unsettled()).toEqual([]);
  await server.close();
});

const claude: RouteEntry = { provider: 'anthropic', model: 'claude-sonnet-4-5' };
const gpt: RouteEntry = { provider: 'openai', model: 'gpt-5.4' };

function poolOf(entries: readonly RouteEntry[], overrides: Partial<ModelPoolOptions> = {}) {
  const write = (event: string, fields?: object) => logLines.push({ event, ...fields });
  const log: Log = { debug: write, info: write, warn: write, error: write };
  return createModelPool({
    routes: async (name) => (name === 'default' ? { name, entries } : null),
    keys,
    clock: () => nowMs,
    budget,
    random: () => 0.5,
    sleep: async (ms) => {
      waitsMs.push(ms);
    },
    log,
    ...overrides,
  });
}

function request(overrides: Partial<ModelRequest> = {}): ModelRequest {
  return {
    tenantId: 'tenant-1',
    route: 'default',
    system: 'You are Ada.',
    messages: [{ role: 'user', content: PROMPT }],
    maxOutputTokens: 1000,
    signal: new AbortController().signal,
    ...overrides,
  };
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

describe('retries', () => {
  it.each([
    [429, 'rate_limited'],
    [500, 'server_error'],
    [502, 'server_error'],
    [503, 'overloaded'],
    [529, 'overloaded'],
    [408, 'timeout'],
    [504, 'timeout'],
    [999, 'server_error'],
  ])('repeats the call after status %i and records the attempt as %s', async (status, outcome) => {
    server.respondNext({ status });
    const result = await poolOf([claude, gpt]).generate(request());
    expect(outcomes(result)).toEqual([`anthropic ${outcome}`, 'anthropic ok']);
    expect(result.attempts[0]?.status).toBe(status);
    expect(waitsMs).toEqual([250]);
  });

  it('waits longer each time, with full jitter, and gives up after two retries', async () => {
    server.respond(() => ({ status: 500 }));
    const error = await failureOf(poolOf([claude]).generate(request()));
    expect(error.code).toBe('model_unavailable');
    expect(server.requests).toHaveLength(3);
    expect(waitsMs).toEqual([250, 500]);
  });

  it('repeats the call when the connection is cut in the middle of the answer', async () => {
    server.respondNext({ cut: true });
    const result = await poolOf([claude]).generate(request());
    expect(outcomes(result)).toEqual(['anthropic network', 'anthropic ok']);
    expect(result.attempts[0]?.errorType).toBe('ECONNRESET');
  });

  it('repeats an answer that is not JSON once, then goes to the next entry', async () => {
    server.respondNext({ rawBody: '<html>' }, { rawBody: '{"type":"message"}' });
    const result = await poolOf([claude, gpt]).generate(request());
    expect(outcomes(result)).toEqual(['anthropic malformed', 'anthropic malformed', 'openai ok']);
  });

  it('repeats an empty answer once, then goes to the next entry', async () => {
    server.respondNext('', ' \n');
    const result = await poolOf([claude, gpt]).generate(request());
    expect(outcomes(result)).toEqual(['anthropic malformed', 'anthropic malformed', 'openai ok']);
  });

  it('does not repeat an answer that is empty because the output limit was reached', async () => {
    server.respondNext({ text: '', finish: 'length' });
    const result = await poolOf([claude, gpt]).generate(request());
    expect(outcomes(result)).toEqual(['anthropic malformed', 'openai ok']);
  });
});

describe('Retry-After', () => {
  it.each([
    ['retry-after', '3', 3_000],
    ['retry-after', new Date(nowMs + 4_000).toUTCString(), 4_000],
    ['retry-after', new Date(nowMs - 4_000).toUTCString(), 0],
    ['retry-after-ms', '1500', 1_500],
  ])('waits at least as long as %s: %s says', async (name, value, askedMs) => {
    server.respondNext({ status: 429, headers: { [name]: value } });
    await poolOf([claude]).generate(request());
    expect(waitsMs).toEqual([askedMs + 250]);
  });

  it('is read from the body of a Gemini error', async () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2.5s' }];
    server.respondNext({ status: 429, errorType: 'RESOURCE_EXHAUSTED', details });
    await poolOf([{ provider: 'google', model: 'gemini-3.5-flash' }]).generate(request());
    expect(waitsMs).toEqual([2_750]);
  });

  it('goes to the next entry at once when it asks for more than the bound', async () => {
    server.respondNext({ status: 429, headers: { 'retry-after': '60' } });
    const result = await poolOf([claude, gpt]).generate(request());
    expect(outcomes(result)).toEqual(['anthropic rate_limited', 'openai ok']);
    expect(waitsMs).toEqual([]);
  });

  it('is told to the caller when no entry answered', async () => {
    server.respond(() => ({ status: 429, headers: { 'retry-after': '60' } }));
    const error = await failureOf(poolOf([claude]).generate(request()));
    expect(error).toMatchObject({ code: 'model_unavailable', retryAfterMs: 60_000 });
  });
});

describe('fallback', () => {
  it.each([
    [400, 'rejected'],
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [404, 'rejected'],
    [413, 'too_long'],
  ])('goes to the next entry at once after status %i', async (status, outcome) => {
    server.respondNext({ status, errorType: 'some_error' });
    const result = await poolOf([claude, gpt]).generate(request());
    expect(outcomes(result)).toEqual([`anthropic ${outcome}`, 'openai ok']);
    expect(result).toMatchObject({ provider: 'openai', model: 'gpt-5.4' });
    expect(waitsMs).toEqual([]);
  });

  it('does not repeat a 429 that means a spent quota', async () => {
    server.respondNext({ status: 429, errorType: 'insufficient_quota' });
    const result = await poolOf([gpt, claude]).generate(request());
    expect(outcomes(result)).toEqual(['openai unauthorized', 'anthropic ok']);
  });

  it('goes through the entries in order', async () => {
    const refused: RouteEntry = { ...claude, baseUrl: 'http://127.0.0.1:1' };
    server.respondNext({ status: 404 });
    const local: RouteEntry = { provider: 'ollama', model: 'llama3.2' };
    const result = await poolOf([refused, gpt, local]).generate(request());
    expect(outcomes(result)).toEqual([
      'anthropic network',
      'anthropic network',
      'anthropic network',
      'openai rejected',
      'ollama ok',
    ]);
    expect(result.attempts[0]?.errorType).toBe('ECONNREFUSED');
  });

  it('skips an entry without a key and says what to do when nothing else answers', async () => {
    const pool = poolOf([gpt, { provider: 'openai-compatible', model: 'm' }], { keys: {} });
    const error = await failureOf(pool.generate(request()));
    expect(error.code).toBe('model_rejected');
    expect(outcomes(error.details)).toEqual(['openai unconfigured', 'openai-compatible unconfigured']);
    expect(error.message).toContain('set OPENAI_API_KEY');
    expect(error.message).toContain('baseUrl is missing');
  });

  it('skips an entry whose address is malformed', async () => {
    const broken: RouteEntry = { ...claude, model: 'x', baseUrl: 'http://[broken' };
    expect(outcomes(await poolOf([broken, gpt]).generate(request()))).toEqual([
      'anthropic unconfigured',
      'openai ok',
    ]);
  });

  it('does not take a key that HTTP cannot carry for a network failure', async () => {
    const error = await failureOf(poolOf([{ ...claude, apiKey: 'two\nlines' }]).generate(request()));
    expect(error.code).toBe('model_rejected');
    expect(error.message).toContain('copy it again');
    expect(error.message).not.toContain('lines');
    expect(outcomes(error.details)).toEqual(['anthropic unconfigured']);
  });

  it('is a retryable failure when any entry failed for a transient reason', async () => {
    server.respondNext({ status: 404 });
    server.respond(() => ({ status: 503 }));
    const error = await failureOf(poolOf([claude, gpt]).generate(request()));
    expect(error).toMatchObject({ code: 'model_unavailable', retryable: true });
  });

  it('is a permanent failure when every entry refused', async () => {
    server.respond(() => ({ status: 401, errorType: 'authentication_error' }));
    const error = await failureOf(poolOf([claude, gpt]).generate(request()));
    expect(error).toMatchObject({ code: 'model_rejected', retryable: false });
    expect(error.details.attempts).toMatchObject([
      { provider: 'anthropic', outcome: 'unauthorized', status: 401, errorType: 'authentication_error' },
      { provider: 'openai', outcome: 'unauthorized', status: 401, errorType: 'authentication_error' },
    ]);
  });

  it('refuses a route that does not exist', async () => {
    const error = await failureOf(poolOf([claude]).generate(request({ route: 'smart' })));
    expect(error).toMatchObject({ code: 'route_unknown', details: { route: 'smart' } });
  });
});

describe('deadlines', () => {
  it('gives up a slow call, closes its socket and asks the next entry', async () => {
    server.respondNext({ hang: true });
    const pool = poolOf([claude, gpt], { timeouts: { attemptMs: 40 } });
    const result = await pool.generate(request());
    expect(outcomes(result)).toEqual(['anthropic timeout', 'openai ok']);
    await server.requests[0]?.abandoned;
  });

  it('repeats a slow call where there is no other entry', async () => {
    server.respondNext({ hang: true });
    const result = await poolOf([claude], { timeouts: { attemptMs: 40 } }).generate(request());
    expect(outcomes(result)).toEqual(['anthropic timeout', 'anthropic ok']);
  });

  it('does not depend on the client reacting to the deadline', async () => {
    const deaf = () => new Promise<Response>(() => undefined);
    const pool = poolOf([claude], { fetch: deaf, timeouts: { attemptMs: 10 }, retries: { maxRetries: 0 } });
    const error = await failureOf(pool.generate(request()));
    expect(outcomes(error.details)).toEqual(['anthropic timeout']);
  });

  it('ends at the total deadline however many retries are left', async () => {
    server.respond(() => ({ hang: true }));
    const pool = poolOf([claude, gpt], { timeouts: { totalMs: 60 }, clock: Date.now });
    const error = await failureOf(pool.generate(request()));
    expect(error.code).toBe('model_unavailable');
    expect(outcomes(error.details)).toEqual(['anthropic timeout']);
  });

  it('takes no longer than the request may, and leaves half of that to the other entries', async () => {
    server.respond(() => ({ hang: true }));
    const alone = poolOf([claude], { clock: Date.now });
    const startedAtMs = Date.now();
    const error = await failureOf(alone.generate(request({ withinMs: 60 })));
    expect(outcomes(error.details)).toEqual(['anthropic timeout']);
    expect(Date.now() - startedAtMs).toBeLessThan(1_000);
    server.respondNext({ hang: true }, 'In time.');
    const result = await poolOf([claude, gpt], { clock: Date.now }).generate(request({ withinMs: 2_000 }));
    expect(outcomes(result)).toEqual(['anthropic timeout', 'openai ok']);
    expect(result.attempts[0]?.durationMs).toBeLessThan(1_500);
  });

  it('does not start a wait that ends after the total deadline', async () => {
    server.respond(() => ({ status: 429, headers: { 'retry-after': '5' } }));
    const pool = poolOf([claude, gpt], { timeouts: { totalMs: 5_000 } });
    const error = await failureOf(pool.generate(request()));
    expect(outcomes(error.details)).toEqual(['anthropic rate_limited', 'openai rate_limited']);
    expect(waitsMs).toEqual([]);
  });

  it('closes the socket when the request is aborted', async () => {
    const controller = new AbortController();
    const arrived = Promise.withResolvers<void>();
    server.respond(() => {
      arrived.resolve();
      return { hang: true };
    });
    const failure = failureOf(poolOf([claude, gpt]).generate(request({ signal: controller.signal })));
    await arrived.promise;
    controller.abort();
    const error = await failure;
    await server.requests[0]?.abandoned; // resolves only when the connection is closed
    expect(error.code).toBe('aborted');
    expect(outcomes(error.details)).toEqual(['anthropic aborted']);
    expect(server.requests).toHaveLength(1);
  });

  it('ends a wait between retries when the request is aborted', async () => {
    const controller = new AbortController();
    server.respond(() => ({ status: 500 }));
    const pool = poolOf([claude], {
      sleep: async (_ms, signal) => {
        controller.abort();
        signal?.throwIfAborted();
      },
    });
    const error = await failureOf(pool.generate(request({ signal: controller.signal })));
    expect(error.code).toBe('aborted');
    expect(server.requests).toHaveLength(1);
  });

  it('calls nobody for a request that is already aborted', async () => {
    const error = await failureOf(poolOf([claude]).generate(request({ signal: AbortSignal.abort() })));
    expect(error.code).toBe('aborted');
    expect(server.requests).toHaveLength(0);
  });
});

describe('privacy', () => {
  it('lets neither prompt nor key into an error or a log line', async () => {
    const entryKey = 'entry-secret-0815';
    const entries: RouteEntry[] = [
      claude,
      gpt,
      { provider: 'google', model: 'gemini-3.5-flash' },
      { provider: 'ollama', model: 'llama3.2' },
      { ...claude, apiKey: entryKey },
      { ...gpt, baseUrl: `http://user:${entryKey}@127.0.0.1:1/v1`, apiKey: entryKey },
    ];
    const echo = `${PROMPT} ${KEY} ${entryKey} You are Ada.`;
    const replies = [400, 401, 429, 500].map((status) => ({ status, errorType: echo, message: echo }));
    for (const reply of [...replies, { rawBody: echo }, { cut: true } as const, { hang: true } as const]) {
      server.respond(() => reply);
      const pool = poolOf(entries, { timeouts: { attemptMs: 25 } });
      const error = await failureOf(pool.generate(request()));
      const printed = [
        error.stack,
        JSON.stringify(error),
        JSON.stringify(error.details),
        inspect(error, { depth: 20, showHidden: true }),
        JSON.stringify(logLines),
        inspect(logLines, { depth: 20 }),
      ].join('\n');
      expect(logLines.length).toBeGreaterThan(0);
      for (const secret of [KEY, entryKey, PROMPT, 'You are Ada']) expect(printed).not.toContain(secret);
    }
  });
});

describe('prepare', () => {
  it('calls no provider and does not fail on an entry that cannot be used', async () => {
    const pool = poolOf([claude], { keys: {} });
    await pool.prepare({ name: 'default', entries: [claude, { ...gpt, apiKey: KEY }] });
    expect(server.requests).toHaveLength(0);
    expect(server.connectionCount).toBe(0);
  });
});

describe('connections', () => {
  it('uses one connection for calls that follow each other', async () => {
    const pool = poolOf([claude, gpt]);
    for (let call = 0; call < 5; call += 1) await pool.generate(request());
    expect(server.connectionCount).toBe(1);
  });
});
