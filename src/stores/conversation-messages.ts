import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';

/** A message as it was said. */
export interface ConversationMessage {
  readonly id: number;
  readonly isOwn: boolean;
  readonly authorId: string;
  /** `null` where the platform did not send it along. */
  readonly authorName: string | null;
  readonly text: string;
  readonly sentAt: Date;
}

/**
 * A page of one conversation, newest first: without what was deleted and without what waits for a later turn.
 *
 * @param page.beforeId only messages older than this one; `null`: from the newest, after leaving out `skip`
 */
export async function readConversationMessages(
  database: Kysely<Database>,
  page: {
    readonly tenantId: string;
    readonly conversationId: number;
    readonly beforeId: number | null;
    readonly skip: number;
    readonly limit: number;
  },
): Promise<readonly ConversationMessage[]> {
  const { tenantId, conversationId, beforeId } = page;
  const rows = await withTenant(database, tenantId, (transaction) =>
    transaction
      .selectFrom('messages')
      .select(['id', 'direction', 'sender_id', 'sender_name', 'content', 'sent_at'])
      .where('conversation_id', '=', String(conversationId))
      .where('deleted_at', 'is', null)
      .where((where) => where.or([where('turn_id', 'is not', null), where('addressed', '=', false)]))
      .$if(beforeId !== null, (query) => query.where('id', '<', String(beforeId)))
      .orderBy('id', 'desc')
      .offset(page.skip)
      .limit(page.limit)
      .execute(),
  );
  return rows.map(({ id, direction, sender_id, sender_name, content, sent_at }) => ({
    id: Number(id),
    isOwn: direction === 'out',
    authorId: sender_id,
    authorName: sender_name,
    text: content,
    sentAt: sent_at,
  }));
}
