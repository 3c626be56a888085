import { countRequests, type RequestRate } from './count-requests.ts';

/** How many requests that prove themselves by a token are checked and read in a second. */
export interface TokenIngestFigures extends RequestRate {
  readonly bodyBytes: number;
  /** Where the platform sends the same token for a while; `perSecond` is where each request has one of its own. */
  readonly sameTokenPerSecond: number;
}

/** More than are remembered: each is forgotten when its turn comes again. */
const TOKENS = 1_000;

/** @param makeToken called for as many tokens as are needed */
export async function countTokens(
  makeToken: (number: number) => string,
  work: (token: string) => Promise<void>,
  rounds = 20_000,
): Promise<Omit<TokenIngestFigures, 'bodyBytes'>> {
  const tokens = Array.from({ length: TOKENS }, (_, number) => makeToken(number));
  let next = 0;
  const each = await countRequests(() => work(tokens[next++ % TOKENS] ?? ''), rounds);
  const same = await countRequests(() => work(tokens[0] ?? ''), rounds);
  return { ...each, sameTokenPerSecond: same.perSecond };
}
