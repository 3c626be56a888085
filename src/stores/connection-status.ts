import { type Kysely, sql, type Transaction } from 'kysely';
import type { ShutConnection } from '../core/connection-directory.ts';
import type { Connection } from '../core/tenant.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';

type Named = Pick<Connection, 'tenantId' | 'id'>;

/**
 * Stops answering for a connection.
 *
 * @param connection with the credentials that were refused, base64; without them whatever is stored is no good any more
 * @throws KonstructError `database_unavailable`
 */
export async function disableConnection(
  database: Kysely<Database>,
  connection: Named & { readonly credentials?: string },
  reason: string,
): Promise<ShutConnection> {
  return withTenant(database, connection.tenantId, async (transaction) => {
    // Held: credentials that are being stored at this moment are waited for.
    const stored = await transaction
      .selectFrom('connections')
      .select(['status', 'credentials'])
      .where('tenant_id', '=', connection.tenantId)
      .where('id', '=', connection.id)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (stored === undefined || stored.status === 'disabled') return { outcome: 'off' };
    const { credentials = null } = connection;
    if (credentials !== null && !isEnvelope(stored.credentials, credentials)) return { outcome: 'replaced' };
    await transaction
      .updateTable('connections')
      .set({
        status: 'disabled',
        disabled_reason: reason,
        disabled_at: sql`now()`,
        updated_at: sql`now()`,
      })
      .where('tenant_id', '=', connection.tenantId)
      .where('id', '=', connection.id)
      .execute();
    const waiting = await sql`${waitingOn(connection)}`.execute(transaction);
    return { outcome: 'disabled', waiting: waiting.rows.length };
  });
}

/** Whether a connection has these credentials (base64) and no others; also when it is not there. */
export async function hasCredentials(
  database: Kysely<Database>,
  connection: Named & { readonly credentials: string },
): Promise<boolean> {
  return withTenant(database, connection.tenantId, async (transaction) => {
    const stored = await transaction
      .selectFrom('connections')
      .select('credentials')
      .where('tenant_id', '=', connection.tenantId)
      .where('id', '=', connection.id)
      .executeTakeFirst();
    return stored === undefined || isEnvelope(stored.credentials, connection.credentials);
  });
}

/**
 * What waited when a connection was disabled waits no longer. In the transaction that makes it active: until its end no claim
 * sets aside what it finds there (`claim_turns`), and one that does so at this moment is waited for here.
 */
export async function resumeConversations(
  transaction: Transaction<Database>,
  connection: Named,
): Promise<void> {
  // Locked in a statement of its own, in the order in which all lock them: the next one sees what they are by then.
  const { rows } = await sql<{ id: string }>`
    ${waitingOn(connection)} order by c.channel_id, c.thread_id for no key update of c`.execute(transaction);
  if (rows.length === 0) return;
  // Behind what is ready already. Those that are leased look for more at their end.
  await sql`
    update konstruct.conversations set ready_at = now()
    where tenant_id = ${connection.tenantId} and id = any (${rows.map(({ id }) => id)}::bigint[])
      and ready_at is null`.execute(transaction);
  await sql`notify konstruct_ready`.execute(transaction);
}

/** PostgreSQL breaks base64 into lines. */
const isEnvelope = (stored: Buffer, base64: string): boolean => stored.equals(Buffer.from(base64, 'base64'));

/** Conversations with messages that no turn has. */
const waitingOn = ({ tenantId, id }: Named) => sql`
  select c.id from konstruct.conversations c
  where c.tenant_id = ${tenantId} and c.connection_id = ${id} and exists (
    select 1 from konstruct.messages m
    where m.tenant_id = c.tenant_id and m.conversation_id = c.id
      and m.turn_id is null and m.addressed and m.deleted_at is null)`;
