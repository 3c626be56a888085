import type { Clock } from '../core/clock.ts';

/** Values by key that are believed for a while; the least recently used go first when there are too many. */
export interface RecentValues<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value, ttlMs: number): void;
}

export function createRecentValues<Value>(maxEntries: number, clock: Clock): RecentValues<Value> {
  const entries = new Map<string, { readonly value: Value; readonly untilMs: number }>();
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      if (entry.untilMs <= clock()) return undefined;
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, ttlMs) {
      entries.delete(key);
      entries.set(key, { value, untilMs: clock() + ttlMs });
      if (entries.size <= maxEntries) return;
      const oldest = entries.keys().next();
      if (!oldest.done) entries.delete(oldest.value);
    },
  };
}
