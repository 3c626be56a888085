import { describe, expect, it } from 'vitest';
import { checkEntry } from './check-entry.ts';
import { defaultRoute } from './default-route.ts';

const anthropic = { apiKey: 'a' };
const openai = { apiKey: 'o' };
const google = { apiKey: 'g' };
const ollama = { baseUrl: 'http://127.0.0.1:11434' };
const names = (keys: Parameters<typeof defaultRoute>[0]) =>
  defaultRoute(keys).entries.map(({ provider }) => provider);

describe('defaultRoute', () => {
  it('takes every provider with a key, in a fixed order, and a local Ollama last', () => {
    expect(names({ ollama, google, openai, anthropic })).toEqual(['anthropic', 'openai', 'google', 'ollama']);
    expect(names({ ollama })).toEqual(['ollama']);
  });

  it('does not take a provider that has an address only', () => {
    expect(names({ openai, anthropic: { baseUrl: 'http://proxy' } })).toEqual(['openai']);
  });

  it('is the scripted provider when nothing is configured', () => {
    expect(defaultRoute({})).toEqual({
      name: 'default',
      entries: [{ provider: 'demo', model: 'scripted' }],
    });
  });

  it('is always a valid route', () => {
    for (const keys of [{}, { anthropic, openai, google, ollama }]) {
      for (const entry of defaultRoute(keys).entries) expect(checkEntry(entry, keys)).toBeNull();
    }
  });
});
