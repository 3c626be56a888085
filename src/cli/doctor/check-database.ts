import type pg from 'pg';
import { isKonstructError } from '../../core/errors.ts';
import { listPendingMigrations } from '../../db/migrate.ts';
import { withClient } from '../../db/with-client.ts';
import { CHECK_TIMEOUT_MS, type Check, type Finding, ok, problem, problemOf, warning } from './check.ts';

/** `set null (column)` of a foreign key, which the migrations use. */
const OLDEST_VERSION = 15;

/** Reachable, new enough, migrated, and the roles there under which tenants cannot see each other. */
export const checkDatabase: Check = {
  name: 'Database',
  async run({ databaseUrl }) {
    // That it could not be started is a finding already.
    if (databaseUrl === null) return [];
    try {
      return await withClient(
        databaseUrl,
        async (client) => [...(await checkVersion(client)), ...(await checkMigrations(client))],
        { connectTimeoutMs: CHECK_TIMEOUT_MS, statementTimeoutMs: CHECK_TIMEOUT_MS },
      );
    } catch (error) {
      return [problemOf(error, 'The database was not usable')];
    }
  },
};

async function checkVersion(client: pg.Client): Promise<Finding[]> {
  const { rows } = await client.query<{ version: string; writable: boolean }>(
    `select current_setting('server_version') as version, not pg_is_in_recovery() as writable`,
  );
  const { version = '', writable = false } = rows[0] ?? {};
  if (Number.parseInt(version, 10) < OLDEST_VERSION) {
    return [problem(`PostgreSQL ${version} is too old.`, `Use PostgreSQL ${OLDEST_VERSION} or newer.`)];
  }
  if (!writable) {
    return [problem('The database is a standby and takes no writes.', 'Point DATABASE_URL to the primary.')];
  }
  return [ok(`PostgreSQL ${version.split(' ')[0]} answers.`)];
}

async function checkMigrations(client: pg.Client): Promise<Finding[]> {
  try {
    const pending = await listPendingMigrations(client);
    if (pending.length === 0) return [ok('All migrations are applied.'), ...(await checkRoles(client))];
    return [
      warning(
        `Migrations are missing: ${pending.join(', ')}.`,
        'Run `konstruct migrate`; `konstruct dev` and `konstruct serve` also apply them when they start.',
      ),
    ];
  } catch (error) {
    if (isKonstructError(error, 'database_outdated')) return [problemOf(error, 'Migrations')];
    throw error;
  }
}

async function checkRoles(client: pg.Client): Promise<Finding[]> {
  const { rows } = await client.query<{ name: string; bypasses: boolean; settable: boolean }>(
    // Before PostgreSQL 16 there was no privilege `set`: whoever was a member could become the role.
    `select rolname as name, rolsuper or rolbypassrls as bypasses,
       pg_has_role(current_user, oid,
         case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end) as settable
     from pg_roles where rolname in ('konstruct_app', 'konstruct_pipeline') order by rolname`,
  );
  if (rows.length < 2) return [problem('The roles of Konstruct are missing.', 'Run `konstruct migrate`.')];
  return rows.flatMap(({ name, bypasses, settable }) => {
    if (bypasses) {
      return [
        problem(
          `The role ${name} can bypass row-level security, so tenants could see each other's data.`,
          `Run as an administrator: alter role ${name} nosuperuser nobypassrls`,
        ),
      ];
    }
    if (!settable) {
      return [
        problem(
          `The user of DATABASE_URL may not become ${name}.`,
          `Run as an administrator: grant ${name} to the user of DATABASE_URL`,
        ),
      ];
    }
    return [ok(`The role ${name} cannot bypass row-level security.`)];
  });
}
