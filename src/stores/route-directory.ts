import type { Kysely } from 'kysely';
import type { Cipher } from '../core/cipher.ts';
import type { Route } from '../core/model.ts';
import type { Database } from '../db/schema.ts';
import { listRoutes, openRoute, type StoredRoute } from './routes.ts';

/**
 * The installation's model routes, read once and again when they changed. Each is opened when it is asked for: one whose
 * keys cannot be read fails alone.
 */
export interface RouteDirectory {
  /**
   * `null`: there is no such route.
   * @throws KonstructError `credentials_unreadable`
   */
  find(name: string): Promise<Route | null>;
  invalidate(): void;
}

/** @param options.fallback answers for the route `default` as long as none is stored */
export function createRouteDirectory(options: {
  database: Kysely<Database>;
  cipher: Cipher;
  fallback: Route;
}): RouteDirectory {
  const { database, cipher, fallback } = options;
  let routes: Promise<ReadonlyMap<string, () => Route>> | null = null;
  const load = async (): Promise<ReadonlyMap<string, () => Route>> => {
    const stored = await listRoutes(database);
    return new Map([
      [fallback.name, () => fallback],
      ...stored.map((route) => [route.name, openOnce(cipher, route)] as const),
    ]);
  };
  return {
    async find(name) {
      if (routes === null) {
        const loading = load();
        routes = loading;
        loading.catch(() => {
          if (routes === loading) routes = null; // a failure is not an answer
        });
      }
      return (await routes).get(name)?.() ?? null;
    },
    invalidate() {
      routes = null;
    },
  };
}

function openOnce(cipher: Cipher, stored: StoredRoute): () => Route {
  let route: Route | null = null;
  return () => {
    route ??= openRoute(cipher, stored);
    return route;
  };
}
