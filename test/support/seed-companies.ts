import { randomUUID } from 'node:crypto';
import type { createCipher } from '../../src/core/cipher.ts';
import { type ConnectionSettings, type Credentials, noBudget } from '../../src/core/tenant.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { withTenant } from '../../src/db/with-tenant.ts';
import { insertAgents } from '../../src/stores/agents.ts';
import { insertConnections } from '../../src/stores/connections.ts';
import { putRoute } from '../../src/stores/routes.ts';
import { insertTenant } from '../../src/stores/tenants.ts';
import type { ModelServer } from './model-server.ts';
import { silentLog } from './silent-log.ts';

export interface SeededConnection {
  readonly id: string;
  readonly channel: string;
  readonly externalId: string;
  readonly credentials: Credentials;
  readonly settings?: ConnectionSettings;
}

/** Two companies, acme and globex, with an agent and a connection each, answered by the model server. */
export async function seedCompanies(
  databaseUrl: string,
  cipher: ReturnType<typeof createCipher>,
  model: ModelServer,
  connections: readonly [SeededConnection, SeededConnection],
): Promise<void> {
  const database = createDatabase(
    createDatabasePool({ url: databaseUrl, name: 'seed', size: 2, log: silentLog }),
  );
  try {
    const entries = [
      {
        provider: 'openai-compatible' as const,
        model: 'test',
        baseUrl: model.urls['openai-compatible'],
        apiKey: 'k',
      },
    ];
    await putRoute(database, cipher, { name: 'default', entries });
    for (const [index, connection] of connections.entries()) {
      const tenantId = randomUUID();
      const agentId = randomUUID();
      const slug = index === 0 ? 'acme' : 'globex';
      await withTenant(database, tenantId, async (transaction) => {
        const budgets = { timeZone: 'UTC', budget: noBudget, personBudget: noBudget };
        await insertTenant(transaction, { id: tenantId, slug, name: slug, ...budgets });
        const persona = `Persona of ${slug}.`;
        const agent = { id: agentId, tenantId, slug: 'ada', name: 'Ada', role: 'Support', persona };
        await insertAgents(transaction, [
          { ...agent, instructions: '', route: 'default', busyMode: 'queue', placeholder: 'Thinking…' },
        ]);
        const { settings = {} } = connection;
        const rest = { tenantId, agentId, agentUserId: '', appId: '', status: 'active' } as const;
        await insertConnections(transaction, cipher, [{ ...connection, settings, ...rest }]);
      });
    }
  } finally {
    await database.destroy();
  }
}
