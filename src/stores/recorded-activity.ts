import { sql, type Transaction } from 'kysely';
import type { RecordedActivity } from '../core/channel.ts';
import type { Database } from '../db/schema.ts';

/** The newest message of a connection stands in one of these. */
const NEWEST_CONVERSATIONS = 20;
const MAX_DIRECT_CHANNELS = 200;

/** What came in last on a connection of the transaction's tenant, and where people write to it directly. */
export async function readRecordedActivity(
  transaction: Transaction<Database>,
  connectionId: string,
): Promise<RecordedActivity> {
  const { rows } = await sql<{ last_at_ms: number | null; direct: readonly string[] | null }>`
    with newest as (
      select id from conversations where connection_id = ${connectionId}
      order by last_message_at desc limit ${NEWEST_CONVERSATIONS}
    ), direct as (
      select channel_id, max(last_message_at) as last_at from conversations
      where connection_id = ${connectionId} and scope = 'direct'
      group by channel_id order by last_at desc limit ${MAX_DIRECT_CHANNELS}
    )
    select
      (select extract(epoch from max(m.sent_at)) * 1000
        from messages m join newest on m.conversation_id = newest.id
        where m.direction = 'in')::float8 as last_at_ms,
      (select array_agg(channel_id order by last_at desc) from direct) as direct
  `.execute(transaction);
  return { lastMessageAtMs: rows[0]?.last_at_ms ?? null, directChannelIds: rows[0]?.direct ?? [] };
}
