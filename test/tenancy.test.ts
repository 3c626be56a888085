import { readdir, readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase } from '../src/db/create-database.ts';
import { withTenant } from '../src/db/with-tenant.ts';
import { createPipelineDatabase, messageEvent, type PipelineDatabase } from './support/pipeline-database.ts';
import { addRows, insertion, newRows, type TenantWithRows } from './support/tenant-rows.ts';

/** Tables without a tenant, each with its reason. */
const sharedTables: Readonly<Record<string, string>> = {
  function_sets: 'which version the functions are of; the application may not even read it',
  migrations: 'which migrations the database has; the application may not even read it',
  routes: 'model routes belong to the installation; the keys in them are encrypted',
  used_install_states: 'random ids of ways that were gone; of no tenant',
};

/** What looks across tenants: all of it. */
const definerFunctions = [
  'add_budget_counters',
  'admit_and_claim',
  'admit_batch',
  'append_to_mailbox',
  'apply_deletion',
  'apply_edit',
  'apply_feedback',
  'apply_mute',
  'apply_stop',
  'cancel_work',
  'change_in_mailbox',
  'check_turns',
  'claim_notices',
  'claim_turns',
  'commit_turns',
  'count_dead_letters',
  'expire_budget_counters',
  'expire_conversations',
  'expire_early_signals',
  'expire_feedback',
  'expire_mailboxes',
  'expire_messages',
  'expire_model_calls',
  'expire_notices',
  'expire_reservations',
  'expire_turns',
  'find_answer',
  'find_connection',
  'find_conversation',
  'find_in_mailbox',
  'find_turn_tenant',
  'find_words',
  'finish_turns',
  'has_budgets',
  'hold_bucket',
  'hold_message',
  'keep_wish',
  'list_channel_connections',
  'list_channels_in_use',
  'list_dead_letters',
  'list_expiring_connections',
  'list_model_key_owners',
  'list_operator_notices',
  'list_own_apps',
  'list_tenants',
  'log_steps',
  'look_at_backlog',
  'postpone_claim',
  'queue_status',
  'rate_in_mailbox',
  'read_turn_messages',
  'record_apology',
  'record_placeholders',
  'record_receipt',
  'renew_leases',
  'renew_reservations',
  'reopen_turn',
  'reserve_budget',
  'reserve_budgets',
  'reserve_one_by_one',
  'resolve_connection',
  'retry_turns',
  'settle_call',
  'settle_calls',
  'tell_operators',
  'tell_thresholds',
];

const POLICY_VIOLATION = '42501';
const FOREIGN_KEY_VIOLATION = '23503';

let database: PipelineDatabase;
let applicationPool: pg.Pool;
let a: TenantWithRows;
let b: TenantWithRows;
let tables: readonly { readonly name: string; readonly tenantColumn: string | null }[] = [];
let tenantTables: readonly { readonly name: string; readonly tenantColumn: string }[] = [];

beforeAll(async () => {
  database = await createPipelineDatabase();
  applicationPool = database.pool(1);
  a = await addRows(database, database.tenants[0]);
  b = await addRows(database, database.tenants[1]);
  tables = (
    await database.query<{ name: string; has_tenant: boolean }>(
      `select c.relname as name, exists (select 1 from pg_attribute t
         where t.attrelid = c.oid and t.attname = 'tenant_id' and not t.attisdropped) as has_tenant
       from pg_class c where c.relnamespace = 'konstruct'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
       order by 1`,
    )
  ).map(({ name, has_tenant }) => ({
    name,
    tenantColumn: has_tenant ? 'tenant_id' : name === 'tenants' ? 'id' : null,
  }));
  tenantTables = tables.flatMap(({ name, tenantColumn }) =>
    tenantColumn === null ? [] : [{ name, tenantColumn }],
  );
});
afterAll(() => database.drop());

/** Runs work as the application does, in a transaction that is rolled back; `null`: no tenant is set. */
async function asApplication<T>(
  tenantId: string | null,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await applicationPool.connect();
  try {
    await client.query('begin');
    if (tenantId !== null)
      await client.query(`select set_config('konstruct.tenant_id', $1, true)`, [tenantId]);
    return await work(client);
  } finally {
    await client.query('rollback');
    client.release();
  }
}

