import { isDeepStrictEqual } from 'node:util';
import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import type { IssuedCredentials } from '../core/channel.ts';
import type { Cipher } from '../core/cipher.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import { KonstructError } from '../core/errors.ts';
import type { Connection, Credentials } from '../core/tenant.ts';
import { queryRows } from '../db/query-rows.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';
import { openCredentials, sealCredentials } from './connections.ts';

/** Active connections of a channel whose credentials expire before a point in time. Looks across tenants. */
export async function listExpiringConnections(
  pool: pg.Pool,
  channel: string,
  beforeMs: number,
): Promise<readonly ResolvedConnection[]> {
  const rows = await queryRows<{ connection: ResolvedConnection }>(pool, {
    name: 'list_expiring_connections',
    text: 'select connection from list_expiring_connections($1, $2) as connection',
    values: [channel, new Date(beforeMs)],
  });
  return rows.map(({ connection }) => connection);
}

/**
 * Renews a connection's credentials while no other process does, and returns those that then hold. `renew` is asked only
 * where what is stored is not good any more. What it returns is stored before anybody sees it.
 *
 * @throws KonstructError `not_found`: the connection is gone; what `renew` throws
 */
export async function renewStoredCredentials(
  database: Kysely<Database>,
  cipher: Cipher,
  { tenantId, id }: Pick<Connection, 'tenantId' | 'id'>,
  steps: {
    readonly isGood: (credentials: Credentials, expiresAtMs: number | null) => boolean;
    readonly renew: (credentials: Credentials) => Promise<IssuedCredentials>;
  },
): Promise<Credentials> {
  return withTenant(database, tenantId, async (transaction) => {
    // Ends with the transaction, and that with the process. The row itself is not locked: the platform may take seconds.
    const name = `konstruct renew ${id}`;
    await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(transaction);
    const read = async () => {
      const row = await transaction
        .selectFrom('connections')
        .select(['credentials', 'credentials_expire_at'])
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .executeTakeFirst();
      if (row === undefined) throw new KonstructError('not_found');
      const encryptedCredentials = row.credentials;
      return {
        encryptedCredentials,
        credentials: openCredentials(cipher, { tenantId, id, encryptedCredentials }),
        expiresAtMs: row.credentials_expire_at?.getTime() ?? null,
      };
    };
    const before = await read();
    if (steps.isGood(before.credentials, before.expiresAtMs)) return before.credentials;
    const issued = await steps.renew(before.credentials);
    for (let current = before; ; ) {
      const result = await transaction
        .updateTable('connections')
        .set({
          ...sealCredentials(cipher, { tenantId, id }, issued.credentials),
          credentials_expire_at: issued.expiresAtMs === null ? null : new Date(issued.expiresAtMs),
          updated_at: sql`now()`,
        })
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .where('credentials', '=', current.encryptedCredentials)
        .executeTakeFirst();
      if (result.numUpdatedRows === 1n) return issued.credentials;
      // Somebody wrote meanwhile: the same under another master key, or other credentials, which then hold.
      current = await read();
      if (!isDeepStrictEqual(current.credentials, before.credentials)) return current.credentials;
    }
  });
}
