import type pg from 'pg';
import { errorCode } from './db/pool.ts';
import type { HealthReport } from './gateway/create-http-server.ts';

const HEALTH_FRESH_MS = 500;

/** Asks the database, at most twice a second however often it is called. */
export function createHealth(
  pool: pg.Pool,
  options: { readonly version: string; readonly role: string },
): () => Promise<HealthReport> {
  let latest: { readonly at: number; readonly report: Promise<HealthReport> } | null = null;
  const ask = async (): Promise<HealthReport> => {
    const base = { version: options.version, role: options.role };
    try {
      const { rows } = await pool.query<{ waiting: string; oldest_ms: number }>(
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
