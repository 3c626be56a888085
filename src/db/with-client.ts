import pg from 'pg';
import { KonstructError } from '../core/errors.ts';
import { translateDatabaseError } from './pool.ts';

export interface ClientOptions {
  readonly connectTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
}

/**
 * Lends a connection of the operator's own user, outside of any pool: for migrations and checks, never for tenants'
 * rows.
 *
 * @throws KonstructError `database_unavailable`
 */
export async function withClient<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
  options: ClientOptions = {},
): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'konstruct command',
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    query_timeout: options.statementTimeoutMs ?? 15_000,
  });
  // A connection that breaks also fails the call in flight; without a listener it would end the process as well.
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (cause) {
    throw new KonstructError('database_unavailable', describeRefusal(cause), { cause });
  }
  try {
    return await work(client);
  } catch (error) {
    throw translateDatabaseError(error);
  } finally {
    await client.end();
  }
}

/** PostgreSQL's own words ("password authentication failed for user …") hold no secret and say most. */
function describeRefusal(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string };
  return `PostgreSQL cannot be reached: ${message || code || 'no reason given'}.`;
}
