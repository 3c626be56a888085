import { randomUUID } from 'node:crypto';
import type { Cipher } from '../../src/core/cipher.ts';
import type { RouteEntry } from '../../src/core/model.ts';
import { type Agent, type ConnectionSettings, noBudget } from '../../src/core/tenant.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { withTenant } from '../../src/db/with-tenant.ts';
import type { WorkspaceSeed } from '../../src/simulator/workspace.ts';
import { insertAgents } from '../../src/stores/agents.ts';
import { insertConnections } from '../../src/stores/connections.ts';
import { putRoute } from '../../src/stores/routes.ts';
import { insertTenant } from '../../src/stores/tenants.ts';
import { silentLog } from './silent-log.ts';

export interface SeedOptions {
  readonly databaseUrl: string;
  readonly cipher: Cipher;
  readonly workspaces: readonly WorkspaceSeed[];
  readonly routes?: Readonly<Record<string, readonly RouteEntry[]>>;
  readonly settings?: ConnectionSettings;
  readonly agent?: Partial<Agent>;
  /** Workspaces that belong to the company of another, which comes before them: with an agent of their own. */
  readonly partOf?: Readonly<Record<string, string>>;
}

export interface SeededTenant {
  readonly tenantId: string;
  readonly agentId: string;
  readonly connectionId: string;
  readonly workspace: WorkspaceSeed;
}

/** One agent and one connection per workspace, each in a tenant of its own unless it is part of another. */
export async function seedTenants(options: SeedOptions): Promise<readonly SeededTenant[]> {
  const pool = createDatabasePool({ url: options.databaseUrl, name: 'seed', size: 2, log: silentLog });
  const database = createDatabase(pool);
  try {
    for (const [name, entries] of Object.entries(options.routes ?? {})) {
      await putRoute(database, options.cipher, { name, entries });
    }
    const seeded: SeededTenant[] = [];
    for (const workspace of options.workspaces) {
      const company = seeded.find((other) => other.workspace.id === options.partOf?.[workspace.id]);
      const ids = {
        tenantId: company?.tenantId ?? randomUUID(),
        agentId: randomUUID(),
        connectionId: randomUUID(),
      };
      await withTenant(database, ids.tenantId, async (transaction) => {
        if (company === undefined) {
          await insertTenant(transaction, {
            id: ids.tenantId,
            slug: workspace.id.toLowerCase(),
            name: workspace.name,
            timeZone: 'UTC',
            budget: noBudget,
            personBudget: noBudget,
          });
        }
        await insertAgents(transaction, [
          {
            id: ids.agentId,
            tenantId: ids.tenantId,
            slug: workspace.agentName.toLowerCase(),
            name: workspace.agentName,
            role: 'Support engineer',
            persona: `Calm and precise. Persona of ${workspace.name}.`,
            instructions: '',
            route: 'default',
            placeholder: 'Thinking…',
            busyMode: 'queue',
            ...options.agent,
          },
        ]);
        await insertConnections(transaction, options.cipher, [
          {
            id: ids.connectionId,
            tenantId: ids.tenantId,
            agentId: ids.agentId,
            channel: 'slack',
            externalId: workspace.id,
            agentUserId: workspace.botUserId,
            appId: '',
            status: 'active',
            settings: options.settings ?? {},
            credentials: { botToken: workspace.botToken },
          },
        ]);
      });
      seeded.push({ ...ids, workspace });
    }
    return seeded;
  } finally {
    await database.destroy();
  }
}
