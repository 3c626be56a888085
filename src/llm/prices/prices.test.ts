import { describe, expect, it } from 'vitest';
import type { ProviderName } from '../../core/model.ts';
import { createPriceList, isThoughtFree, loadTable } from './create-price-list.ts';
import { costOf, type ModelPrice, worstCaseOf } from './model-price.ts';

const prices = createPriceList(() => Date.UTC(2026, 10, 23));

async function priceOf(provider: ProviderName, model: string, baseUrl?: string) {
  return prices.find({ provider, model, ...(baseUrl === undefined ? {} : { baseUrl }) });
}

async function knownPrice(provider: ProviderName, model: string): Promise<ModelPrice> {
  const price = await priceOf(provider, model);
  if (price === null) throw new Error(`No price of ${model}.`);
  return price;
}

const uncached = { cachedInputTokens: 0, cacheWriteTokens: 0 };

describe('the price list', () => {
  it('knows models by their provider, with cache, long prompts and version', async () => {
    expect(await priceOf('anthropic', 'claude-sonnet-4-5-20250929')).toEqual({
      version: expect.stringMatching(/^genai-prices \d+\.\d+\.\d+$/),
      tiers: [
        { above: 0, input: 3e9, output: 15e9, cachedInput: 3e8, cacheWrite: 3.75e9 },
        { above: 200_000, input: 6e9, output: 22.5e9, cachedInput: 6e8, cacheWrite: 7.5e9 },
      ],
    });
    expect((await knownPrice('openai', 'gpt-4o')).tiers).toEqual([
      { above: 0, input: 2.5e9, output: 10e9, cachedInput: 1.25e9, cacheWrite: 2.5e9 },
    ]);
  });

  it('knows an address that sells models, and not one of somebody’s own', async () => {
    const groq = 'https://api.groq.com/openai/v1';
    expect(await priceOf('openai-compatible', 'llama-3.3-70b-versatile', groq)).not.toBeNull();
    expect(await priceOf('openai-compatible', 'gpt-4o', 'https://llm.example.com/v1')).toBeNull();
    expect(await priceOf('openai', 'no-such-model')).toBeNull();
  });

  it('takes the price of the route entry first, and says in the version what it was', async () => {
    const price = { inputUsdPerMillion: 0.25, outputUsdPerMillion: 2, cachedInputUsdPerMillion: 0.1 };
    expect(await prices.find({ provider: 'openai', model: 'gpt-4o', price })).toEqual({
      version: 'konstruct.yaml 0.25/2/0.1/0.25',
      tiers: [{ above: 0, input: 2.5e8, output: 2e9, cachedInput: 1e8, cacheWrite: 2.5e8 }],
    });
  });

  it('looks a price up again: it may change on a day', async () => {
    let nowMs = Date.parse('2025-05-01T00:00:00Z');
    const list = createPriceList(() => nowMs);
    const inputOf = async () =>
      (await list.find({ provider: 'openai', model: 'o3' }))?.tiers.map(({ input }) => input);
    expect(await inputOf()).toEqual([10e9]);
    nowMs = Date.parse('2025-07-01T00:00:00Z');
    expect(await inputOf()).toEqual([2e9]);
  });

  it('loads the table again after it could not be read', async () => {
    let loads = 0;
    const list = createPriceList(
      () => Date.UTC(2026, 10, 23),
      {},
      async () => {
        loads += 1;
        if (loads === 1) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
        return loadTable();
      },
    );
    const find = (model: string) => list.find({ provider: 'openai', model });
    await expect(Promise.all([find('gpt-4o'), find('o3')])).rejects.toThrow('too many open files');
    expect(await find('gpt-4o')).not.toBeNull();
    expect(await find('o3')).not.toBeNull();
    expect(loads).toBe(2);
  });

  it('asks nothing for what runs here', async () => {
    for (const provider of ['ollama', 'demo'] as const) {
      expect(worstCaseOf(await knownPrice(provider, 'any'), 100_000, 100_000)).toBe(0);
    }
    expect((await priceOf('ollama', 'any', 'http://ollama:11434/v1'))?.version).toBe('free');
  });

  it('does not think Ollama free that somebody else runs, wherever that is written', async () => {
    const ollama = { provider: 'ollama', model: 'gpt-oss:120b-cloud' } as const;
    expect(await prices.find({ ...ollama, baseUrl: 'https://ollama.com/v1' })).toBeNull();
    const hosted = createPriceList(Date.now, { ollama: { baseUrl: 'https://ollama.com' } });
    expect(await hosted.find(ollama)).toBeNull();
    expect((await hosted.find({ ...ollama, baseUrl: 'http://localhost:11434' }))?.version).toBe('free');
    const near = createPriceList(Date.now, { ollama: { baseUrl: 'http://10.0.0.7:11434' } });
    expect((await near.find(ollama))?.version).toBe('free');
  });
});

