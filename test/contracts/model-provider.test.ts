import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelPool, ModelRequest, RouteEntry } from '../../src/core/model.ts';
import { createModelPool } from '../../src/llm/create-model-pool.ts';
import { type ModelProtocol, modelProtocols } from '../support/model-protocols.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';

/** What every provider with an API of its own must do, whatever its protocol. */

const models: Readonly<Record<ModelProtocol, string>> = {
  anthropic: 'claude-sonnet-4-5',
  openai: 'gpt-5.4',
  google: 'gemini-3.5-flash',
  'openai-compatible': 'llama-3.3-70b',
  ollama: 'llama3.2',
};

function poolFor(entry: RouteEntry): ModelPool {
  const silent = () => undefined;
  return createModelPool({
    routes: async (name) => ({ name, entries: [entry] }),
    keys: {},
    clock: Date.now,
    random: () => 0,
    sleep: async () => undefined,
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

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer({ apiKey: 'key-1' });
});
afterAll(() => server.close());

describe.each(modelProtocols)('%s', (provider) => {
  const pool = () =>
    poolFor({ provider, model: models[provider], apiKey: 'key-1', baseUrl: server.urls[provider] });

  it('sends the whole conversation, the limit and the key', async () => {
    await pool().generate(request);
    expect(server.requests.at(-1)).toMatchObject({
      protocol: provider,
      model: models[provider],
      apiKey: 'key-1',
      system: request.system,
      messages: request.messages,
      maxOutputTokens: 321,
    });
  });

  it('returns the text and the tokens that the provider reports', async () => {
    server.respondNext({
      text: 'It is **42**. ü 🙂',
      usage: { inputTokens: 100, outputTokens: 30, cachedInputTokens: 60, reasoningTokens: 20 },
    });
    expect(await pool().generate(request)).toMatchObject({
      text: 'It is **42**. ü 🙂',
      finish: 'stop',
      provider,
      model: models[provider],
      usage: { inputTokens: 100, outputTokens: 30, cachedInputTokens: 60, reasoningTokens: 20 },
      attempts: [{ provider, model: models[provider], outcome: 'ok', status: 200 }],
    });
  });

  it('says when the answer was cut at the limit', async () => {
    server.respondNext({ text: 'It is', finish: 'length' });
    expect(await pool().generate(request)).toMatchObject({ text: 'It is', finish: 'length' });
  });

  it('says when the model refused, without asking again', async () => {
    const before = server.requests.length;
    server.respondNext({ text: 'I cannot help with that.', finish: 'refused' });
    expect(await pool().generate(request)).toMatchObject({ finish: 'refused' });
    server.respondNext({ text: '', finish: 'refused' });
    expect(await pool().generate(request)).toMatchObject({ text: '', finish: 'refused' });
    expect(server.requests.length - before).toBe(2);
  });

  it('names the provider’s own error type', async () => {
    server.respondNext({ status: 401, errorType: 'authentication_error', message: 'key-1 is wrong' });
    await expect(pool().generate(request)).rejects.toMatchObject({
      code: 'model_rejected',
      details: { attempts: [{ outcome: 'unauthorized', status: 401, errorType: 'authentication_error' }] },
    });
  });

  it('tells a wrong key from a wrong request', async () => {
    const wrong = poolFor({ provider, model: 'm', apiKey: 'wrong', baseUrl: server.urls[provider] });
    await expect(wrong.generate(request)).rejects.toMatchObject({
      code: 'model_rejected',
      details: { attempts: [{ outcome: 'unauthorized' }] },
    });
  });

  it('works when the answer carries no usage', async () => {
    if (provider === 'anthropic') return; // Anthropic always reports it
    server.respondNext({ text: 'Hi', usage: null });
    expect(await pool().generate(request)).toMatchObject({
      text: 'Hi',
      usage: { inputTokens: null, outputTokens: null, cachedInputTokens: null, reasoningTokens: null },
    });
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
