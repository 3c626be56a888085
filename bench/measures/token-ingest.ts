/** How many requests that prove themselves by a token are checked and read in a second of CPU. */
export interface TokenIngestFigures {
  readonly bodyBytes: number;
  /** Where each request has a token of its own. */
  readonly perSecond: number;
  /** Where the platform sends the same token for a while. */
  readonly sameTokenPerSecond: number;
}

/** As many as a busy gateway checks at the same time. */
const AT_ONCE = 16;

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
  return {
    perSecond: await countAtOnce(() => work(tokens[next++ % TOKENS] ?? ''), rounds),
    sameTokenPerSecond: await countAtOnce(() => work(tokens[0] ?? ''), rounds),
  };
}

async function countAtOnce(work: () => Promise<void>, rounds: number): Promise<number> {
  const run = async (count: number): Promise<void> => {
    for (let round = 0; round < count; round += 1) await work();
  };
  const all = (count: number) => Promise.all(Array.from({ length: AT_ONCE }, () => run(count / AT_ONCE)));
  await all(rounds / 4);
  const before = process.cpuUsage();
  await all(rounds);
  const { user, system } = process.cpuUsage(before);
  return Math.round((rounds * 1_000_000) / (user + system));
}
