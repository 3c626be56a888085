import { describe, expect, it } from 'vitest';
import type { ModelRequest } from '../core/model.ts';
import { estimatePrompt } from './estimate-tokens.ts';

/** 1,000 signs that a tokenizer may take byte by byte: 4,000 tokens. */
const text = '\u{1f9ff}'.repeat(1_000);
const BYTES = 4_000;

function request(overrides: Partial<ModelRequest> = {}): ModelRequest {
  return {
    tenantId: 't',
    route: 'default',
    system: '',
    messages: [{ role: 'user', content: '' }],
    maxOutputTokens: 1,
    signal: new AbortController().signal,
    ...overrides,
  };
}

const call = { id: 'call-1', name: 'look_up', input: {}, rawInput: '{}' };

describe('the most tokens that a prompt can have', () => {
  it.each<[string, Partial<ModelRequest>]>([
    ['instructions', { system: text }],
    ['context', { context: text }],
    ['messages', { messages: [{ role: 'user', content: text }] }],
    ['answers', { messages: [{ role: 'assistant', content: text }] }],
    [
      'what was given to tools',
      { messages: [{ role: 'assistant', content: '', toolCalls: [{ ...call, rawInput: text }] }] },
    ],
    [
      'signatures of calls',
      { messages: [{ role: 'assistant', content: '', toolCalls: [{ ...call, signature: text }] }] },
    ],
    [
      'results of tools',
      {
        messages: [
          { role: 'tool', results: [{ callId: 'call-1', name: 'look_up', output: text, isError: false }] },
        ],
      },
    ],
    ['tools', { tools: [{ name: 'look_up', description: text, inputSchema: { type: 'object' } }] }],
    ['the wanted schema', { output: { name: 'answer', schema: { type: 'object', description: text } } }],
  ])('is a token for every byte of %s', (_, overrides) => {
    const { maxTokens, likelyTokens } = estimatePrompt(request(overrides));
    expect(maxTokens).toBeGreaterThanOrEqual(BYTES);
    expect(maxTokens).toBeLessThan(BYTES + 1_000);
    expect(likelyTokens).toBeGreaterThanOrEqual(BYTES / 3);
    expect(likelyTokens).toBeLessThan(maxTokens);
  });

  it('has room for what providers put around messages and tools', () => {
    const tools = [{ name: 'a', description: '', inputSchema: {} }];
    const empty = estimatePrompt(request()).maxTokens;
    expect(empty).toBeGreaterThanOrEqual(16);
    expect(estimatePrompt(request({ tools })).maxTokens).toBeGreaterThanOrEqual(empty + 346);
  });
});
