import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type pg from 'pg';
import { type Cipher, connectionOwner } from '../core/cipher.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import { KonstructError } from '../core/errors.ts';
import type { ConnectionAccess } from '../core/outbound.ts';
import type { Connection, Credentials } from '../core/tenant.ts';
import { queryRows } from '../db/query-rows.ts';
import type { ConnectionsTable, Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';
import { resumeConversations } from './connection-status.ts';

/** A connection with its credentials as they are stored: encrypted. */
export interface StoredConnection extends Connection {
  readonly encryptedCredentials: Buffer;
  /** Why the platform no longer lets us in; `null`: it does, or the operator disabled it. */
  readonly disabledReason: string | null;
  /** Whether it was installed in a browser; otherwise its credentials were applied. */
  readonly isInstalled: boolean;
}

/** What identifies an installation on its platform, among all tenants. */
export type ConnectionKey = Pick<Connection, 'channel' | 'externalId' | 'appId'>;

/** The connections of the transaction's tenant, by channel and external id. */
export async function listConnections(
  transaction: Transaction<Database>,
): Promise<readonly StoredConnection[]> {
  const rows = await transaction
    .selectFrom('connections')
    .selectAll()
    .orderBy('channel')
    .orderBy('external_id')
    .orderBy('app_id')
    .execute();
  return rows.map(toConnection);
}

/** One connection of the transaction's tenant; `null`: there is none. */
async function findConnection(
  transaction: Transaction<Database>,
  id: string,
): Promise<StoredConnection | null> {
  const row = await transaction.selectFrom('connections').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : toConnection(row);
}

function toConnection(row: Selectable<ConnectionsTable>): StoredConnection {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    agentId: row.agent_id,
    channel: row.channel,
    externalId: row.external_id,
    agentUserId: row.agent_user_id,
    appId: row.app_id,
    status: row.status,
    settings: row.settings,
    encryptedCredentials: row.credentials,
    disabledReason: row.disabled_reason,
    isInstalled: row.installed_at !== null,
  };
}

/** @param connections with ids chosen by the caller, because credentials are bound to them */
export async function insertConnections(
  transaction: Transaction<Database>,
  cipher: Cipher,
  connections: readonly (Connection & { readonly credentials: Credentials })[],
): Promise<void> {
  if (connections.length === 0) return;
  await transaction
    .insertInto('connections')
    .values(
      connections.map((connection) => ({
        tenant_id: connection.tenantId,
        id: connection.id,
        agent_id: connection.agentId,
        channel: connection.channel,
        external_id: connection.externalId,
        app_id: connection.appId,
        agent_user_id: connection.agentUserId,
        settings: JSON.stringify(connection.settings),
        status: connection.status,
        ...sealCredentials(cipher, connection, connection.credentials),
      })),
    )
    .execute();
}

/** Changes who answers and how; the credentials stay. One that becomes active goes on with what waited for it. */
export async function updateConnection(
  transaction: Transaction<Database>,
  connection: Connection & Pick<StoredConnection, 'disabledReason'>,
): Promise<void> {
  const active = connection.status === 'active';
  const before = await holdConnection(transaction, connection);
  await transaction
    .updateTable('connections')
    .set({
      agent_id: connection.agentId,
      settings: JSON.stringify(connection.settings),
      status: connection.status,
      disabled_reason: active ? null : connection.disabledReason,
      ...(active ? { disabled_at: null } : {}),
      updated_at: sql`now()`,
    })
    .where('tenant_id', '=', connection.tenantId)
    .where('id', '=', connection.id)
    .execute();
  if (active && before?.status === 'disabled') await resumeConversations(transaction, connection);
}

/**
 * Stores new credentials. The bot user is unknown again until the platform has been asked. What the platform disabled, be it
 * only a moment ago, comes back with them.
 */
export async function replaceCredentials(
  transaction: Transaction<Database>,
  cipher: Cipher,
  connection: Pick<Connection, 'tenantId' | 'id'>,
  credentials: Credentials,
): Promise<void> {
  const before = await holdConnection(transaction, connection);
  const comesBack = before?.status === 'disabled' && before.disabled_reason !== null;
  await transaction
    .updateTable('connections')
    .set({
      ...sealCredentials(cipher, connection, credentials),
      agent_user_id: '',
      installed_at: null,
      credentials_expire_at: null,
      ...(comesBack ? { status: 'active' as const, disabled_reason: null, disabled_at: null } : {}),
      updated_at: sql`now()`,
    })
    .where('tenant_id', '=', connection.tenantId)
    .where('id', '=', connection.id)
    .execute();
  if (comesBack) await resumeConversations(transaction, connection);
}

