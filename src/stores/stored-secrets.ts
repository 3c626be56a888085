import type { Kysely } from 'kysely';
import type { Cipher } from '../core/cipher.ts';
import { isKonstructError } from '../core/errors.ts';
import { mapConcurrently } from '../core/map-concurrently.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';
import { listConnections, openCredentials } from './connections.ts';
import { listModelKeys, openModelKeys } from './model-keys.ts';
import { listRoutes, openRoute, routeEnvelopes } from './routes.ts';
import { listTenants } from './tenants.ts';

/** Something that is stored encrypted: credentials of a connection, keys for models. */
export interface StoredSecret {
  /** In words: `slack T0ACME of acme`. */
  readonly name: string;
  readonly envelopes: readonly Buffer[];
  /** @throws KonstructError `credentials_unreadable` */
  open(cipher: Cipher): unknown;
}

const TENANTS_AT_ONCE = 8;

/** All there are. Looks across tenants. */
export async function listStoredSecrets(database: Kysely<Database>): Promise<readonly StoredSecret[]> {
  const ofTenants = await mapConcurrently(await listTenants(database), TENANTS_AT_ONCE, ({ id, slug }) =>
    withTenant(
      database,
      id,
      async (transaction): Promise<StoredSecret[]> => [
        ...(await listConnections(transaction)).map((connection) => ({
          name: `${connection.channel} ${connection.externalId} of ${slug}`,
          envelopes: [connection.encryptedCredentials],
          open: (cipher: Cipher) => openCredentials(cipher, connection),
        })),
        ...(await listModelKeys(transaction)).map((stored) => ({
          name: `${stored.provider} keys of ${slug}`,
          envelopes: [stored.encryptedKeys],
          open: (cipher: Cipher) => openModelKeys(cipher, [stored]),
        })),
      ],
    ),
  );
  const ofRoutes = (await listRoutes(database)).map((route) => ({
    name: `route ${route.name}`,
    envelopes: routeEnvelopes(route),
    open: (cipher: Cipher) => openRoute(cipher, route),
  }));
  return [...ofTenants.flat(), ...ofRoutes.filter(({ envelopes }) => envelopes.length > 0)];
}

/** Whether a key of ours opens it. */
export function isReadable({ open }: Pick<StoredSecret, 'open'>, cipher: Cipher): boolean {
  try {
    open(cipher);
    return true;
  } catch (error) {
    if (isKonstructError(error, 'credentials_unreadable')) return false;
    throw error;
  }
}
