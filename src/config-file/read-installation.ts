import type { Kysely } from 'kysely';
import { mapConcurrently } from '../core/map-concurrently.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';
import { type BudgetedAgent, listAgents } from '../stores/agents.ts';
import { listConnections, type StoredConnection } from '../stores/connections.ts';
import { listModelKeys, type StoredModelKeys } from '../stores/model-keys.ts';
import { listRoutes, type StoredRoute } from '../stores/routes.ts';
import { type BudgetedTenant, findTenant, listTenants } from '../stores/tenants.ts';

/** What the database has, as far as a konstruct.yaml can say it. Secrets are encrypted. */
export interface Installation {
  readonly routes: readonly StoredRoute[];
  /** By slug; only those that were asked for. */
  readonly tenants: ReadonlyMap<string, TenantState>;
  /** The slugs of all tenants by id. */
  readonly slugs: ReadonlyMap<string, string>;
}

export interface TenantState {
  readonly tenant: BudgetedTenant;
  readonly agents: readonly BudgetedAgent[];
  readonly connections: readonly StoredConnection[];
  readonly modelKeys: readonly StoredModelKeys[];
}

/** Tenants that are read or written at the same time; the pool should have as many connections. */
export const TENANTS_AT_ONCE = 8;

/**
 * Reads tenants by slug, each in a transaction that sees nothing of the others.
 *
 * @param wanted slugs of the tenants to read; `null`: all
 */
export async function readInstallation(
  database: Kysely<Database>,
  wanted: ReadonlySet<string> | null,
): Promise<Installation> {
  const routes = await listRoutes(database);
  const listed = await listTenants(database);
  const tenants = listed.filter(({ slug }) => wanted === null || wanted.has(slug));
  const states = await mapConcurrently(tenants, TENANTS_AT_ONCE, ({ id }) => readTenant(database, id));
  return {
    routes,
    tenants: new Map(states.flatMap((state) => (state === null ? [] : [[state.tenant.slug, state]]))),
    slugs: new Map(listed.map(({ id, slug }) => [id, slug])),
  };
}

/** `null`: the tenant was removed meanwhile. */
function readTenant(database: Kysely<Database>, tenantId: string): Promise<TenantState | null> {
  return withTenant(database, tenantId, async (transaction) => {
    const tenant = await findTenant(transaction);
    if (tenant === null) return null;
    return {
      tenant,
      agents: await listAgents(transaction),
      connections: await listConnections(transaction),
      modelKeys: await listModelKeys(transaction),
    };
  });
}
