import { randomUUID } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { InstalledApp } from '../core/channel.ts';
import type { Cipher } from '../core/cipher.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import type { Credentials } from '../core/tenant.ts';
import { translateDatabaseError } from '../db/pool.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';
import { resumeConversations } from './connection-status.ts';
import { openCredentials, sealCredentials } from './connections.ts';

/** For whom an installation is, as people know them. */
export interface InstallTarget {
  readonly tenantName: string;
  readonly agentName: string;
}

/** Names of a tenant and its agent; `null`: one of them is gone. */
export async function findInstallTarget(
  database: Kysely<Database>,
  tenantId: string,
  agentId: string,
): Promise<InstallTarget | null> {
  return withTenant(database, tenantId, async (transaction) => {
    const row = await transaction
      .selectFrom('agents')
      .innerJoin('tenants', 'tenants.id', 'agents.tenant_id')
      .select(['agents.name as agentName', 'tenants.name as tenantName'])
      .where('agents.tenant_id', '=', tenantId)
      .where('agents.id', '=', agentId)
      .executeTakeFirst();
    return row ?? null;
  });
}

/**
 * Remembers that a state was used, until it has expired. Returns whether this was the first time.
 * @throws KonstructError `database_unavailable`, `disk_full`
 */
export async function useInstallState(
  database: Kysely<Database>,
  id: string,
  expiresAtMs: number,
): Promise<boolean> {
  try {
    await database
      .deleteFrom('used_install_states')
      .where('expires_at', '<', sql<Date>`now() - interval '1 day'`)
      .execute();
    const result = await database
      .insertInto('used_install_states')
      .values({ id, expires_at: new Date(expiresAtMs) })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return result.numInsertedOrUpdatedRows === 1n;
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

export type SavedInstallation =
  | { readonly outcome: 'created' | 'updated'; readonly connectionId: string }
  /** The installation belongs to another tenant. */
  | { readonly outcome: 'taken' };

/**
 * Stores what a person installed: a new connection, or new credentials for the one there is, which is enabled by it. What
 * else that one has (a signing secret, settings) stays.
 */
export async function saveInstallation(
  database: Kysely<Database>,
  cipher: Cipher,
  installation: {
    readonly tenantId: string;
    readonly agentId: string;
    readonly channel: string;
    readonly app: InstalledApp;
    /** Names of credentials of an earlier connection that stay. */
    readonly keep: readonly string[];
  },
): Promise<SavedInstallation> {
  const { tenantId, agentId, channel, app, keep } = installation;
  return withTenant(database, tenantId, async (transaction) => {
    // Two browsers at once: the second finds what the first has made.
    const name = `konstruct install ${channel} ${app.externalId}`;
    await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(transaction);
    const found = await resolve(transaction, channel, app);
    if (found !== null && found.tenantId !== tenantId) return { outcome: 'taken' };
    const issued = {
      agent_id: agentId,
      agent_user_id: app.agentUserId,
      status: 'active' as const,
      disabled_reason: null,
      disabled_at: null,
      installed_at: sql<Date>`now()`,
      credentials_expire_at: app.expiresAtMs === null ? null : new Date(app.expiresAtMs),
    };
    // A connection for any app that has a secret of its own is that other app's.
    const isOtherApp = found !== null && found.appId === '' && found.ownSigningSecret;
    if (found === null || isOtherApp) {
      const id = randomUUID();
      await transaction
        .insertInto('connections')
        .values({
          tenant_id: tenantId,
          id,
          channel,
          external_id: app.externalId,
          app_id: isOtherApp ? app.appId : '',
          settings: '{}',
          ...issued,
          ...sealCredentials(cipher, { tenantId, id }, app.credentials),
        })
        .execute();
      return { outcome: 'created', connectionId: id };
    }
    const kept = Object.entries(readCredentials(cipher, found)).filter(([name]) => keep.includes(name));
    const credentials = { ...Object.fromEntries(kept), ...app.credentials };
    await transaction
      .updateTable('connections')
      .set({ ...issued, ...sealCredentials(cipher, found, credentials), updated_at: sql`now()` })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', found.id)
      .execute();
    await resumeConversations(transaction, found);
    return { outcome: 'updated', connectionId: found.id };
  });
}

async function resolve(
  transaction: Transaction<Database>,
  channel: string,
  { externalId, appId }: InstalledApp,
): Promise<ResolvedConnection | null> {
  const { rows } = await sql<{ connection: ResolvedConnection | null }>`
    select konstruct.resolve_connection(${channel}, array[${externalId}], ${appId}) as connection`.execute(
    transaction,
  );
  return rows[0]?.connection ?? null;
}

/** Credentials of a lost master key are replaced: installing again is how they come back. */
function readCredentials(cipher: Cipher, connection: ResolvedConnection): Credentials {
  const encryptedCredentials = Buffer.from(connection.credentials, 'base64');
  try {
    return openCredentials(cipher, { ...connection, encryptedCredentials });
  } catch {
    return {};
  }
}