/** The SQLSTATE a statement fails with; its row count when it does not fail. */
async function outcome(
  client: pg.PoolClient,
  text: string,
  values: readonly unknown[] = [],
): Promise<string | number> {
  await client.query('savepoint attempt');
  try {
    const { rowCount } = await client.query(text, [...values]);
    return rowCount ?? 0;
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    await client.query('rollback to savepoint attempt');
  }
}

function newRow(table: string, tenant: TenantWithRows): Readonly<Record<string, unknown>> {
  const make = newRows[table];
  if (!make) throw new Error(`Table ${table} has no row in test/support/tenant-rows.ts: add one.`);
  return make(tenant);
}

describe('the catalogue', () => {
  it('has tables, and each belongs to tenants or is on the list of those that do not', () => {
    expect(tables.length).toBeGreaterThan(8);
    const shared = tables.filter(({ tenantColumn }) => tenantColumn === null).map(({ name }) => name);
    expect(shared).toEqual(Object.keys(sharedTables));
    expect(tenantTables.map(({ name }) => name).sort()).toEqual(Object.keys(newRows).sort());
  });

  it('has row-level security enabled and forced on every tenant table, with one policy per role', async () => {
    const rows = await database.query<{ name: string; on: boolean; forced: boolean }>(
      `select relname as name, relrowsecurity as on, relforcerowsecurity as forced
       from pg_class where relnamespace = 'konstruct'::regnamespace and relkind in ('r', 'p')`,
    );
    const policies = await database.query<{
      name: string;
      roles: string[];
      cmd: string;
      qual: string;
      with_check: string;
      permissive: string;
    }>(
      `select tablename as name, roles::text[], cmd, replace(qual, 'konstruct.', '') as qual,
         replace(with_check, 'konstruct.', '') as with_check, permissive
       from pg_policies where schemaname = 'konstruct' order by roles`,
    );
    for (const { name, tenantColumn } of tenantTables) {
      expect(
        rows.find((row) => row.name === name),
        name,
      ).toEqual({ name, on: true, forced: true });
      const condition = `(${tenantColumn} = current_tenant())`;
      expect(
        policies.filter((policy) => policy.name === name),
        name,
      ).toEqual([
        {
          name,
          roles: ['konstruct_app'],
          cmd: 'ALL',
          qual: condition,
          with_check: condition,
          permissive: 'PERMISSIVE',
        },
        {
          name,
          roles: ['konstruct_pipeline'],
          cmd: 'ALL',
          qual: 'true',
          with_check: 'true',
          permissive: 'PERMISSIVE',
        },
      ]);
    }
  });

  it('has the tenant in every foreign key between tenant tables, on both sides', async () => {
    const keys = await database.query<{
      name: string;
      columns: string[];
      referenced: string[];
      target: string;
    }>(
      `select c.conrelid::regclass || '.' || c.conname as name, t.relname as target,
         array(select attname::text from unnest(c.conkey) with ordinality k (n, place)
           join pg_attribute on attrelid = c.conrelid and attnum = n order by place) as columns,
         array(select attname::text from unnest(c.confkey) with ordinality k (n, place)
           join pg_attribute on attrelid = c.confrelid and attnum = n order by place) as referenced
       from pg_constraint c join pg_class t on t.oid = c.confrelid
       where c.contype = 'f' and c.connamespace = 'konstruct'::regnamespace`,
    );
    expect(keys.length).toBeGreaterThan(10);
    for (const { name, columns, referenced, target } of keys) {
      const place = referenced.indexOf(target === 'tenants' ? 'id' : 'tenant_id');
      expect(columns[place], name).toBe('tenant_id');
    }
  });

  it('lets nobody log in as our roles, and neither of them is more than it should be', async () => {
    expect(
      await database.query(
        `select rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolcreatedb, rolreplication
         from pg_roles where rolname like 'konstruct\\_%' order by 1`,
      ),
    ).toEqual(
      ['konstruct_app', 'konstruct_pipeline'].map((rolname) => ({
        rolname,
        rolsuper: false,
        rolbypassrls: false,
        rolcanlogin: false,
        rolcreaterole: false,
        rolcreatedb: false,
        rolreplication: false,
      })),
    );
    expect(
      await database.query(
        `select 1 from pg_auth_members where member in ('konstruct_app'::regrole, 'konstruct_pipeline'::regrole)`,
      ),
    ).toEqual([]);
  });

  it('lets the application neither create, truncate nor own anything', async () => {
    expect(
      await database.query(
        `select has_schema_privilege('konstruct_app', 'konstruct', 'create') as creates,
           has_schema_privilege('konstruct_pipeline', 'konstruct', 'create') as pipeline_creates,
           (select count(*)::int from pg_class where relnamespace = 'konstruct'::regnamespace and relkind = 'r'
             and (has_table_privilege('konstruct_app', oid, 'truncate') or has_table_privilege('konstruct_app', oid, 'trigger')
               or has_table_privilege('public', oid, 'select') or relowner = 'konstruct_app'::regrole)) as too_much`,
      ),
    ).toEqual([{ creates: false, pipeline_creates: false, too_much: 0 }]);
  });

  it('has exactly the listed functions that look across tenants, owned, pinned and closed to the public', async () => {
    const functions = await database.query<{
      name: string;
      owner: string;
      config: string[] | null;
      open: boolean;
      app: boolean;
    }>(
      `select proname as name, proowner::regrole::text as owner, proconfig as config,
         has_function_privilege('public', oid, 'execute') as open, has_function_privilege('konstruct_app', oid, 'execute') as app
       from pg_proc where pronamespace = 'konstruct'::regnamespace and prosecdef order by proname`,
    );
    expect(functions.map(({ name }) => name)).toEqual(definerFunctions);
    const folder = new URL('../migrations/functions/', import.meta.url);
    const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort();
    expect(files).toEqual(definerFunctions.map((name) => `${name}.sql`));
    for (const { name, owner, config, open, app } of functions) {
      expect({ name, owner, open, app }).toEqual({
        name,
        owner: 'konstruct_pipeline',
        open: false,
        app: true,
      });
      expect(config, name).toContain('search_path=konstruct, pg_temp');
      const source = await readFile(new URL(`${name}.sql`, folder), 'utf8');
      expect(source.match(/create or replace function konstruct\.\w+/g), name).toEqual([
        `create or replace function konstruct.${name}`,
      ]);
    }
  });
});

