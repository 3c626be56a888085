/** How many requests that prove themselves by a token are checked and read in a second of CPU. */
export interface TokenIngestFigures {
  readonly bodyBytes: number;
  readonly perSecond: number;
}

/** As many as a busy gateway checks at the same time. */
const AT_ONCE = 16;

export async function countAtOnce(work: () => Promise<void>, rounds = 20_000): Promise<number> {
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
