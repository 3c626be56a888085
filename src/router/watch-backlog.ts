import type pg from 'pg';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import { errorCode } from '../db/pool.ts';
import { queryRows } from '../db/query-rows.ts';

/** A tenant of which more waits than is soon done. */
export interface TenantBacklog {
  /** Names the episode, the same in every gateway. */
  readonly since: string;
  /** Conversations that wait for an answer; counted to 1,000. */
  readonly waiting: number;
}

/** From when on people are told that answers take a while; `null`: this bound is off. */
export interface BusyBounds {
  readonly afterMs: number | null;
  readonly afterWaiting: number | null;
}

export interface BacklogWatch {
  /** As of the last look: costs nothing. */
  of(tenantId: string): TenantBacklog | null;
  /** Looks now. */
  look(): Promise<void>;
  stop(): void;
}

export interface BacklogOptions {
  readonly pool: pg.Pool;
  readonly bounds: BusyBounds;
  readonly everyMs: number;
  readonly log: Log;
  readonly metrics?: Metrics;
}

/**
 * Looks at intervals which tenants have a backlog, so that an admission can say so without asking. When the database
 * cannot be asked, nobody has one: what is stored then is stored elsewhere, or not at all.
 */
export function watchBacklog(options: BacklogOptions): BacklogWatch {
  const { bounds, metrics = noMetrics } = options;
  let backlogs: ReadonlyMap<string, TenantBacklog> = new Map();
  let looking: Promise<void> | null = null;

  async function ask(): Promise<void> {
    try {
      const rows = await queryRows<{ tenant_id: string; waiting: string; busy_since: Date }>(options.pool, {
        name: 'look_at_backlog',
        text: 'select * from look_at_backlog($1, $2)',
        values: [bounds.afterWaiting, bounds.afterMs],
      });
      backlogs = new Map(
        rows.map(({ tenant_id, waiting, busy_since }) => [
          tenant_id,
          { since: busy_since.toISOString(), waiting: Number(waiting) },
        ]),
      );
    } catch (error) {
      backlogs = new Map();
      options.log.warn('backlog.unknown', { code: errorCode(error) });
    }
    metrics.gauge('konstruct_tenants_busy', {}).set(backlogs.size);
  }

  /** One look at a time, however slow the database is. */
  function look(): Promise<void> {
    looking ??= ask().finally(() => {
      looking = null;
    });
    return looking;
  }

  const timer = setInterval(() => void look(), options.everyMs);
  timer.unref();
  return { of: (tenantId) => backlogs.get(tenantId) ?? null, look, stop: () => clearInterval(timer) };
}
