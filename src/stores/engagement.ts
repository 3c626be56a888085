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
    // In the order in which everybody locks conversations (migrations/functions/README.md). '-infinity' outlives the answer
    // that is on its way out, which would engage the thread again.
    sql`
      update konstruct.conversations c
      set engaged_until = case when c.turn_id is null then null else '-infinity'::timestamptz end
      from (
        select h.id from konstruct.conversations h
        where h.connection_id = ${connection.id} and h.engaged_until is not null
          and (h.channel_id = ${channelId} or starts_with(h.channel_id, ${`${channelId}/`}))
        order by h.connection_id, h.channel_id, h.thread_id
        for no key update
      ) held
      where c.id = held.id`.execute(transaction),
  );
}
