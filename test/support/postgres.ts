import pg from 'pg';
import { inject } from 'vitest';

export interface TestDatabase {
  /** A superuser's URL of this database. */
  readonly url: string;
  readonly name: string;
  /** Removes the database; connections that are still open to it are ended. */
  drop(): Promise<void>;
}

/** Makes a database of its own on the run's shared server, in some 30 ms. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const adminUrl = inject('postgresAdminUrl');
  const name = `test_${crypto.randomUUID().replaceAll('-', '')}`;
  await runAsAdmin(adminUrl, `create database ${name}`);
  const url = new URL(adminUrl);
  url.pathname = name;
  return {
    url: url.href,
    name,
    drop: () => runAsAdmin(adminUrl, `drop database if exists ${name} with (force)`),
  };
}

async function runAsAdmin(adminUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({
    connectionString: adminUrl,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
  });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
