import { isKonstructError } from '../core/errors.ts';
import type { HealthReport } from './create-http-server.ts';

export interface HealthOptions {
  readonly version: string;
  readonly role: string;
  /** Asks the database; fails when it does not answer. */
  readonly queue: () => Promise<Readonly<Record<string, number>>>;
  /** `null`: this process does without. Never a reason to be unavailable: PostgreSQL does the same. */
  readonly redis: { snapshot(): { readonly state: 'ok' | 'unavailable' } } | null;
}

/** However often it is asked for, the database is asked no more often than this. */
const HEALTH_FRESH_MS = 500;

/** What `/health` says: whether the database answers, and what waits in the queue. */
export function createHealth(options: HealthOptions): () => Promise<HealthReport> {
  const base = { version: options.version, role: options.role };
  let latest: { readonly at: number; readonly report: Promise<HealthReport> } | null = null;
  const ask = async (): Promise<HealthReport> => {
    const counts = options.redis?.snapshot() ?? null;
    const redis = counts === null ? {} : { redis: counts.state, redisCounts: counts };
    try {
      return { status: 'ok', ...base, ...redis, database: 'ok', queue: await options.queue() };
    } catch (error) {
      return {
        status: 'unavailable',
        ...base,
        ...redis,
        database: 'unavailable',
        reason: `The database does not answer (${reasonOf(error)}).`,
      };
    }
  };
  return () => {
    const now = Date.now();
    if (latest === null || now - latest.at > HEALTH_FRESH_MS) latest = { at: now, report: ask() };
    return latest.report;
  };
}

function reasonOf(error: unknown): string {
  return String((isKonstructError(error) && error.details.code) || 'no connection');
}
