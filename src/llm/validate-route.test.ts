import { describe, expect, it } from 'vitest';
import type { ProviderName, RouteEntry } from '../core/model.ts';
import { validateRoute } from './validate-route.ts';

const problems = (...entries: readonly RouteEntry[]) =>
  validateRoute({ name: 'default', entries }, { anthropic: { apiKey: 'k' } });

describe('validateRoute', () => {
  it('finds nothing wrong with usable entries', () => {
    expect(
      problems(
        { provider: 'anthropic', model: 'claude-sonnet-4-5' },
        { provider: 'openai', model: 'gpt-5.4', apiKey: 'own' },
        { provider: 'openai-compatible', model: 'llama3.3', baseUrl: 'https://llm.example.com/v1' },
        { provider: 'ollama', model: 'llama3.2' },
        { provider: 'demo', model: 'scripted' },
      ),
    ).toEqual([]);
  });

  it('names every unusable entry by its place and says what to do', () => {
    expect(
      problems(
        { provider: 'anthropic', model: ' ' },
        { provider: 'openai', model: 'gpt-5.4' },
        { provider: 'openai-compatible', model: 'llama3.3' },
        { provider: 'ollama', model: 'llama3.2', baseUrl: 'localhost:11434' },
        { provider: 'cohere' as ProviderName, model: 'large' },
      ),
    ).toEqual([
      'entry 1 (anthropic  ): the model name is empty',
      'entry 2 (openai gpt-5.4): there is no key; set OPENAI_API_KEY or give the entry an apiKey',
      'entry 3 (openai-compatible llama3.3): baseUrl is missing; give the address of the server, such as https://llm.example.com/v1',
      'entry 4 (ollama llama3.2): baseUrl is not an http(s) address; write it like https://llm.example.com/v1',
      'entry 5 (cohere large): provider "cohere" is not known; use one of anthropic, openai, google, bedrock, azure, mistral, groq, openrouter, ollama, openai-compatible, demo',
    ]);
  });

  it('wants at least one entry', () => {
    expect(problems()).toEqual(['the route has no entries; give it at least one model']);
  });
});
