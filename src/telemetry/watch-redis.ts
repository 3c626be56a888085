import type { Metrics } from '../core/metrics.ts';

/** What the filter in front of PostgreSQL has counted since the start of the process. */
interface RedisCounts {
  readonly state: 'ok' | 'unavailable';
  readonly filtered: number;
  readonly fallenBack: number;
  readonly duplicates: number;
  readonly limited: number;
  readonly notEngaged: number;
}

/** Brings the counts of the Redis filter to the metrics whenever they are read. */
export function watchRedis(metrics: Metrics, snapshot: () => RedisCounts): void {
  const passed = new Map<string, number>();
  metrics.onCollect(() => {
    const { state, filtered, fallenBack, duplicates, limited, notEngaged } = snapshot();
    metrics.gauge('konstruct_redis_up', {}).set(state === 'ok' ? 1 : 0);
    const counts = {
      passed: filtered - duplicates - limited - notEngaged,
      duplicate: duplicates,
      limited,
      not_engaged: notEngaged,
      fallen_back: fallenBack,
    };
    for (const [outcome, count] of Object.entries(counts)) {
      const before = passed.get(outcome) ?? 0;
      metrics.counter('konstruct_redis_messages_total', { outcome }).increment(Math.max(0, count - before));
      passed.set(outcome, Math.max(before, count));
    }
  });
}
