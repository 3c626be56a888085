import type pg from 'pg';
import { isTransient, translateDatabaseError } from './pool.ts';

const TRANSIENT_ATTEMPTS = 3;

/**
 * Runs one statement, prepared under `name` once per connection. A deadlock or serialisation failure is repeated.
 *
 * @throws KonstructError `database_unavailable`, `disk_full`; anything else is a defect and comes as it is
 */
export async function queryRows<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  statement: { readonly name: string; readonly text: string; readonly values: readonly unknown[] },
): Promise<readonly Row[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { rows } = await pool.query<Row>({ ...statement, values: [...statement.values] });
      return rows;
    } catch (error) {
      if (isTransient(error) && attempt < TRANSIENT_ATTEMPTS) continue;
      throw translateDatabaseError(error);
    }
  }
}
