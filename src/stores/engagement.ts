import { type Kysely, sql } from 'kysely';
import type { Connection } from '../core/tenant.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';

/** The agent follows nothing in a channel any more, nor in the topics below it (`{channelId}/…`). */
export async function endEngagement(
  database: Kysely<Database>,
  connection: Pick<Connection, 'tenantId' | 'id'>,
  channelId: string,
): Promise<void> {
  await withTenant(database, connection.tenantId, (transaction) =>
    sql`
      update konstruct.conversations set engaged_until = null
      where connection_id = ${connection.id} and engaged_until is not null
        and (channel_id = ${channelId} or starts_with(channel_id, ${`${channelId}/`}))`.execute(transaction),
  );
}
