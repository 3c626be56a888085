import type pg from 'pg';
import type { Metrics } from '../core/metrics.ts';

export interface WatchedProcess {
  readonly version: string;
  readonly role: string;
  readonly pools: ReadonlyMap<string, Pick<pg.Pool, 'totalCount' | 'idleCount' | 'waitingCount'>>;
  readonly queue: () => Promise<{ readonly waiting: number; readonly oldestMs: number }>;
  readonly turnsRunning: () => number;
  readonly isReady: () => boolean;
}

/** Sets the gauges of what has a state, whenever metrics are read: queue, pools, turns, readiness. */
export function watchProcess(metrics: Metrics, watched: WatchedProcess): void {
  metrics.gauge('konstruct_info', { version: watched.version, role: watched.role }).set(1);
  metrics.onCollect(() => {
    metrics.gauge('konstruct_ready', {}).set(watched.isReady() ? 1 : 0);
    metrics.gauge('konstruct_turns_running', {}).set(watched.turnsRunning());
    for (const [pool, { totalCount, idleCount, waitingCount }] of watched.pools) {
      metrics.gauge('konstruct_database_connections', { pool, state: 'busy' }).set(totalCount - idleCount);
      metrics.gauge('konstruct_database_connections', { pool, state: 'idle' }).set(idleCount);
      metrics.gauge('konstruct_database_waiting', { pool }).set(waitingCount);
    }
  });
  metrics.onCollect(async () => {
    const { waiting, oldestMs } = await watched.queue();
    metrics.gauge('konstruct_queue_waiting', {}).set(waiting);
    metrics.gauge('konstruct_queue_oldest_seconds', {}).set(oldestMs / 1_000);
  });
}
