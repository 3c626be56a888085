import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import type { Glimpse } from '../core/glimpse.ts';
import type {
  Mailbox,
  MailboxMessage,
  MailboxPost,
  MailboxRef,
  Rating,
  VisitorMailbox,
} from '../core/mailbox.ts';
import { storable } from '../core/storable.ts';
import { createBatcher } from '../db/create-batcher.ts';
import { isServerTrouble } from '../db/pool.ts';
import { queryRows } from '../db/query-rows.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';

/** PostgreSQL takes 8,000 bytes in a notification; some are left for the rest of it. */
const MAX_PAYLOAD_BYTES = 7_500;
const MAX_BATCH = 200;

/**
 * The mailboxes in the database. Writing goes through functions that find the tenant by the connection; reading through
 * row-level security, as the tenant.
 */
export function createMailbox(pool: pg.Pool): Mailbox {
  // Glimpses of all answers share round trips and commits, and wait for no disk: losing one is harmless.
  const notify = createBatcher<string, void>({
    call: async (payloads) => {
      await queryRows(pool, {
        name: 'send_glimpses',
        text: `select set_config('synchronous_commit', 'off', true), pg_notify('konstruct_glimpse', payload)
          from unnest($1::text[]) payload`,
        values: [payloads],
      });
      return payloads.map(() => undefined);
    },
    maxBatch: MAX_BATCH,
    maxInFlight: 1, // a second transaction that notifies would only wait for the first
    isShared: isServerTrouble,
  });

  async function change(box: MailboxRef, messageId: string, fields: object): Promise<boolean> {
    const id = toNumber(messageId);
    if (id === null) return false;
    const rows = await queryRows<{ found: boolean }>(pool, {
      name: 'change_in_mailbox',
      text: 'select change_in_mailbox($1, $2, $3, $4) as found',
      values: [box.connectionId, box.channelId, id, JSON.stringify(fields)],
    });
    return rows[0]?.found === true;
  }

  return {
    async append(box, message) {
      const appended = await append(pool, box, toFields(message));
      return appended && { messageId: String(appended.id) };
    },
    change: (box, messageId, post) => change(box, messageId, toFields(post)),
    remove: (box, messageId) => change(box, messageId, { isRemoved: true, choices: [] }),
    async find(box, marker) {
      const rows = await queryRows<{ id: string | null }>(pool, {
        name: 'find_in_mailbox',
        text: 'select find_in_mailbox($1, $2, $3) as id',
        values: [box.connectionId, box.channelId, marker],
      });
      const id = rows[0]?.id ?? null;
      return id === null ? null : { messageId: id };
    },
    async glimpse(box, glimpses) {
      await Promise.all(glimpses.flatMap((glimpse) => toPayloads(box, glimpse)).map(notify));
    },
  };
}

/** What gateways do with the mailboxes. */
export function createVisitorMailbox(pool: pg.Pool, database: Kysely<Database>): VisitorMailbox {
  return {
    async keep(box, { messageId, text }) {
      await append(pool, box, { clientId: messageId, content: storable(text) });
    },
    async rate(box, messageId, { rating, present }) {
      const id = toNumber(messageId);
      if (id === null) return false;
      const rows = await queryRows<{ found: boolean }>(pool, {
        name: 'rate_in_mailbox',
        text: 'select rate_in_mailbox($1, $2, $3, $4, $5) as found',
        values: [box.connectionId, box.channelId, id, rating, present],
      });
      return rows[0]?.found === true;
    },
    async read({ tenantId }, box, after, limit) {
      return withTenant(database, tenantId, async (transaction) => {
        const { rows } = await readRows(box, after, limit).execute(transaction);
        return rows.map(toMessage);
      });
    },
  };
}

/** `null`: there is no such mailbox. */
async function append(pool: pg.Pool, box: MailboxRef, fields: object): Promise<{ id: number } | null> {
  const rows = await queryRows<{ appended: { id: number } | null }>(pool, {
    name: 'append_to_mailbox',
    text: 'select append_to_mailbox($1, $2, $3) as appended',
    values: [box.connectionId, box.channelId, JSON.stringify(fields)],
  });
  return rows[0]?.appended ?? null;
}

function toFields(post: Partial<MailboxPost>): object {
  const { markdown, choices, marker, authorName, isProvisional, isAnswer } = post;
  return {
    ...(markdown !== undefined && { content: storable(markdown) }),
    ...(choices !== undefined && { choices: choices.map(storable) }),
    ...(marker !== undefined && { marker }),
    ...(authorName != null && { authorName: storable(authorName) }),
    ...(isProvisional !== undefined && { isProvisional }),
    ...(isAnswer !== undefined && { isAnswer }),
  };
}

/** The payloads of notifications for one glimpse: several where one would be too long. */
export function toPayloads(box: MailboxRef, glimpse: Glimpse): readonly string[] {
  const payload = JSON.stringify({ ...box, glimpse });
  if (Buffer.byteLength(payload) <= MAX_PAYLOAD_BYTES || glimpse.text.length < 2) return [payload];
  const half = Math.ceil(glimpse.text.length / 2);
  const first = { ...glimpse, text: glimpse.text.slice(0, half) };
  const second = { ...glimpse, from: glimpse.from + half, text: glimpse.text.slice(half) };
  return [...toPayloads(box, first), ...toPayloads(box, second)];
}

interface MessageRow {
  readonly id: string;
  readonly client_id: string | null;
  readonly content: string;
  readonly choices: readonly string[];
  readonly author_name: string | null;
  readonly is_provisional: boolean;
  readonly is_answer: boolean;
  readonly rating: Rating | null;
  readonly is_removed: boolean;
  readonly revision: string;
  readonly created_at: Date;
}

function readRows({ connectionId, channelId }: MailboxRef, after: number | null, limit: number) {
  const columns = sql.raw(
    `m.id, m.client_id, m.content, m.choices, m.author_name, m.is_provisional, m.is_answer, m.rating, m.is_removed,
     m.revision, m.created_at`,
  );
  const newest = sql`select ${columns} from mailbox_messages m
    where m.connection_id = ${connectionId} and m.channel_id = ${channelId}
    order by m.id desc limit ${limit}`;
  if (after === null)
    return sql<MessageRow>`select * from (${newest}) m where not is_removed order by revision`;
  // A browser that knows a later revision than there is comes from before a backup was restored.
  return sql<MessageRow>`
    with box as (
      select b.revision from mailboxes b where b.connection_id = ${connectionId} and b.channel_id = ${channelId}
    ), changed as (
      select ${columns} from mailbox_messages m
      where m.connection_id = ${connectionId} and m.channel_id = ${channelId} and m.revision > ${after}
      order by m.revision limit ${limit}
    )
    select * from changed
    union all
    select * from (${newest}) again where exists (select 1 from box where box.revision < ${after})
    order by revision`;
}

function toMessage(row: MessageRow): MailboxMessage {
  return {
    messageId: row.client_id ?? row.id,
    from: row.client_id === null ? 'agent' : 'visitor',
    markdown: row.content,
    choices: row.choices,
    authorName: row.author_name,
    isProvisional: row.is_provisional,
    isAnswer: row.is_answer,
    rating: row.rating,
    isRemoved: row.is_removed,
    revision: Number(row.revision),
    position: Number(row.id),
    sentAtMs: row.created_at.getTime(),
  };
}

/** Ids of the agent's messages are numbers; any other names no message of the agent's. */
function toNumber(messageId: string): number | null {
  const id = Number(messageId);
  return /^[1-9][0-9]*$/.test(messageId) && Number.isSafeInteger(id) ? id : null;
}
