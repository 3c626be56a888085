import { type Kysely, sql } from 'kysely';
import { type Cipher, routeOwner } from '../core/cipher.ts';
import type { Route, RouteEntry } from '../core/model.ts';
import type { Database, RouteOptions, StoredRouteEntry } from '../db/schema.ts';

/** A route as it is stored: keys encrypted. */
export interface StoredRoute {
  readonly name: string;
  readonly entries: readonly StoredRouteEntry[];
  readonly options: RouteOptions;
}

/** The routes of the installation, by name. */
export async function listRoutes(database: Kysely<Database>): Promise<readonly StoredRoute[]> {
  return database.selectFrom('routes').select(['name', 'entries', 'options']).orderBy('name').execute();
}

/** Stores a route under its name, in place of what was there. */
export async function putRoute(database: Kysely<Database>, cipher: Cipher, route: Route): Promise<void> {
  const sealed = sealRoute(cipher, route);
  const [entries, options] = [JSON.stringify(sealed.entries), JSON.stringify(sealed.options)];
  await database
    .insertInto('routes')
    .values({ name: route.name, entries, options })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet({ entries, options, updated_at: sql`now()` }),
    )
    .execute();
}

/** Stores the same keys under another master key, unless the route was replaced meanwhile. Returns whether it did. */
export async function reencryptRoute(
  database: Kysely<Database>,
  cipher: Cipher,
  stored: StoredRoute,
): Promise<boolean> {
  const { entries } = sealRoute(cipher, openRoute(cipher, stored));
  const result = await database
    .updateTable('routes')
    .set({ entries: JSON.stringify(entries), updated_at: sql`now()` })
    .where('name', '=', stored.name)
    .where('entries', '=', sql<never>`${JSON.stringify(stored.entries)}::jsonb`)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export async function deleteRoute(database: Kysely<Database>, name: string): Promise<void> {
  await database.deleteFrom('routes').where('name', '=', name).execute();
}

/**
 * The route with its keys in the clear, for the model pool.
 * @throws KonstructError `credentials_unreadable`
 */
export function openRoute(cipher: Cipher, { name, entries, options }: StoredRoute): Route {
  const owner = routeOwner(name);
  const open = (envelope: string) => cipher.decrypt(Buffer.from(envelope, 'base64'), owner);
  return {
    name,
    ...options,
    entries: entries.map(({ encryptedApiKey, encryptedApiKeys, ...entry }) => ({
      ...(entry as RouteEntry),
      ...(encryptedApiKey === undefined ? {} : { apiKey: open(encryptedApiKey) }),
      ...(encryptedApiKeys === undefined ? {} : { apiKeys: encryptedApiKeys.map(open) }),
    })),
  };
}

/** The envelopes of all keys of a route. */
export function routeEnvelopes({ entries }: StoredRoute): readonly Buffer[] {
  return entries
    .flatMap(({ encryptedApiKey, encryptedApiKeys = [] }) =>
      encryptedApiKey === undefined ? encryptedApiKeys : [encryptedApiKey, ...encryptedApiKeys],
    )
    .map((envelope) => Buffer.from(envelope, 'base64'));
}

function sealRoute(cipher: Cipher, { name, entries, ...options }: Route): StoredRoute {
  const owner = routeOwner(name);
  const seal = (key: string) => cipher.encrypt(key, owner).toString('base64');
  return {
    name,
    options,
    entries: entries.map(({ apiKey, apiKeys, ...entry }) => ({
      ...entry,
      ...(apiKey === undefined ? {} : { encryptedApiKey: seal(apiKey) }),
      ...(apiKeys === undefined ? {} : { encryptedApiKeys: apiKeys.map(seal) }),
    })),
  };
}
