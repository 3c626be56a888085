import type pg from 'pg';

/** A table whose rows are worth keeping. */
export interface StoredTable {
  readonly table: string;
  readonly columns: readonly string[];
  readonly hasRowSecurity: boolean;
}

/** Written by migrations, and by restoring. */
const BOOKKEEPING = ['migrations', 'function_sets'];

/**
 * All tables of ours, as the catalogue has them. Not those that PostgreSQL itself empties after a crash (unlogged): what is
 * in them is of use for a minute.
 */
export async function listStoredTables(client: pg.ClientBase): Promise<readonly StoredTable[]> {
  const { rows } = await client.query<StoredTable>(
    `select c.relname as table, c.relrowsecurity as "hasRowSecurity",
       array(select a.attname::text from pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum
       ) as columns
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'konstruct' and c.relkind = 'r' and c.relpersistence = 'p' and c.relname <> all($1)
     order by c.relname`,
    [BOOKKEEPING],
  );
  return rows;
}

export async function listSequences(client: pg.ClientBase): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select sequencename as name from pg_sequences where schemaname = 'konstruct' order by 1`,
  );
  return rows.map(({ name }) => name);
}

/**
 * Turns a transaction of the operator's user into one that sees all rows of all tenants: as the role whose policies say so.
 * The owner of the tables may not, unless he is a superuser: row-level security is forced.
 */
export const SEE_ALL_TENANTS = 'set local role konstruct_pipeline';
export const SEE_AS_BEFORE = 'reset role';