describe('a tenant', () => {
  it('sees its own rows of every table and none of another tenant, however it asks', async () => {
    for (const { name, tenantColumn } of tenantTables) {
      await asApplication(b.tenantId, async (client) => {
        const count = async (sql: string, values: readonly unknown[] = []) =>
          (await client.query<{ n: number }>(`select count(*)::int as n from (${sql}) r`, [...values]))
            .rows[0]?.n;
        const table = `konstruct.${name}`;
        expect(await count(`select 1 from ${table}`), name).toBeGreaterThan(0);
        expect(await count(`select 1 from ${table} where ${tenantColumn} <> $1`, [b.tenantId]), name).toBe(0);
        expect(await count(`select 1 from ${table} where ${tenantColumn} = $1`, [a.tenantId]), name).toBe(0);
        const joined = `select 1 from konstruct.tenants t full join ${table} x on x.${tenantColumn} = t.id
          where t.id = $1 or x.${tenantColumn} = $1`;
        expect(await count(joined, [a.tenantId]), name).toBe(0);
        await client.query(`create temp view seen as select * from ${table}`);
        expect(await count(`select 1 from pg_temp.seen where ${tenantColumn} = $1`, [a.tenantId]), name).toBe(
          0,
        );
      });
    }
  });

  it('can change, delete or lock no row of another tenant', async () => {
    for (const { name, tenantColumn } of tenantTables) {
      await asApplication(b.tenantId, async (client) => {
        const table = `konstruct.${name}`;
        const theirs = `where ${tenantColumn} = '${a.tenantId}'`;
        expect(
          await outcome(
            client,
            `update ${table} set ${tenantColumn} = ${tenantColumn} ${theirs} returning *`,
          ),
          name,
        ).toBe(0);
        expect(
          await outcome(client, `update ${table} set ${tenantColumn} = '${b.tenantId}' ${theirs}`),
          name,
        ).toBe(0);
        expect(await outcome(client, `delete from ${table} ${theirs} returning *`), name).toBe(0);
        expect(await outcome(client, `select 1 from ${table} ${theirs} for update`), name).toBe(0);
      });
    }
    for (const { name, tenantColumn } of tenantTables) {
      const [row] = await database.query<{ n: number }>(
        `select count(*)::int as n from konstruct.${name} where ${tenantColumn} = $1`,
        [a.tenantId],
      );
      expect(row?.n, name).toBeGreaterThan(0);
    }
  });

  it('can insert rows for itself, but none for another tenant, nor give its own away', async () => {
    for (const { name, tenantColumn } of tenantTables) {
      if (name === 'tenants') continue; // its only row is itself
      await asApplication(b.tenantId, async (client) => {
        const own = insertion(name, newRow(name, b));
        const foreign = insertion(name, newRow(name, a));
        // A tenant has one at most.
        const again = name === 'backlogs' ? ' on conflict (tenant_id) do update set busy_since = now()' : '';
        expect(await outcome(client, own.text + again, own.values), name).toBe(1);
        expect(await outcome(client, foreign.text, foreign.values), name).toBe(POLICY_VIOLATION);
        expect(await outcome(client, `${foreign.text} on conflict do nothing`, foreign.values), name).toBe(
          POLICY_VIOLATION,
        );
        const gift = `update konstruct.${name} set ${tenantColumn} = '${a.tenantId}'`;
        expect(await outcome(client, gift), name).toBe(POLICY_VIOLATION);
        expect(await outcome(client, `copy konstruct.${name} from stdin`), name).toBe('0A000');
      });
    }
  });

  it('cannot take over by `on conflict do update` what another tenant holds', async () => {
    await asApplication(b.tenantId, async (client) => {
      const { text, values } = insertion('connections', {
        ...newRow('connections', b),
        external_id: a.workspace.id,
        app_id: '',
      });
      const takeOver = `${text} on conflict (channel, external_id, app_id) do update set credentials = excluded.credentials`;
      expect(await outcome(client, takeOver, values)).toBe(POLICY_VIOLATION);
      const slug = `insert into konstruct.tenants (id, slug, name) values ($1, $2, 'x')
        on conflict (slug) do update set name = 'taken'`;
      expect(await outcome(client, slug, [b.tenantId, a.workspace.id.toLowerCase()])).toBe(POLICY_VIOLATION);
    });
  });

  it('cannot point at a row of another tenant by any foreign key', async () => {
    const keys = await database.query<{ table: string; column: string }>(
      `select t.relname as table, k.attname as column
       from pg_constraint c
       join pg_class t on t.oid = c.conrelid
       join unnest(c.conkey) n on true
       join pg_attribute k on k.attrelid = c.conrelid and k.attnum = n and k.attname not in ('tenant_id', 'id')
       where c.contype = 'f' and c.connamespace = 'konstruct'::regnamespace`,
    );
    const theirs: Readonly<Record<string, string>> = {
      agent_id: a.agentId,
      connection_id: a.connectionId,
      conversation_id: a.conversationId,
      turn_id: a.turnId,
      channel_id: a.mailboxId,
    };
    expect(keys.length).toBeGreaterThan(8);
    for (const { table, column } of keys) {
      const target = theirs[column];
      if (target === undefined)
        throw new Error(`No row of tenant A for ${table}.${column}: add one to this test.`);
      await asApplication(b.tenantId, async (client) => {
        const { text, values } = insertion(table, { ...newRow(table, b), [column]: target });
        expect(await outcome(client, text, values), `${table}.${column}`).toBe(FOREIGN_KEY_VIOLATION);
        const repoint = `update konstruct.${table} set ${column} = $1`;
        expect(await outcome(client, repoint, [target]), `${table}.${column}`).toBe(FOREIGN_KEY_VIOLATION);
      });
    }
  });
});

