import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ModelServer, startModelServer } from '../../test/support/model-server.ts';
import type { RouteEntry } from '../core/model.ts';
import { checkProvider } from './check-provider.ts';

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer({ apiKey: 'key-1', models: ['big', 'small:latest'] });
});
afterAll(() => server.close());

const check = (entry: RouteEntry) =>
  checkProvider(entry, { keys: {}, signal: new AbortController().signal, timeoutMs: 2_000 });

/** Those that tell their models for nothing. */
const telling = ['anthropic', 'openai', 'google', 'mistral', 'groq', 'openai-compatible', 'ollama'] as const;

describe.each(telling)('checkProvider: %s', (provider) => {
  const entry = (overrides: Partial<RouteEntry> = {}): RouteEntry => ({
    provider,
    model: 'big',
    apiKey: 'key-1',
    baseUrl: server.urls[provider],
    ...overrides,
  });

  it('accepts a right address, key and model without generating anything', async () => {
    expect(await check(entry())).toEqual({ kind: 'ok', note: null });
    expect(server.requests).toHaveLength(0);
  });

  it('finds a wrong key and does not print it', async () => {
    const result = await check(entry({ apiKey: 'key-wrong' }));
    expect(result).toMatchObject({
      kind: 'problem',
      problem: expect.stringMatching(/refuses the key \((401|400)\)/),
    });
    expect(JSON.stringify(result)).not.toContain('key-wrong');
  });

  it('finds a wrong model name and tells which there are', async () => {
    expect(await check(entry({ model: 'gone' }))).toMatchObject({
      kind: 'problem',
      problem: `${provider} does not have the model gone; it has big, small:latest`,
    });
  });

  it('finds an address where nobody listens', async () => {
    expect(await check(entry({ baseUrl: 'http://u:secret@127.0.0.1:1/v1' }))).toEqual({
      kind: 'problem',
      problem: `${provider} at 127.0.0.1:1 cannot be reached (ECONNREFUSED)`,
      remedy: 'Check the address and the network of this machine (firewall, proxy, DNS).',
      field: 'baseUrl',
      isCertain: false,
    });
  });
});

describe('checkProvider', () => {
  it('accepts an Ollama model without its tag', async () => {
    const entry = { provider: 'ollama', model: 'small', baseUrl: server.urls.ollama } as const;
    expect(await check(entry)).toEqual({ kind: 'ok', note: null });
  });

  it('says what an incomplete entry lacks', async () => {
    expect(await check({ provider: 'openai', model: 'big' })).toMatchObject({
      kind: 'problem',
      problem: 'openai big: there is no key; set OPENAI_API_KEY or give the entry an apiKey',
    });
  });

  it('says that the demo provider is scripted', async () => {
    expect(await check({ provider: 'demo', model: 'scripted' })).toMatchObject({
      kind: 'ok',
      note: expect.stringContaining('scripted'),
    });
  });

  it('gives up a server that does not answer', async () => {
    const entry = {
      provider: 'anthropic',
      model: 'big',
      apiKey: 'k',
      baseUrl: 'http://127.0.0.1:1',
    } as const;
    const fetch: typeof globalThis.fetch = (_url, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(new Error('aborted')));
      });
    const signal = new AbortController().signal;
    expect(await checkProvider(entry, { keys: {}, signal, timeoutMs: 10, fetch })).toMatchObject({
      kind: 'problem',
      problem: 'anthropic at 127.0.0.1:1 did not answer in time',
    });
  });
});

describe('checkProvider, several keys', () => {
  const both: RouteEntry = { provider: 'groq', model: 'big', apiKeys: ['key-1', 'key-wrong'] };

  it('asks with every key and names the one that is refused without printing it', async () => {
    const result = await check({ ...both, baseUrl: server.urls.groq });
    expect(result).toMatchObject({
      kind: 'problem',
      problem: expect.stringMatching(/\(key 2 of 2, [0-9a-f]{8}\)$/),
    });
    expect(JSON.stringify(result)).not.toContain('key-wrong');
  });

  it('checks only the key where a route names deployments', async () => {
    const azure: RouteEntry = {
      provider: 'azure',
      model: 'mine',
      apiKey: 'key-1',
      baseUrl: server.urls.azure,
    };
    expect(await check(azure)).toEqual({
      kind: 'ok',
      note: 'the key is right; it does not tell its deployments, so the model is not checked',
      isUntold: true,
    });
    expect(await check({ ...azure, apiKey: 'key-wrong' })).toMatchObject({ kind: 'problem' });
  });

  it('says plainly when nothing can be checked', async () => {
    const bedrock: RouteEntry = { provider: 'bedrock', model: 'amazon.nova-pro-v1:0', apiKey: 'key-wrong' };
    expect(await check(bedrock)).toMatchObject({ kind: 'ok', note: expect.stringContaining('not checked') });
  });
});
