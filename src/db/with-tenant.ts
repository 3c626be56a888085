import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from './schema.ts';

/**
 * Runs work in a transaction that sees and writes the rows of one tenant only. The tenant is set for this transaction
 * (`set_config(…, true)`), so nothing of it stays on the pooled connection.
 */
export function withTenant<T>(
  database: Kysely<Database>,
  tenantId: string,
  work: (transaction: Transaction<Database>) => Promise<T>,
): Promise<T> {
  return database.transaction().execute(async (transaction) => {
    await sql`select set_config('konstruct.tenant_id', ${tenantId}, true)`.execute(transaction);
    return work(transaction);
  });
}
