import { describe, expect, it } from 'vitest';
import type { ProviderName } from '../core/model.ts';
import { resolveEntry } from './resolve-entry.ts';

function baseUrlOf(provider: ProviderName, baseUrl?: string): string {
  const entry = { provider, model: 'm', apiKey: 'k', ...(baseUrl === undefined ? {} : { baseUrl }) };
  const resolved = resolveEntry(entry, {});
  if (resolved.kind === 'problem') throw new Error(resolved.problem);
  return resolved.access.baseUrl;
}

describe('resolveEntry', () => {
  it.each([
    ['anthropic', undefined, 'https://api.anthropic.com/v1'],
    ['anthropic', 'https://api.anthropic.com', 'https://api.anthropic.com/v1'],
    ['anthropic', 'https://proxy.example.com/anthropic/', 'https://proxy.example.com/anthropic/v1'],
    ['anthropic', 'https://proxy.example.com/v1/', 'https://proxy.example.com/v1'],
    ['openai', 'https://api.openai.com', 'https://api.openai.com/v1'],
    ['openai', 'https://proxy.example.com/openai', 'https://proxy.example.com/openai'],
    ['google', 'https://proxy.example.com', 'https://proxy.example.com/v1beta'],
    ['google', 'https://proxy.example.com/v1', 'https://proxy.example.com/v1'],
    ['ollama', undefined, 'http://127.0.0.1:11434/v1'],
    ['ollama', 'http://gpu:11434', 'http://gpu:11434/v1'],
    ['ollama', 'http://gpu:11434/api', 'http://gpu:11434/v1'],
    ['openai-compatible', 'https://llm.example.com/custom/', 'https://llm.example.com/custom'],
  ] as const)('completes the address of %s: %s → %s', (provider, written, complete) => {
    expect(baseUrlOf(provider, written)).toBe(complete);
  });

  it('puts the entry’s own key and address before the installation’s', () => {
    const keys = { openai: { apiKey: 'installation', baseUrl: 'https://one.example.com/v1' } };
    const entry = { provider: 'openai', model: 'm' } as const;
    expect(resolveEntry(entry, keys)).toMatchObject({
      access: { apiKeys: ['installation'], baseUrl: 'https://one.example.com/v1' },
    });
    expect(
      resolveEntry({ ...entry, apiKey: 'own', baseUrl: 'https://two.example.com/v1' }, keys),
    ).toMatchObject({
      access: { apiKeys: ['own'], baseUrl: 'https://two.example.com/v1' },
    });
  });
});
