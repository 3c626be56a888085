/** So many operations in any stretch of time of this length. */
export interface WindowLimit {
  readonly operations: number;
  readonly windowMs: number;
}

/** Counts, by what a platform counts by, what it has taken; what is refused does not count. */
export interface WindowLimits {
  /** @returns 0: it is taken; otherwise ms until it may come again */
  take(key: string): number;
}

export function createWindowLimits(limits: readonly WindowLimit[], clock: () => number): WindowLimits {
  const taken = new Map<string, number[]>();
  return {
    take(key) {
      const nowMs = clock();
      const times = taken.get(key) ?? [];
      taken.set(key, times);
      const waits = limits.map(({ operations, windowMs }) => {
        const atMs = times.at(-operations);
        return atMs === undefined ? 0 : atMs + windowMs - nowMs;
      });
      const waitMs = Math.max(0, ...waits);
      if (waitMs === 0) times.push(nowMs);
      return waitMs;
    },
  };
}