describe('without a tenant', () => {
  it.each([null, ''])('(%j) nothing is visible and nothing can be written', async (tenantId) => {
    for (const { name } of tenantTables) {
      await asApplication(tenantId, async (client) => {
        expect(await outcome(client, `select 1 from konstruct.${name}`), name).toBe(0);
        expect(await outcome(client, `delete from konstruct.${name}`), name).toBe(0);
        const { text, values } = insertion(name, newRow(name, a));
        expect(await outcome(client, text, values), name).toBe(POLICY_VIOLATION);
      });
    }
  });
});

describe('withTenant', () => {
  it('leaves nothing of the tenant on the connection, after commit and after rollback', async () => {
    const pool = database.pool(1);
    const kysely = createDatabase(pool);
    const left = async () =>
      (
        await pool.query(
          `select nullif(current_setting('konstruct.tenant_id', true), '') as tenant, current_user as role,
             (select count(*)::int from konstruct.messages) as messages`,
        )
      ).rows[0];
    const nothing = { tenant: null, role: 'konstruct_app', messages: 0 };
    await withTenant(kysely, a.tenantId, async () => {});
    expect(await left()).toEqual(nothing);
    await expect(
      withTenant(kysely, a.tenantId, () => Promise.reject(new Error('in the middle'))),
    ).rejects.toThrow('in the middle');
    expect(await left()).toEqual(nothing);
  });

  it('keeps tenants apart that take turns on the same few connections', async () => {
    const kysely = createDatabase(database.pool(2));
    const seen = await Promise.all(
      Array.from({ length: 60 }, (_, index) => {
        const { tenantId } = index % 2 === 0 ? a : b;
        return withTenant(kysely, tenantId, async (transaction) => {
          const rows = await transaction.selectFrom('tenants').select('id').execute();
          const messages = await transaction.selectFrom('messages').select('tenant_id').execute();
          return [...rows.map(({ id }) => id), ...messages.map(({ tenant_id }) => tenant_id)].every(
            (id) => id === tenantId,
          );
        });
      }),
    );
    expect(seen).toEqual(Array.from({ length: 60 }, () => true));
  });
});

