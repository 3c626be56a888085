import type pg from 'pg';
import { errorCode } from './db/pool.ts';
import type { HealthReport } from './gateway/create-http-server.ts';
import type { RedisFilter } from './redis/create-redis-filter.ts';

/** An answer is good for that long: who asks often must not keep the database busy. */
const HEALTH_FRESH_MS = 500;

/** What `GET /health` says. Only the database can make it unavailable. */
export function createHealth(options: {
  readonly pool: pg.Pool;
  readonly version: string;
  readonly role: 'all' | 'gateway' | 'worker';
  /** `null`: this process does without. Never a reason to be unavailable: PostgreSQL does the same. */
  readonly redis: Pick<RedisFilter, 'snapshot'> | null;
}): () => Promise<HealthReport> {
  let latest: { readonly at: number; readonly report: Promise<HealthReport> } | null = null;
  const ask = async (): Promise<HealthReport> => {
    const counts = options.redis?.snapshot() ?? null;
    const base = {
      version: options.version,
      role: options.role,
      ...(counts === null ? {} : { redis: counts.state, redisCounts: counts }),
    };
    try {
      const { rows } = await options.pool.query<{ waiting: string; oldest_ms: number }>(
        'select * from queue_status()',
      );
      const [row] = rows;
      const queue = { waiting: Number(row?.waiting ?? 0), oldestMs: Math.round(row?.oldest_ms ?? 0) };
      return { status: 'ok', ...base, database: 'ok', queue };
    } catch (error) {
      return {
        status: 'unavailable',
        ...base,
        database: 'unavailable',
        reason: `The database does not answer (${errorCode(error) ?? 'no connection'}).`,
      };
    }
  };
  return () => {
    const now = Date.now();
    if (latest === null || now - latest.at > HEALTH_FRESH_MS) latest = { at: now, report: ask() };
    return latest.report;
  };
}
