/** What the tokens of a model cost. A call keeps the price that it was reserved with. */
export interface ModelPrice {
  /** Where it comes from and in which version; stands in the ledger. */
  readonly version: string;
  /** At least one, with `above` growing from 0. */
  readonly tiers: readonly PriceTier[];
}

/** In 1e-9 US dollars per million tokens, whole numbers. */
export interface PriceTier {
  /** The tier is for calls whose whole prompt is longer than this many tokens, and then for all their tokens. */
  readonly above: number;
  readonly input: number;
  readonly output: number;
  readonly cachedInput: number;
  readonly cacheWrite: number;
}

/** Tokens of a call, all known. */
export interface CountedUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteTokens: number;
}

const PER_MILLION = 1_000_000n;
const NANO_USD = 1_000_000_000;

/** US dollars per million tokens as a whole number of 1e-9 US dollars. */
export function toNanoUsd(usd: number): number {
  return Math.round(usd * NANO_USD);
}

/**
 * What a call cost, in 1e-9 US dollars, rounded up once for the whole call. Exact: products of tokens and prices do not
 * fit into a double.
 */
export function costOf(price: ModelPrice, usage: CountedUsage): number {
  const tier = tierOf(price, usage.inputTokens);
  // Providers count cached tokens as input; whatever they say, none is counted twice and none is negative.
  const written = Math.min(usage.cacheWriteTokens, usage.inputTokens);
  const cached = Math.min(usage.cachedInputTokens, usage.inputTokens - written);
  return roundUp(
    times(usage.inputTokens - written - cached, tier.input) +
      times(cached, tier.cachedInput) +
      times(written, tier.cacheWrite) +
      times(usage.outputTokens, tier.output),
  );
}

/**
 * The most that a call of at most so many tokens can cost: all of its prompt at the dearest price that can apply (a
 * written cache, the tier of long prompts).
 */
export function worstCaseOf(price: ModelPrice, maxInputTokens: number, maxOutputTokens: number): number {
  return Math.max(
    ...price.tiers
      .filter(({ above }) => above === 0 || above < maxInputTokens)
      .map((tier) =>
        roundUp(
          times(maxInputTokens, Math.max(tier.input, tier.cachedInput, tier.cacheWrite)) +
            times(maxOutputTokens, tier.output),
        ),
      ),
  );
}

function tierOf({ tiers }: ModelPrice, inputTokens: number): PriceTier {
  const tier = tiers.findLast(({ above }) => above === 0 || inputTokens > above);
  if (tier === undefined) throw new Error('A price has no tier for short prompts.');
  return tier;
}

function times(tokens: number, price: number): bigint {
  return BigInt(tokens) * BigInt(price);
}

function roundUp(cost: bigint): number {
  return Number((cost + PER_MILLION - 1n) / PER_MILLION);
}
