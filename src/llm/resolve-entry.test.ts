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

  it('finds Bedrock in a region: the entry’s, then the installation’s; an address goes first', () => {
    const addressOf = (entry: object, installation: object = {}) => {
      const resolved = resolveEntry(
        { provider: 'bedrock', model: 'amazon.nova-pro-v1:0', apiKey: 'k', ...entry },
        { bedrock: installation },
      );
      return resolved.kind === 'access'
        ? [resolved.access.baseUrl, resolved.access.region]
        : resolved.problem;
    };
    const of = (region: string) => `https://bedrock-runtime.${region}.amazonaws.com`;
    expect(addressOf({})).toEqual([of('us-east-1'), null]);
    expect(addressOf({}, { region: 'eu-west-1' })).toEqual([of('eu-west-1'), 'eu-west-1']);
    expect(addressOf({ region: 'eu-central-1' }, { region: 'eu-west-1' })).toEqual([
      of('eu-central-1'),
      'eu-central-1',
    ]);
    expect(addressOf({ region: 'eusc-de-east-1' })).toEqual([
      'https://bedrock-runtime.eusc-de-east-1.amazonaws.eu',
      'eusc-de-east-1',
    ]);
    const gateway = 'https://aws.example.com';
    expect(addressOf({ baseUrl: gateway, region: 'eu-west-1' })).toEqual([gateway, 'eu-west-1']);
    expect(addressOf({}, { baseUrl: gateway, region: 'eu-west-1' })).toEqual([gateway, 'eu-west-1']);
    expect(addressOf({ region: 'eu-west-1' }, { baseUrl: gateway })).toEqual([of('eu-west-1'), 'eu-west-1']);
  });
});