describe('who has only the application’s role', () => {
  it('can neither become another role nor switch row-level security off', async () => {
    const user = `test_app_${database.name.slice(-12)}`;
    await database.query(`create role ${user} login password 'x' in role konstruct_app`);
    const url = new URL(database.url);
    url.username = user;
    url.password = 'x';
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    try {
      const codeOf = (sql: string) =>
        client.query(sql).then(
          ({ rows }) => rows,
          (error: { code: string }) => error.code,
        );
      for (const role of ['konstruct_pipeline', 'postgres', new URL(database.url).username]) {
        expect(await codeOf(`set role ${role}`), role).toMatch(/^(42501|22023)$/);
      }
      await client.query('set role konstruct_app');
      expect(await codeOf('alter table konstruct.messages disable row level security')).toBe('42501');
      expect(await codeOf('create policy mine on konstruct.messages using (true)')).toBe('42501');
      expect(
        await codeOf('create function konstruct.mine() returns int language sql as $$ select 1 $$'),
      ).toBe('42501');
      expect(await codeOf('set session_replication_role = replica')).toBe('42501');
      await client.query('set row_security = off');
      expect(await codeOf('select * from konstruct.messages')).toBe('42501');
    } finally {
      await client.end();
      await database.query(`drop role ${user}`);
    }
  });
});

describe('the functions that look across tenants', () => {
  it('store nothing for a tenant on the connection of another', async () => {
    const admit = database.gateway();
    const forged = { tenantId: a.tenantId, connectionId: b.connectionId };
    await expect(admit(messageEvent(forged))).rejects.toMatchObject({ code: FOREIGN_KEY_VIOLATION });
    await expect(
      admit(messageEvent(forged, { bucketKey: 'forged', ratePerMinute: 0.5 })),
    ).rejects.toMatchObject({ code: FOREIGN_KEY_VIOLATION });
    const unknown = { tenantId: crypto.randomUUID(), connectionId: b.connectionId };
    await expect(admit(messageEvent(unknown, { addressed: 'context' }))).rejects.toMatchObject({
      code: FOREIGN_KEY_VIOLATION,
    });
    expect(await database.query(`select 1 from konstruct.rate_buckets where key = 'forged'`)).toEqual([]);
  });

  it('are not led astray by objects that the caller puts in front of ours', async () => {
    await asApplication(null, async (client) => {
      await client.query('create temp table tenants (id uuid, slug text, name text)');
      await client.query(`insert into pg_temp.tenants values (gen_random_uuid(), 'mine', 'mine')`);
      await client.query('set local search_path = pg_temp, konstruct');
      const { rows } = await client.query<{ slug: string }>('select slug from konstruct.list_tenants()');
      expect(rows.map(({ slug }) => slug)).not.toContain('mine');
    });
  });
});