describe('a server that speaks OpenAI’s protocol', () => {
  it.each([
    'http://127.0.0.1:8000/v1',
    'http://localhost:1234/v1',
    'http://[::1]:8000/v1',
    'http://10.1.2.3/v1',
    'http://172.20.0.4:8000/v1',
    'http://192.168.1.7:8000/v1',
    'http://[fd00::7]/v1',
    'http://vllm:8000/v1',
    'https://llm.internal/v1',
    'https://gpu.acme.local/v1',
  ])('costs nothing in a network of one’s own: %s', async (baseUrl) => {
    const price = await prices.find({ provider: 'openai-compatible', model: 'llama3.3', baseUrl });
    expect(price?.version).toBe('free');
  });

  it.each([
    'https://llm.example.com/v1',
    'https://172.32.0.1/v1',
    'https://11.0.0.1/v1',
    'https://[2001:db8::1]/v1',
    'https://localhost.example.com/v1',
    'https://10.0.0.1.example.com/v1',
    'nonsense',
  ])('has a price or none anywhere else: %s', async (baseUrl) => {
    expect(await prices.find({ provider: 'openai-compatible', model: 'llama3.3', baseUrl })).toBeNull();
  });

  it.each([
    ['http://litellm:4000/v1', true],
    ['http://10.1.2.3/v1', true],
    ['https://llm.internal/v1', true],
    ['http://[fd00::7]/v1', true],
    ['http://127.example.lan/v1', true],
    ['http://127.0.0.1:8000/v1', false],
    ['http://localhost:1234/v1', false],
    ['http://[::1]:8000/v1', false],
    ['https://llm.example.com/v1', false],
  ])('is only thought to cost nothing on another machine: %s', (baseUrl, expected) => {
    const entry = { provider: 'openai-compatible', model: 'm', baseUrl } as const;
    expect(isThoughtFree(entry)).toBe(expected);
    const price = { inputUsdPerMillion: 0, outputUsdPerMillion: 0 };
    expect(isThoughtFree({ ...entry, price })).toBe(false);
    expect(isThoughtFree({ ...entry, provider: 'ollama' })).toBe(false);
  });

  it('costs what the entry says, wherever it is', async () => {
    const price = { inputUsdPerMillion: 1, outputUsdPerMillion: 1 };
    const entry = {
      provider: 'openai-compatible',
      model: 'm',
      baseUrl: 'http://127.0.0.1/v1',
      price,
    } as const;
    expect((await prices.find(entry))?.version).toContain('konstruct.yaml');
  });
});

describe('the cost of a call', () => {
  it('is exact: cached, written and other input, output, each at its price', async () => {
    const price = await knownPrice('anthropic', 'claude-sonnet-4-5');
    const cache = { cachedInputTokens: 7_000, cacheWriteTokens: 1_000 };
    // 2,000 × $3 + 7,000 × $0.30 + 1,000 × $3.75 + 500 × $15, each per million
    const expected = 6_000_000 + 2_100_000 + 3_750_000 + 7_500_000;
    expect(costOf(price, { inputTokens: 10_000, outputTokens: 500, ...cache })).toBe(expected);
  });

  it('is that of long prompts for all tokens from one token beyond the bound', async () => {
    const price = await knownPrice('anthropic', 'claude-sonnet-4-5');
    expect(costOf(price, { inputTokens: 200_000, outputTokens: 0, ...uncached })).toBe(600_000_000);
    expect(costOf(price, { inputTokens: 200_001, outputTokens: 0, ...uncached })).toBe(1_200_006_000);
  });

  it('is rounded up once, and stays exact where doubles do not', () => {
    const tier = { above: 0, input: 1, output: 999_999_999_999_999, cachedInput: 1, cacheWrite: 1 };
    const price: ModelPrice = { version: 'test', tiers: [tier] };
    expect(costOf(price, { inputTokens: 1, outputTokens: 0, ...uncached })).toBe(1);
    expect(costOf(price, { inputTokens: 0, outputTokens: 9_000, ...uncached })).toBe(9_000_000_000_000);
  });

  it('never exceeds the worst case, whatever is cached and however much shorter the prompt is', async () => {
    for (const [provider, model] of [
      ['anthropic', 'claude-sonnet-4-5'],
      ['openai', 'gpt-5.4'],
      ['google', 'gemini-2.5-pro'],
    ] as const) {
      const price = await knownPrice(provider, model);
      for (const inputTokens of [0, 1, 199_999, 200_001, 280_000]) {
        for (const [cachedInputTokens, cacheWriteTokens] of [
          [0, 0],
          [inputTokens, 0],
          [0, inputTokens],
        ] as const) {
          const cost = costOf(price, {
            inputTokens,
            outputTokens: 4_096,
            cachedInputTokens,
            cacheWriteTokens,
          });
          expect(cost).toBeLessThanOrEqual(worstCaseOf(price, inputTokens, 4_096));
          expect(cost).toBeLessThanOrEqual(worstCaseOf(price, 300_000, 4_096));
        }
      }
    }
  });
});
