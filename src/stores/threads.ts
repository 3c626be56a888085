import type { Kysely } from 'kysely';
import type { ThreadMessage } from '../core/outbound.ts';
import { storable } from '../core/storable.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';

/** Keeps what was read of a thread as its context; what is known already stays as it is. */
export async function storeThread(
  database: Kysely<Database>,
  turn: ClaimedTurn,
  messages: readonly ThreadMessage[],
): Promise<void> {
  if (messages.length === 0) return;
  await withTenant(database, turn.tenantId, (transaction) =>
    transaction
      .insertInto('messages')
      .values(
        messages.map((message) => ({
          tenant_id: turn.tenantId,
          conversation_id: String(turn.conversationId),
          connection_id: turn.connection.id,
          channel_id: turn.channelId,
          external_id: message.messageId,
          direction: message.own ? ('out' as const) : ('in' as const),
          sender_id: message.sender.externalId,
          sender_name: message.sender.name,
          content: storable(message.text),
          mentions: JSON.stringify(message.mentions),
          attachments: JSON.stringify(
            message.attachments.map((file) => ({ ...file, name: storable(file.name) })),
          ),
          addressed: false,
          sent_at: new Date(message.sentAtMs),
        })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute(),
  );
}
