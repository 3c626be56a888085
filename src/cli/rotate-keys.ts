import type { Kysely } from 'kysely';
import { type Cipher, connectionOwner, modelKeysOwner } from '../core/cipher.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';
import { listConnections, reencryptCredentials } from '../stores/connections.ts';
import { listModelKeys, reencryptModelKeys } from '../stores/model-keys.ts';
import { listRoutes, openRoute, reencryptRoute, routeEnvelopes } from '../stores/routes.ts';
import { listTenants } from '../stores/tenants.ts';

export interface KeyRotation {
  /** What is encrypted under the current key now and was not before. */
  readonly reencrypted: number;
  readonly current: number;
  /** What no key of ours opens, in words: `slack T0ACME of acme`. */
  readonly unreadable: readonly string[];
}

/**
 * Encrypts all stored secrets under the current master key. Repeatable and safe beside a running installation: each
 * tenant is a transaction, and a row that was replaced meanwhile is left as it is.
 *
 * @param cipher with the new key first and the old ones after it
 */
export async function rotateKeys(database: Kysely<Database>, cipher: Cipher): Promise<KeyRotation> {
  let reencrypted = 0;
  let current = 0;
  const unreadable: string[] = [];
  for (const { id: tenantId, slug } of await listTenants(database)) {
    await withTenant(database, tenantId, async (transaction) => {
      for (const connection of await listConnections(transaction)) {
        const owner = connectionOwner(tenantId, connection.id);
        const plaintext = readable(() => cipher.decrypt(connection.encryptedCredentials, owner));
        if (plaintext === null) {
          unreadable.push(`${connection.channel} ${connection.externalId} of ${slug}`);
        } else if (cipher.isCurrent(connection.encryptedCredentials)) {
          current += 1;
        } else if (await reencryptCredentials(transaction, connection, cipher.encrypt(plaintext, owner))) {
          reencrypted += 1;
        }
      }
      for (const stored of await listModelKeys(transaction)) {
        const owner = modelKeysOwner(tenantId, stored.provider);
        const plaintext = readable(() => cipher.decrypt(stored.encryptedKeys, owner));
        if (plaintext === null) unreadable.push(`${stored.provider} keys of ${slug}`);
        else if (cipher.isCurrent(stored.encryptedKeys)) current += 1;
        else if (await reencryptModelKeys(transaction, stored, cipher.encrypt(plaintext, owner))) {
          reencrypted += 1;
        }
      }
    });
  }
  for (const stored of await listRoutes(database)) {
    const sealed = routeEnvelopes(stored);
    if (sealed.length === 0) continue;
    const route = readable(() => openRoute(cipher, stored));
    if (route === null) unreadable.push(`route ${stored.name}`);
    else if (sealed.every((envelope) => cipher.isCurrent(envelope))) current += 1;
    else if (await reencryptRoute(database, cipher, stored)) reencrypted += 1;
  }
  return { reencrypted, current, unreadable };
}

function readable<T>(open: () => T): T | null {
  try {
    return open();
  } catch (error) {
    if (isKonstructError(error, 'credentials_unreadable')) return null;
    throw error;
  }
}
