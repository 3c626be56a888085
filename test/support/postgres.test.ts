import pg from 'pg';
import { expect, test } from 'vitest';
import { createEmptyDatabase } from './postgres.ts';

test('gives every caller an empty database of its own, and removes it', async () => {
  const [one, other] = await Promise.all([createEmptyDatabase(), createEmptyDatabase()]);
  const client = new pg.Client(one.url);
  client.on('error', () => {});
  await client.connect();
  await client.query('create table mark (id int)');

  const elsewhere = new pg.Client(other.url);
  await elsewhere.connect();
  const tables = await elsewhere.query("select 1 from pg_tables where schemaname = 'public'");
  expect(tables.rowCount).toBe(0);

  await one.drop(); // with a connection still open
  const names = await elsewhere.query('select datname from pg_database');
  expect(names.rows.map((row) => row.datname)).not.toContain(one.name);
  await elsewhere.end();
  await other.drop();
});
