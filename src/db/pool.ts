import pg from 'pg';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

export interface DatabasePoolOptions {
  readonly url: string;
  readonly name: string;
  readonly size: number;
  readonly log: Log;
  readonly connectTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
}

/**
 * A pool whose connections run as `konstruct_app` from their first statement on (a start-up parameter, no round trip):
 * whatever the operator's user may do, the application never bypasses row-level security.
 */
export function createDatabasePool(options: DatabasePoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.size,
    application_name: `konstruct ${options.name}`,
    options: '-c role=konstruct_app -c search_path=konstruct -c timezone=UTC',
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    statement_timeout: options.statementTimeoutMs ?? 15_000,
    query_timeout: (options.statementTimeoutMs ?? 15_000) + 2_000,
    idleTimeoutMillis: 0,
    keepAlive: true,
  });
  // An idle connection that breaks (server restarted) is replaced by the pool; without a listener it would end the process.
  pool.on('error', (error) => {
    if (pool.ending) return; // it goes anyway
    options.log.warn('database.connection_lost', { pool: options.name, code: errorCode(error) });
  });
  // A connection that is being closed may still hear that the server goes; nobody needs to.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** The server processes behind a pool's connections, by which a notification names its sender. Kept up to date. */
export function trackProcessIds(pool: pg.Pool): ReadonlySet<number> {
  const processIds = new Set<number>();
  const idOf = (client: pg.PoolClient): number => (client as unknown as { processID: number }).processID; // in no type
  pool.on('connect', (client) => processIds.add(idOf(client)));
  pool.on('remove', (client) => processIds.delete(idOf(client)));
  return processIds;
}

/** SQLSTATE or Node error code of a database error; `null` when it has none. */
export function errorCode(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : null;
}

/**
 * Says in the project's words what a database error means. The original is the cause, without bound values.
 *
 * `database_unavailable` and `disk_full` are worth another attempt; anything else is a defect and comes back as it is.
 */
export function translateDatabaseError(error: unknown): unknown {
  const code = errorCode(error);
  if (code === '53100' || code === 'ENOSPC')
    return new KonstructError('disk_full', undefined, { details: { code } });
  if (isUnavailable(code, error)) {
    return new KonstructError('database_unavailable', undefined, { details: { code }, cause: error });
  }
  return error;
}

/** Whether an error is the server's trouble and not that of a single call. */
export function isServerTrouble(error: unknown): boolean {
  return isKonstructError(error, 'database_unavailable') || isKonstructError(error, 'disk_full');
}

/** Deadlock or serialisation failure: the same call succeeds when it is repeated. */
export function isTransient(error: unknown): boolean {
  const code = errorCode(error);
  return code === '40P01' || code === '40001';
}

function isUnavailable(code: string | null, error: unknown): boolean {
  if (code === null) {
    // node-postgres reports its own connection troubles by text only.
    return error instanceof Error && /timeout|terminat|Connection|not queryable/i.test(error.message);
  }
  // 08: connection; 53: too many connections, memory; 57P: shut down, crash, starting up; 57014: statement timeout;
  // 25006: read-only (a standby during fail-over).
  return /^(08|53|57P)/.test(code) || ['57014', '25006'].includes(code) || /^E[A-Z]+$/.test(code);
}
