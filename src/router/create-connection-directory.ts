import type pg from 'pg';
import type { AccountRef } from '../core/channel-event.ts';
import type { Clock } from '../core/clock.ts';
import type { ConnectionDirectory, ResolvedConnection } from '../core/connection-directory.ts';
import { queryRows } from '../db/query-rows.ts';

/** A change is announced by NOTIFY; this is only how long a missed announcement can matter. */
const MAX_AGE_MS = 60_000;
/** Installations we do not know are remembered too, or a stranger could send us to the database with every request. */
const MAX_ENTRIES = 20_000;

interface Entry {
  readonly connection: Promise<ResolvedConnection | null>;
  readonly expiresAtMs: number;
}

export interface CachedConnectionDirectory extends ConnectionDirectory {
  /** Forgets everything: called when a tenant, agent or connection has changed. */
  invalidate(): void;
}

/** Tenant resolution with a cache; concurrent look-ups of one installation share one query. */
export function createConnectionDirectory(options: {
  pool: pg.Pool;
  clock: Clock;
}): CachedConnectionDirectory {
  let entries = new Map<string, Entry>();

  function fresh(key: string): Promise<ResolvedConnection | null> | undefined {
    const entry = entries.get(key);
    return entry && entry.expiresAtMs > options.clock() ? entry.connection : undefined;
  }

  function cached(
    key: string,
    load: () => Promise<ResolvedConnection | null>,
  ): Promise<ResolvedConnection | null> {
    const known = fresh(key);
    if (known) return known;
    const generation = entries;
    const connection = load();
    generation.delete(key);
    generation.set(key, { connection, expiresAtMs: options.clock() + MAX_AGE_MS });
    if (generation.size > MAX_ENTRIES) generation.delete(generation.keys().next().value as string);
    connection.catch(() => generation.delete(key)); // a failure is not an answer
    return connection;
  }

  return {
    known: (channel, account) => fresh(accountKey(channel, account)),
    knownById: (channel, connectionId) => fresh(JSON.stringify([channel, connectionId])),
    resolve: (channel, { externalIds, appId }) =>
      cached(accountKey(channel, { externalIds, appId }), async () => {
        if (externalIds.length === 0) return null;
        const rows = await queryRows<{ connection: ResolvedConnection | null }>(options.pool, {
          name: 'resolve_connection',
          text: 'select resolve_connection($1, $2, $3) as connection',
          values: [channel, externalIds, appId ?? ''],
        });
        return rows[0]?.connection ?? null;
      }),
    find: (channel, connectionId) =>
      cached(JSON.stringify([channel, connectionId]), async () => {
        if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(connectionId)) return null;
        const rows = await queryRows<{ connection: ResolvedConnection | null }>(options.pool, {
          name: 'find_connection',
          text: 'select find_connection($1, $2) as connection',
          values: [channel, connectionId],
        });
        return rows[0]?.connection ?? null;
      }),
    invalidate() {
      entries = new Map(); // look-ups under way end in the old map and are not served again
    },
  };
}

/** As JSON: ids come from requests that nobody has verified yet, and may hold any separator. */
function accountKey(
  channel: string,
  { externalIds, appId }: Pick<AccountRef, 'externalIds' | 'appId'>,
): string {
  return JSON.stringify([channel, externalIds, appId ?? '']);
}
