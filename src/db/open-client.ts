import pg from 'pg';
import { KonstructError } from '../core/errors.ts';

/**
 * A connection of the operator's own user for work on the whole database. Its statements have no time limit: a new index
 * on a full table, or copying one, takes as long as it takes, whatever the server's default is. The caller ends it.
 *
 * @throws KonstructError `database_unavailable`
 */
export async function openClient(url: string, name: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: `konstruct ${name}`,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    statement_timeout: 0,
  });
  client.on('error', () => {}); // the query under way fails too; without a listener the process would end
  try {
    await client.connect();
  } catch (cause) {
    throw new KonstructError('database_unavailable', undefined, { cause });
  }
  return client;
}
