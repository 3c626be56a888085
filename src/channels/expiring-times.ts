/** Entries of the past are dropped when there are as many or twice what was left last time. */
const SWEEP_AT = 1000;

/** Times by key, in ms; those that have passed are forgotten. */
export class ExpiringTimes {
  readonly #times = new Map<string, number>();
  #sweepAt = SWEEP_AT;

  get size(): number {
    return this.#times.size;
  }

  get(key: string): number | undefined {
    return this.#times.get(key);
  }

  set(key: string, timeMs: number, nowMs: number): void {
    this.#times.set(key, timeMs);
    if (this.#times.size < this.#sweepAt) return;
    for (const [other, due] of this.#times) if (due <= nowMs) this.#times.delete(other);
    this.#sweepAt = Math.max(SWEEP_AT, this.#times.size * 2);
  }
}
