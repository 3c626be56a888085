import { type Kysely, sql, type Transaction } from 'kysely';
import { translateDatabaseError } from './pool.ts';
import type { Database } from './schema.ts';

/**
 * Runs work in a transaction that sees and writes the rows of one tenant only. The tenant is set for this transaction
 * (`set_config(…, true)`), so nothing of it stays on the pooled connection.
 *
 * @throws KonstructError `database_unavailable`, `disk_full`; what `work` throws
 */
export async function withTenant<T>(
  database: Kysely<Database>,
  tenantId: string,
  work: (transaction: Transaction<Database>) => Promise<T>,
): Promise<T> {
  try {
    return await database.transaction().execute(async (transaction) => {
      await sql`select set_config('konstruct.tenant_id', ${tenantId}, true)`.execute(transaction);
      return work(transaction);
    });
  } catch (error) {
    throw translateDatabaseError(error);
  }
}
