import type { Kysely } from 'kysely';
import { readInstallation, type TenantState } from '../config-file/read-installation.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';
import type { WorkspaceSeed } from '../simulator/workspace.ts';
import { type StoredConnection, updateConnection } from '../stores/connections.ts';
import { devTenants } from './dev-tenants.ts';
import type { Prepare } from './prepare-tenants.ts';

/** A company of the simulator, as it stands in the database. */
export interface SimulatedCompany {
  /** Of the workspace: `Acme`. */
  readonly name: string;
  /** By which people call the agent there: `Ada`. */
  readonly agentName: string;
  /** Slug of the tenant; another than the workspace's name where that was taken. */
  readonly tenant: string;
  /** Whether somebody answers: the connection may be disabled. */
  readonly answers: boolean;
  /** Name of its web chat; `null`: it has none any more. */
  readonly site: string | null;
}

/**
 * Makes a tenant for every workspace of the simulator that no connection leads to, and marks connections that do. Tenants
 * that are there stay as they are, also one that is called like a company of the simulator: it may be a real one.
 */
export async function prepareSimulator(
  [database, apply]: Parameters<Prepare>,
  workspaces: readonly WorkspaceSeed[],
): Promise<readonly SimulatedCompany[]> {
  const before = await readTenants(database);
  for (const workspace of workspaces) {
    const [, connection] = ownerOf(before, workspace) ?? [];
    if (connection !== undefined) await mark(database, connection);
  }
  const missing = workspaces.filter((workspace) => ownerOf(before, workspace) === null);
  if (missing.length > 0) {
    const slugs = new Set(before.map(({ tenant }) => tenant.slug));
    const sites = new Set(
      before.flatMap(({ connections }) =>
        connections.filter(({ channel }) => channel === 'widget').map(({ externalId }) => externalId),
      ),
    );
    const companies = missing.map((workspace) => {
      const slug = freeName(workspace.name.toLowerCase(), slugs);
      return { workspace, slug, site: freeName(slug, sites, '-site') };
    });
    await apply('simulator', devTenants(companies));
  }
  const after = await readTenants(database);
  return workspaces.flatMap((workspace) => {
    const [state, connection] = ownerOf(after, workspace) ?? [];
    if (state === undefined || connection === undefined) return [];
    const { name, agentName } = workspace;
    const site = state.connections.find(
      ({ channel, settings }) => channel === 'widget' && settings.simulated,
    );
    return [
      {
        name,
        agentName,
        tenant: state.tenant.slug,
        answers: connection.status === 'active',
        site: site?.externalId ?? null,
      },
    ];
  });
}

async function readTenants(database: Kysely<Database>): Promise<readonly TenantState[]> {
  return [...(await readInstallation(database, null)).tenants.values()];
}

function ownerOf(
  tenants: readonly TenantState[],
  { id, appId }: WorkspaceSeed,
): readonly [TenantState, StoredConnection] | null {
  for (const state of tenants) {
    const connection = state.connections.find(
      (each) => each.channel === 'slack' && each.externalId === id && ['', appId].includes(each.appId),
    );
    if (connection !== undefined) return [state, connection];
  }
  return null;
}

/** One that somebody applied for the simulator without saying so. */
async function mark(database: Kysely<Database>, connection: StoredConnection): Promise<void> {
  if (connection.settings.simulated) return;
  const settings = { ...connection.settings, simulated: true };
  await withTenant(database, connection.tenantId, (transaction) =>
    updateConnection(transaction, { ...connection, settings }),
  );
}

/** `acme-site`, or what is still free: `acme-simulator-site`, `acme-simulator-2-site`, … */
function freeName(base: string, taken: ReadonlySet<string>, ending = ''): string {
  const names = [base, `${base}-simulator`];
  for (let number = 2; names.every((name) => taken.has(name + ending)); number += 1) {
    names.push(`${base}-simulator-${number}`);
  }
  return `${names.find((name) => !taken.has(name + ending))}${ending}`;
}
