import type { Kysely } from 'kysely';
import type { Cipher } from '../core/cipher.ts';
import type { Route } from '../core/model.ts';
import type { Database } from '../db/schema.ts';
import { listRoutes, openRoute } from './routes.ts';

/** The installation's model routes, read once and again when they changed. */
export interface RouteDirectory {
  /** `null`: there is no such route. */
  find(name: string): Promise<Route | null>;
  invalidate(): void;
}

/** @param options.fallback answers for the route `default` as long as none is stored */
export function createRouteDirectory(options: {
  database: Kysely<Database>;
  cipher: Cipher;
  fallback: Route;
}): RouteDirectory {
  let routes: Promise<ReadonlyMap<string, Route>> | null = null;
  const load = async (): Promise<ReadonlyMap<string, Route>> => {
    const stored = await listRoutes(options.database);
    return new Map(
      [options.fallback, ...stored.map((route) => openRoute(options.cipher, route))].map((route) => [
        route.name,
        route,
      ]),
    );
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
      return (await routes).get(name) ?? null;
    },
    invalidate() {
      routes = null;
    },
  };
}