/** Whether it is on, until the end of the transaction. */
function holdConnection(
  transaction: Transaction<Database>,
  { tenantId, id }: Pick<Connection, 'tenantId' | 'id'>,
) {
  return transaction
    .selectFrom('connections')
    .select(['status', 'disabled_reason'])
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/**
 * Stores the same credentials under another key, unless they were replaced since they had been read. Returns whether
 * it did.
 */
export async function reencryptCredentials(
  transaction: Transaction<Database>,
  connection: Pick<StoredConnection, 'tenantId' | 'id' | 'encryptedCredentials'>,
  envelope: Buffer,
): Promise<boolean> {
  const result = await transaction
    .updateTable('connections')
    .set({ credentials: envelope })
    .where('tenant_id', '=', connection.tenantId)
    .where('id', '=', connection.id)
    .where('credentials', '=', connection.encryptedCredentials)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Stores which bot user the platform says the connection is. */
export async function recordAgentUser(
  transaction: Transaction<Database>,
  connection: Pick<Connection, 'tenantId' | 'id' | 'agentUserId'>,
): Promise<void> {
  await transaction
    .updateTable('connections')
    .set({ agent_user_id: connection.agentUserId, updated_at: sql`now()` })
    .where('tenant_id', '=', connection.tenantId)
    .where('id', '=', connection.id)
    .execute();
}

/** Removes the connection with its conversations and their messages. */
export async function deleteConnection(
  transaction: Transaction<Database>,
  connection: Pick<Connection, 'tenantId' | 'id'>,
): Promise<void> {
  await transaction
    .deleteFrom('connections')
    .where('tenant_id', '=', connection.tenantId)
    .where('id', '=', connection.id)
    .execute();
}

/** Active connections that bring an app of their own. Looks across tenants. */
export async function listOwnApps(pool: pg.Pool, channel: string): Promise<readonly ResolvedConnection[]> {
  const rows = await queryRows<{ connection: ResolvedConnection }>(pool, {
    name: 'list_own_apps',
    text: 'select connection from list_own_apps($1) as connection',
    values: [channel],
  });
  return rows.map(({ connection }) => connection);
}

/** The ids of the tenants that own these installations, in the order given; `null`: nobody. Looks across tenants. */
export async function findConnectionOwners(
  database: Kysely<Database>,
  keys: readonly ConnectionKey[],
): Promise<readonly (string | null)[]> {
  if (keys.length === 0) return [];
  const { rows } = await sql<{ owner: string | null }>`
    select case when found.connection->>'appId' = wanted."appId" then found.connection->>'tenantId' end as owner
    from rows from (jsonb_to_recordset(${JSON.stringify(keys)}::jsonb)
      as (channel text, "externalId" text, "appId" text)) with ordinality
      as wanted (channel, "externalId", "appId", place)
    cross join lateral (
      select konstruct.resolve_connection(wanted.channel, array[wanted."externalId"], wanted."appId") as connection
    ) as found
    order by wanted.place`.execute(database);
  return rows.map(({ owner }) => owner);
}

/** @throws KonstructError `credentials_unreadable` */
export function openCredentials(
  cipher: Cipher,
  connection: Pick<StoredConnection, 'tenantId' | 'id' | 'encryptedCredentials'>,
): Credentials {
  const owner = connectionOwner(connection.tenantId, connection.id);
  const text = cipher.decrypt(connection.encryptedCredentials, owner);
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new KonstructError('credentials_unreadable');
  return value as Credentials;
}

/** What says that the app is the tenant's own: then the installation's is not believed. */
const OWN_APP = ['signingSecret', 'appToken', 'appId', 'audience', 'appSecret'] as const;

export function sealCredentials(
  cipher: Cipher,
  { tenantId, id }: Pick<Connection, 'tenantId' | 'id'>,
  credentials: Credentials,
) {
  return {
    credentials: cipher.encrypt(JSON.stringify(credentials), connectionOwner(tenantId, id)),
    own_signing_secret: OWN_APP.some((name) => credentials[name] !== undefined),
  };
}

/** A connection with what calling its platform needs; `null`: there is none of this id. */
export async function openConnection(
  database: Kysely<Database>,
  cipher: Cipher,
  tenantId: string,
  id: string,
): Promise<{ readonly channel: string; readonly access: ConnectionAccess } | null> {
  const connection = await withTenant(database, tenantId, (transaction) => findConnection(transaction, id));
  if (connection === null) return null;
  const { channel, externalId } = connection;
  return {
    channel,
    access: { connectionId: id, externalId, credentials: openCredentials(cipher, connection) },
  };
}
