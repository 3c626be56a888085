import { describe, expect, it } from 'vitest';
import { createRecordingBudget } from '../../../test/support/recording-budget.ts';
import type { ModelMessage } from '../../core/model.ts';
import { createModelPool } from '../create-model-pool.ts';

const silent = () => undefined;
const waitsMs: number[] = [];

function ask(
  question: string,
  earlier: readonly ModelMessage[] = [],
  system = 'You are Ada, a dry engineer.',
  tools: readonly string[] = [],
) {
  const pool = createModelPool({
    routes: async (name) => ({ name, entries: [{ provider: 'demo', model: 'scripted' }] }),
    keys: {},
    budget: createRecordingBudget(),
    clock: Date.now,
    random: () => 0,
    sleep: async (ms) => {
      waitsMs.push(ms);
    },
    log: { debug: silent, info: silent, warn: silent, error: silent },
    fetch: () => Promise.reject(new Error('the demo provider must not use the network')),
    demoDelayMs: 30,
  });
  return pool.generate({
    tenantId: 'tenant-1',
    route: 'default',
    system,
    messages: [...earlier, { role: 'user', content: question }],
    maxOutputTokens: 1000,
    tools: tools.map((name) => ({ name, description: name, inputSchema: { type: 'object' } })),
    signal: new AbortController().signal,
  });
}

describe('demo', () => {
  it('says in every answer that it is scripted and which key to set', async () => {
    for (const question of ['hello', 'help', 'who are you?', 'thanks', 'Where is the report?', '']) {
      const { text } = await ask(question);
      expect(text, question).toMatch(/scripted/i);
      expect(text, question).toContain('`ANTHROPIC_API_KEY`');
    }
  });

  it('uses the agent’s name when the prompt tells it', async () => {
    expect((await ask('Who are you?')).text).toContain('**Ada**');
    expect((await ask('Who are you?', [], 'Be nice.')).text).toContain('an AI coworker');
  });

  it('quotes the question and shows that it saw the conversation', async () => {
    const earlier = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello!' },
    ] as const;
    const { text } = await ask('Where is\nthe report?', earlier);
    expect(text).toContain('> Where is\n> the report?');
    expect(text).toContain('2 earlier messages');
    expect((await ask('Where is the report?')).text).toContain('first message');
  });

  it('quotes the line of the instructions that the question is about', async () => {
    const system =
      'You are Ada.\n\n## Instructions\nShipping takes 4 days.\nRefunds: within 14 days.\n\n## Conversation\nA refund thread.';
    expect((await ask('mara: can you check the refund policy?', [], system)).text).toContain(
      '> Refunds: within 14 days.',
    );
    expect((await ask('What is the weather?', [], system)).text).toContain('> What is the weather?');
  });

  it('answers the same question the same way, after the delay that was set', async () => {
    waitsMs.length = 0;
    expect((await ask('Hello')).text).toBe((await ask('Hello')).text);
    expect(waitsMs).toEqual([30, 30]);
  });

  it('offers choices and sends a file where the agent can, and then says the same as without', async () => {
    for (const [question, tool] of [
      ['mara: what can you do?', 'offer_choices'],
      ['Write me a file, please', 'attach_file'],
    ] as const) {
      const called = await ask(question, [], undefined, [tool]);
      expect(called).toMatchObject({ text: '', toolCalls: [{ name: tool, input: expect.any(Object) }] });
      const { text, toolCalls } = await ask(question, [], undefined, ['current_time']);
      expect(toolCalls).toEqual([]);
      expect(text).toMatch(/Three things|A file comes/);
    }
  });

  it('reports no tokens, because it used none', async () => {
    const { usage, attempts } = await ask('Hello');
    expect(Object.values(usage)).toEqual([null, null, null, null, null]);
    expect(attempts).toMatchObject([{ provider: 'demo', outcome: 'ok', status: null }]);
  });
});
