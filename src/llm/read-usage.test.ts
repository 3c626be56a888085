import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ModelServer, startModelServer } from '../../test/support/model-server.ts';
import { createRecordingBudget, type RecordingBudget } from '../../test/support/recording-budget.ts';
import { silentLog } from '../../test/support/silent-log.ts';
import type { ModelRequest, RouteEntry } from '../core/model.ts';
import { createModelPool } from './create-model-pool.ts';

const { apiKey, region } = { apiKey: 'key', region: 'eu-central-1' };
const entries = {
  anthropic: { provider: 'anthropic', model: 'claude-sonnet-4-5', apiKey },
  openai: { provider: 'openai', model: 'gpt-5.4', apiKey },
  'openai-chat': { provider: 'openai', model: 'gpt-5.4', api: 'chat', apiKey },
  google: { provider: 'google', model: 'gemini-3.5-flash', apiKey },
  bedrock: { provider: 'bedrock', model: 'anthropic.claude-sonnet-4-5-20250929-v1:0', region, apiKey },
  mistral: { provider: 'mistral', model: 'mistral-large-latest', apiKey },
  'openai-compatible': { provider: 'openai-compatible', model: 'm', apiKey },
} satisfies Record<string, RouteEntry>;
type Protocol = keyof typeof entries;

let server: ModelServer;
let budget: RecordingBudget;
beforeEach(async () => {
  server = await startModelServer();
  budget = createRecordingBudget();
});
afterEach(() => server.close());

/** What calls with such an answer are settled with, as a whole and as a stream. */
async function settledWith(
  protocol: Protocol,
  rawUsage: Readonly<Record<string, unknown>>,
  answer: { readonly text: string; readonly finish?: 'stop' | 'refused' } = { text: 'Fine.' },
) {
  const pool = createModelPool({
    routes: async (name) => ({ name, entries: [{ ...entries[protocol], baseUrl: server.urls[protocol] }] }),
    keys: {},
    budget,
    clock: Date.now,
    random: () => 0,
    sleep: async () => undefined,
    log: silentLog,
  });
  const request: ModelRequest = {
    tenantId: 'tenant-1',
    route: 'default',
    system: 'You are Ada.',
    messages: [{ role: 'user', content: 'Hello' }],
    maxOutputTokens: 100,
    signal: new AbortController().signal,
  };
  server.respond(() => ({ ...answer, rawUsage }));
  const whole = await pool.generate(request);
  for await (const event of pool.stream(request)) {
    if (event.type === 'end') expect(event.result.text).toBe(whole.text);
  }
  expect(budget.calls).toHaveLength(2);
  return budget.calls.map(({ settled }) => settled[0]);
}

const zeros: Readonly<Record<Protocol, Readonly<Record<string, unknown>>>> = {
  anthropic: { input_tokens: 0, output_tokens: 0 },
  openai: { input_tokens: 0, output_tokens: 0 },
  'openai-chat': { prompt_tokens: 0, completion_tokens: 0 },
  google: { promptTokenCount: 0, candidatesTokenCount: 0 },
  bedrock: { inputTokens: 0, outputTokens: 0, totalTokens: 0 },
  mistral: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
  'openai-compatible': { prompt_tokens: 0, completion_tokens: 0 },
};

/** 17 bytes and what stands around two messages and the instructions. */
const mostInput = 17 + 3 * 16;

describe('usage that cannot be true', () => {
  it.each(Object.keys(zeros) as Protocol[])(
    'counts by estimate: nothing for an answer of %s',
    async (protocol) => {
      for (const settled of await settledWith(protocol, zeros[protocol])) {
        expect(settled).toMatchObject({ isEstimated: true, usage: { inputTokens: mostInput } });
        expect(settled?.usage?.outputTokens).toBeGreaterThan('Fine.'.length);
      }
    },
  );

  it.each([
    [{}, mostInput],
    [{ total_tokens: 5_000 }, mostInput],
    [{ prompt_tokens: -900, completion_tokens: -100 }, mostInput],
    [{ prompt_tokens: 12.5, completion_tokens: 1.5 }, mostInput],
    [{ prompt_tokens: 3e9, completion_tokens: 1e12 }, mostInput],
    [{ prompt_tokens: 1e300, completion_tokens: 4 }, mostInput],
    [{ prompt_tokens: 12, completion_tokens: null }, 12],
    [{ prompt_tokens: 12 }, 12],
  ])('counts by estimate: %j', async (rawUsage, inputTokens) => {
    for (const settled of await settledWith('openai-compatible', rawUsage)) {
      expect(settled).toMatchObject({ isEstimated: true, usage: { inputTokens } });
      expect(settled?.usage?.outputTokens).toBeGreaterThanOrEqual(4);
    }
  });

  it('is not taken for what came from a cache', async () => {
    const rawUsage = {
      prompt_tokens: 10,
      completion_tokens: 2,
      prompt_tokens_details: { cached_tokens: 999 },
    };
    for (const settled of await settledWith('openai-compatible', rawUsage)) {
      expect(settled).toMatchObject({
        isEstimated: false,
        usage: { inputTokens: 10, cachedInputTokens: null },
      });
    }
  });

  it('leaves reasoning out beside a total that has it', async () => {
    const details = { completion_tokens_details: { reasoning_tokens: 500 } };
    const rawUsage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 512, ...details };
    for (const settled of await settledWith('openai-compatible', rawUsage)) {
      expect(settled).toMatchObject({ isEstimated: false, usage: { inputTokens: 10, outputTokens: 502 } });
    }
  });
});

describe('nothing', () => {
  it.each([
    ['openai-compatible', { prompt_tokens: 12, completion_tokens: 0 }, 12],
    ['openai-compatible', { prompt_tokens: 0, completion_tokens: 0 }, 0],
    ['google', { promptTokenCount: 12, totalTokenCount: 12 }, 12],
  ] as const)('is believed where a filter left nothing: %s %j', async (protocol, rawUsage, inputTokens) => {
    for (const settled of await settledWith(protocol, rawUsage, { text: '', finish: 'refused' })) {
      expect(settled).toMatchObject({ isEstimated: false, usage: { inputTokens, outputTokens: 0 } });
    }
  });

  it('is believed of a prompt that Bedrock’s filter answered in place of the model', async () => {
    const blocked = { text: 'I cannot help with that.', finish: 'refused' } as const;
    for (const settled of await settledWith('bedrock', zeros.bedrock, blocked)) {
      expect(settled).toMatchObject({ isEstimated: false, usage: { inputTokens: 0, outputTokens: 0 } });
    }
  });
});
