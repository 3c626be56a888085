import type pg from 'pg';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import { queryRows } from '../db/query-rows.ts';

/** The active connections of a channel in all tenants. */
export async function listChannelConnections(
  pool: pg.Pool,
  channel: string,
): Promise<readonly ResolvedConnection[]> {
  const rows = await queryRows<{ connection: ResolvedConnection }>(pool, {
    name: 'list_channel_connections',
    text: 'select list_channel_connections($1) as connection',
    values: [channel],
  });
  return rows.map(({ connection }) => connection);
}

/** The channels that have an active connection in any tenant. */
export async function listChannelsInUse(pool: pg.Pool): Promise<readonly string[]> {
  const rows = await queryRows<{ channel: string }>(pool, {
    name: 'list_channels_in_use',
    text: 'select list_channels_in_use() as channel',
    values: [],
  });
  return rows.map(({ channel }) => channel);
}
