import { type Kysely, sql } from 'kysely';
import { type Cipher, routeOwner } from '../core/cipher.ts';
import type { Route, RouteEntry } from '../core/model.ts';
import type { Database, StoredRouteEntry } from '../db/schema.ts';

/** A route as it is stored: keys encrypted. */
export interface StoredRoute {
  readonly name: string;
  readonly entries: readonly StoredRouteEntry[];
}

/** The routes of the installation, by name. */
export async function listRoutes(database: Kysely<Database>): Promise<readonly StoredRoute[]> {
  return database.selectFrom('routes').select(['name', 'entries']).orderBy('name').execute();
}

/** Stores a route under its name, in place of what was there. */
export async function putRoute(database: Kysely<Database>, cipher: Cipher, route: Route): Promise<void> {
  const entries = JSON.stringify(sealRoute(cipher, route).entries);
  await database
    .insertInto('routes')
    .values({ name: route.name, entries })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ entries, updated_at: sql`now()` }))
    .execute();
}

export async function deleteRoute(database: Kysely<Database>, name: string): Promise<void> {
  await database.deleteFrom('routes').where('name', '=', name).execute();
}

/**
 * The route with its keys in the clear, for the model pool.
 * @throws KonstructError `credentials_unreadable`
 */
export function openRoute(cipher: Cipher, { name, entries }: StoredRoute): Route {
  const owner = routeOwner(name);
  return {
    name,
    entries: entries.map(({ encryptedApiKey, ...entry }) => ({
      ...(entry as RouteEntry),
      ...(encryptedApiKey === undefined
        ? {}
        : { apiKey: cipher.decrypt(Buffer.from(encryptedApiKey, 'base64'), owner) }),
    })),
  };
}

function sealRoute(cipher: Cipher, { name, entries }: Route): StoredRoute {
  const owner = routeOwner(name);
  return {
    name,
    entries: entries.map(({ apiKey, ...entry }) => ({
      ...entry,
      ...(apiKey === undefined ? {} : { encryptedApiKey: cipher.encrypt(apiKey, owner).toString('base64') }),
    })),
  };
}
