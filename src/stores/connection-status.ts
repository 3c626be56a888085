import type pg from 'pg';
import type { Connection } from '../core/tenant.ts';
import { queryRows } from '../db/query-rows.ts';

/** Stops answering for a connection. Resolves to whether it was active until now. */
export async function disableConnection(
  pool: pg.Pool,
  connection: Pick<Connection, 'tenantId' | 'id'>,
  reason: string,
): Promise<boolean> {
  const rows = await queryRows<{ changed: boolean }>(pool, {
    name: 'disable_connection',
    text: 'select disable_connection($1, $2, $3) as changed',
    values: [connection.tenantId, connection.id, reason],
  });
  return rows[0]?.changed ?? false;
}
