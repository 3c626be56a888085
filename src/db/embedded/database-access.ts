import pg from 'pg';
import { hasCode } from './embedded-failure.ts';
import { throwIfAborted } from './wait-until.ts';

/** How the launcher itself reaches the server: as its superuser, over the loopback interface. */
export interface DatabaseAccess {
  readonly port: number;
  readonly password: string;
  readonly signal?: AbortSignal | undefined;
}

const connectTimeoutMs = 5_000;
const databaseMissing = '3D000';

export function databaseUrl({ port, password }: DatabaseAccess, database = 'konstruct'): string {
  return `postgres://konstruct:${password}@127.0.0.1:${port}/${database}`;
}

/** Resolves when the database `konstruct` answers; makes it if it is missing, which a new cluster's is. */
export async function ensureDatabase(access: DatabaseAccess, isNew: boolean): Promise<void> {
  if (isNew) return await createDatabase(access);
  try {
    await query(access, 'konstruct', 'select 1');
  } catch (error) {
    if (!hasCode(error, databaseMissing)) throw error;
    await createDatabase(access);
  }
}

async function createDatabase(access: DatabaseAccess): Promise<void> {
  await query(access, 'postgres', 'create database konstruct');
}

/** The folder that the server on this port serves, as it names it itself. */
export async function showDataDirectory(access: DatabaseAccess): Promise<string> {
  const rows = await query(access, 'postgres', 'show data_directory');
  return String(rows[0]?.data_directory);
}

async function query(
  access: DatabaseAccess,
  database: string,
  sql: string,
): Promise<Record<string, unknown>[]> {
  throwIfAborted(access.signal);
  const client = new pg.Client({
    connectionString: databaseUrl(access, database),
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: 30_000,
  });
  // A connection that breaks also fails the call in flight; without a listener it would end the process as well.
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
