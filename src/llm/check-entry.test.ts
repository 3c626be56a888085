import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ModelServer, startModelServer } from '../../test/support/model-server.ts';
import type { ProviderName, RouteEntry } from '../core/model.ts';
import { askForEntry, checkEntry } from './check-entry.ts';

const keys = { anthropic: { apiKey: 'k' } };

describe('checkEntry', () => {
  it.each<RouteEntry>([
    { provider: 'anthropic', model: 'claude-sonnet-4-5' },
    { provider: 'openai', model: 'gpt-5.4', apiKey: 'own' },
    { provider: 'openai-compatible', model: 'llama3.3', baseUrl: 'https://llm.example.com/v1' },
    {
      provider: 'bedrock',
      model: 'amazon.nova-pro-v1:0',
      apiKey: 'AKIAIOSFODNN7EXAMPLE:secret',
      region: 'eu-west-1',
    },
    { provider: 'ollama', model: 'llama3.2' },
    { provider: 'demo', model: 'scripted' },
  ])('finds nothing wrong with $provider $model', (entry) => {
    expect(checkEntry(entry, keys)).toBeNull();
  });

  it.each<[RouteEntry, string, string, string]>([
    [{ provider: 'anthropic', model: ' ' }, 'model', 'wrong', 'the model name is empty'],
    [
      { provider: 'openai', model: 'gpt-5.4' },
      'apiKey',
      'unset',
      'there is no key; set OPENAI_API_KEY or give the entry an apiKey',
    ],
    [
      { provider: 'bedrock', model: 'amazon.nova-pro-v1:0' },
      'apiKey',
      'unset',
      'there is no key; set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the entry an apiKey',
    ],
    [
      { provider: 'bedrock', model: 'amazon.nova-pro-v1:0', apiKey: 'AKIAIOSFODNN7EXAMPLE' },
      'apiKey',
      'wrong',
      'the key is neither a Bedrock API key nor AWS credentials; write these as ACCESS_KEY_ID:SECRET_ACCESS_KEY',
    ],
    [
      { provider: 'bedrock', model: 'amazon.nova-pro-v1:0', apiKey: 'ASIAIOSFODNN7EXAMPLE:secret' },
      'apiKey',
      'wrong',
      'the AWS credentials are temporary (ASIA…) and lack their token; write them as ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN',
    ],
    [
      { provider: 'anthropic', model: 'claude-sonnet-4-5', apiKey: 'two\nlines' },
      'apiKey',
      'wrong',
      'the key has a line break or another character in it that no key has; copy it again',
    ],
    [
      { provider: 'anthropic', model: 'claude-sonnet-4-5', apiKeys: ['fine', 'cut…off'] },
      'apiKey',
      'wrong',
      'the key has a line break or another character in it that no key has; copy it again',
    ],
    [
      { provider: 'anthropic', model: 'claude-sonnet-4-5', region: 'eu-west-1' },
      'region',
      'wrong',
      'anthropic has no regions; remove the region',
    ],
    [
      { provider: 'openai-compatible', model: 'llama3.3' },
      'baseUrl',
      'wrong',
      'baseUrl is missing; give the address of the server, such as https://llm.example.com/v1',
    ],
    [
      { provider: 'azure', model: 'mine', apiKey: 'k' },
      'baseUrl',
      'unset',
      'baseUrl is missing; set AZURE_BASE_URL, or give the entry the address of the server',
    ],
    [
      { provider: 'ollama', model: 'llama3.2', baseUrl: 'localhost:11434' },
      'baseUrl',
      'wrong',
      'baseUrl is not an http(s) address; write it like https://llm.example.com/v1',
    ],
    [
      { provider: 'openrouter', model: 'llama', apiKey: 'k' },
      'model',
      'wrong',
      'that is no model name of openrouter; write it like anthropic/claude-sonnet-4.5',
    ],
    [
      { provider: 'cohere' as ProviderName, model: 'large' },
      'provider',
      'wrong',
      'provider "cohere" is not known; use one of anthropic, openai, google, bedrock, azure, mistral, groq, openrouter, ollama, openai-compatible, demo',
    ],
  ])('says what to do about %o', (entry, field, certainty, problem) => {
    expect(checkEntry(entry, keys)).toEqual({ field, certainty, problem });
  });
});

describe('askForEntry', () => {
  let server: ModelServer;
  beforeAll(async () => {
    server = await startModelServer({ apiKey: 'key-1', models: ['claude-sonnet-4-5'] });
  });
  afterAll(() => server.close());
  const ask = (entry: Partial<RouteEntry>, signal = new AbortController().signal) =>
    askForEntry(
      {
        provider: 'anthropic',
        model: 'claude-sonnet-4-5',
        apiKey: 'key-1',
        baseUrl: server.urls.anthropic,
        ...entry,
      },
      { keys: {}, signal, timeoutMs: 2_000 },
    );

  it('takes a model that the provider has, and no generation is paid for', async () => {
    expect(await ask({})).toBeNull();
    expect(server.requests).toHaveLength(0);
  });

  it('finds a model wrong that the provider does not have, and says which is meant', async () => {
    expect(await ask({ model: 'claude-sonet-4-5' })).toEqual({
      field: 'model',
      certainty: 'wrong',
      problem:
        'anthropic does not have the model claude-sonet-4-5; did you mean claude-sonnet-4-5? it has claude-sonnet-4-5. Name another model in the route, or ask the provider for access to this one',
    });
  });

  it.each<[string, Partial<RouteEntry>, string, RegExp]>([
    ['a refused key', { apiKey: 'wrong' }, 'apiKey', /refuses the key/],
    [
      'a model that a server of one’s own does not have yet',
      { provider: 'ollama', model: 'llama3.2' },
      'model',
      /does not have the model/,
    ],
    [
      'a model of Bedrock’s',
      { provider: 'bedrock', model: 'amazon.nova-pro-v1:0' },
      'model',
      /not known: .*paying/,
    ],
    ['a deployment of Azure’s', { provider: 'azure', model: 'typo' }, 'model', /not known: the key is right/],
    ['an address where nobody is', { baseUrl: 'http://127.0.0.1:1' }, 'baseUrl', /cannot be reached/],
  ])('doubts %s, which may be otherwise elsewhere or later', async (_name, entry, field, problem) => {
    const { provider } = entry;
    const own = provider === 'ollama' || provider === 'azure' ? { baseUrl: server.urls[provider] } : {};
    expect(await ask({ ...entry, ...own })).toMatchObject({
      field,
      certainty: 'doubtful',
      problem: expect.stringMatching(problem),
    });
  });

  it('asks nobody when its time is over', async () => {
    expect(await ask({ model: 'gone' }, AbortSignal.abort())).toBeNull();
  });
});
