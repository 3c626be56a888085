/** How fast requests are checked and read whose proof is worked out in Node's other threads. */
export interface RequestRate {
  /** By the clock, with 16 at a time. */
  readonly perSecond: number;
  /** Of all threads, per request. */
  readonly cpuMicroseconds: number;
}

/** As many as a busy gateway checks at the same time. */
const AT_ONCE = 16;
const SLICES = 5;

/** The median of five slices: what else the machine does in one of them does not count. */
export async function countRequests(work: () => Promise<void>, rounds: number): Promise<RequestRate> {
  const run = async (count: number): Promise<void> => {
    for (let round = 0; round < count; round += 1) await work();
  };
  const all = (count: number) => Promise.all(Array.from({ length: AT_ONCE }, () => run(count / AT_ONCE)));
  await all(rounds / 4);
  const slices: RequestRate[] = [];
  for (let slice = 0; slice < SLICES; slice += 1) {
    const cpu = process.cpuUsage();
    const startedAtMs = performance.now();
    await all(rounds / SLICES);
    const seconds = (performance.now() - startedAtMs) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    const done = rounds / SLICES;
    slices.push({ perSecond: Math.round(done / seconds), cpuMicroseconds: (user + system) / done });
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(SLICES / 2)] ?? 0;
  return {
    perSecond: median(slices.map(({ perSecond }) => perSecond)),
    cpuMicroseconds: median(slices.map(({ cpuMicroseconds }) => cpuMicroseconds)),
  };
}
