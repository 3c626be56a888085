const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * How long to wait before the next attempt: doubling, at most 15 s, spread over ±25 % so that many pages do not come
 * back in one moment.
 * @param failures Attempts that failed since the last success, before this one.
 * @param random A number in [0, 1).
 */
export function reconnectDelayMs(failures: number, random: () => number): number {
  const planned = Math.min(FIRST_MS * 2 ** Math.min(failures, 10), LONGEST_MS);
  return Math.round(planned * (0.75 + random() * 0.5));
}
