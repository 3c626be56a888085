import { readFile } from 'node:fs/promises';
import type * as GenaiPrices from '@pydantic/genai-prices';
import type { Clock } from '../../core/clock.ts';
import type { EntryPrice, ProviderKeys, RouteEntry } from '../../core/model.ts';
import { isLoopback, isOwnMachine } from './is-own-machine.ts';
import { type ModelPrice, type PriceTier, toNanoUsd, worstCaseOf } from './model-price.ts';

/** Prices of models. */
export interface PriceList {
  /** What the model of a route entry costs now; `null`: not known. */
  find(entry: RouteEntry): Promise<ModelPrice | null>;
}

/**
 * Whether a model counts as free only because of where it is asked: a gateway at such an address (LiteLLM) may pass calls on
 * to models that send a bill.
 */
export function isThoughtFree({ provider, baseUrl = '', price }: RouteEntry): boolean {
  return (
    price === undefined && provider === 'openai-compatible' && isOwnMachine(baseUrl) && !isLoopback(baseUrl)
  );
}

export type PriceTable = typeof GenaiPrices & { readonly version: string };
type TableRates = GenaiPrices.ModelPrice;

/** Our names of providers in the table. Those that are not in it are known by their address. */
const tableProviders: Readonly<Record<string, string>> = {
  anthropic: 'anthropic',
  openai: 'openai',
  google: 'google',
  bedrock: 'aws',
  azure: 'azure',
  mistral: 'mistral',
  groq: 'groq',
  openrouter: 'openrouter',
};
const free: ModelPrice = {
  version: 'free',
  tiers: [{ above: 0, input: 0, output: 0, cachedInput: 0, cacheWrite: 0 }],
};

/** The table knows when prices change: looked up again after this long. */
const FRESH_MS = 60 * 60_000;
const MAX_KEPT = 500;

/**
 * Prices from the route entry itself; what runs on machines of one's own costs nothing; else from the table of the package `@pydantic/genai-prices`, which is loaded when
 * it is first needed (35 ms, 10 MB) and asks nobody: its prices are those of its version.
 *
 * @param wallClock ms since 1970: prices change at dates
 * @param installed addresses of the installation, for entries without one
 */
export function createPriceList(
  wallClock: Clock,
  installed: ProviderKeys = {},
  load: () => Promise<PriceTable> = loadTable,
): PriceList {
  const kept = new Map<string, { readonly price: Promise<ModelPrice | null>; readonly untilMs: number }>();
  let table: Promise<PriceTable> | null = null;

  function isFree({ provider, baseUrl }: RouteEntry): boolean {
    if (provider === 'demo') return true;
    // Who runs it elsewhere may be who sells it: https://ollama.com/v1.
    if (provider === 'ollama')
      return isOwnMachine(baseUrl ?? (installed.ollama?.baseUrl || 'http://localhost'));
    return provider === 'openai-compatible' && isOwnMachine(baseUrl ?? '');
  }

  function openTable(): Promise<PriceTable> {
    const opening = table ?? load();
    table = opening;
    opening.catch(() => {
      if (table === opening) table = null; // a failure is not an answer
    });
    return opening;
  }

  async function lookUp(entry: RouteEntry): Promise<ModelPrice | null> {
    const { version, calcPrice, findProvider } = await openTable();
    const providerId = tableProviders[entry.provider];
    const provider =
      providerId === undefined
        ? entry.baseUrl && findProvider({ providerApiUrl: entry.baseUrl })
        : findProvider({ providerId });
    if (!provider) return null;
    const found = calcPrice({}, entry.model, { provider, timestamp: new Date(wallClock()) });
    const tiers = found === null ? null : tiersOf(found.model_price);
    return tiers === null ? null : { version, tiers };
  }

  return {
    async find(entry) {
      if (entry.price) return overridden(entry.price);
      if (isFree(entry)) return free;
      const key = JSON.stringify([entry.provider, entry.model, entry.baseUrl]);
      const known = kept.get(key);
      if (known && wallClock() < known.untilMs) return known.price;
      const price = lookUp(entry);
      kept.delete(key);
      kept.set(key, { price, untilMs: wallClock() + FRESH_MS });
      if (kept.size > MAX_KEPT) {
        const [oldest] = kept.keys();
        if (oldest !== undefined) kept.delete(oldest);
      }
      price.catch(() => kept.delete(key)); // a failure is not an answer
      return price;
    },
  };
}

/** What so many tokens of an answer cost, in 1e-9 US dollars; `null`: not known. */
export function answerCostBy(prices: PriceList) {
  return async (entry: RouteEntry, tokens: number): Promise<number | null> => {
    const price = await prices.find(entry);
    return price && worstCaseOf(price, 0, tokens);
  };
}

export async function loadTable(): Promise<PriceTable> {
  const name = '@pydantic/genai-prices';
  const [table, manifest] = await Promise.all([
    import('@pydantic/genai-prices'),
    readFile(new URL('../package.json', import.meta.resolve(name)), 'utf8'),
  ]);
  const { version } = JSON.parse(manifest) as { version: string };
  return { ...table, version: `genai-prices ${version}` };
}

function overridden(price: EntryPrice): ModelPrice {
  const { inputUsdPerMillion: input, outputUsdPerMillion: output } = price;
  const cachedInput = price.cachedInputUsdPerMillion ?? input;
  const cacheWrite = price.cacheWriteUsdPerMillion ?? input;
  return {
    // The prices themselves, so that a call of long ago still says how it was reckoned.
    version: `konstruct.yaml ${[input, output, cachedInput, cacheWrite].join('/')}`,
    tiers: [
      {
        above: 0,
        input: toNanoUsd(input),
        output: toNanoUsd(output),
        cachedInput: toNanoUsd(cachedInput),
        cacheWrite: toNanoUsd(cacheWrite),
      },
    ],
  };
}

/** `null`: the model does not sell text by the token. */
function tiersOf(rates: TableRates): readonly PriceTier[] | null {
  const keys = ['input_mtok', 'output_mtok', 'cache_read_mtok', 'cache_write_mtok'];
  const starts = keys.flatMap((key) => {
    const rate = rates[key];
    return typeof rate === 'object' ? rate.tiers.map(({ start }) => start) : [];
  });
  const tiers: PriceTier[] = [];
  for (const above of [...new Set([0, ...starts])].sort((a, b) => a - b)) {
    const input = rateAt(rates.input_mtok, above);
    const output = rateAt(rates.output_mtok, above);
    if (input === null || output === null) return null;
    tiers.push({
      above,
      input,
      output,
      cachedInput: rateAt(rates.cache_read_mtok, above) ?? input,
      cacheWrite: rateAt(rates.cache_write_mtok, above) ?? input,
    });
  }
  return tiers;
}

function rateAt(rate: TableRates[string], above: number): number | null {
  if (rate === undefined) return null;
  if (typeof rate === 'number') return toNanoUsd(rate);
  const tier = rate.tiers.filter(({ start }) => start <= above).sort((a, b) => a.start - b.start);
  return toNanoUsd(tier.at(-1)?.price ?? rate.base);
}
