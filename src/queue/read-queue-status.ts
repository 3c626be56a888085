import type pg from 'pg';
import { queryRows } from '../db/query-rows.ts';

/** What waits for a worker, in the whole installation. */
export interface QueueStatus {
  /** Conversations that are due; counted to 10,000. */
  readonly waiting: number;
  /** How long the oldest of them has been due, in ms. */
  readonly oldestMs: number;
}

/** @throws KonstructError `database_unavailable` */
export async function readQueueStatus(pool: pg.Pool): Promise<QueueStatus> {
  const [row] = await queryRows<{ waiting: string; oldest_ms: number }>(pool, {
    name: 'queue_status',
    text: 'select * from queue_status()',
    values: [],
  });
  return { waiting: Number(row?.waiting ?? 0), oldestMs: Math.round(row?.oldest_ms ?? 0) };
}
