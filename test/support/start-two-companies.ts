import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { type App, startApp } from '../../src/app.ts';
import type { AppOptions } from '../../src/app-options.ts';
import { createCipher } from '../../src/core/cipher.ts';
import { type ConnectionSettings, type Credentials, noBudget } from '../../src/core/tenant.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { withTenant } from '../../src/db/with-tenant.ts';
import { insertAgents } from '../../src/stores/agents.ts';
import { insertConnections } from '../../src/stores/connections.ts';
import { putRoute } from '../../src/stores/routes.ts';
import { insertTenant } from '../../src/stores/tenants.ts';
import { noJourneys } from '../../src/telemetry/journeys.ts';
import { until } from './conversation.ts';
import { createMigratedDatabase } from './migrated-database.ts';
import { type ModelServer, startModelServer } from './model-server.ts';
import { recordingLog } from './recording-log.ts';
import { silentLog } from './silent-log.ts';

export interface SeededConnection {
  readonly id: string;
  readonly channel: string;
  readonly externalId: string;
  readonly credentials: Credentials;
  readonly settings?: ConnectionSettings;
}

/** What a test of a platform stands on: a database with two companies, a model, and apps on both. */
export interface TwoCompanies {
  readonly model: ModelServer;
  readonly log: ReturnType<typeof recordingLog>;
  readonly databaseUrl: string;
  readonly masterKey: Buffer;
  startApp(options: Partial<AppOptions>): Promise<App>;
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>;
}

/** @param closing what is to be closed, in the reverse order, also when this fails midway */
export async function startTwoCompanies(
  connections: readonly [SeededConnection, SeededConnection],
  closing: (() => Promise<unknown>)[],
): Promise<TwoCompanies> {
  const database = await createMigratedDatabase();
  closing.push(() => database.drop());
  const admin = new pg.Pool({ connectionString: database.url, max: 2 });
  admin.on('error', () => {});
  admin.on('connect', (client) => client.on('error', () => {}));
  closing.push(() => admin.end());
  const model = await startModelServer();
  closing.push(() => model.close());
  const masterKey = randomBytes(32);
  const cipher = createCipher([masterKey]);
  await seedCompanies(database.url, cipher, model, connections);
  const log = recordingLog();
  const query = async (text: string, values: readonly unknown[] = []) =>
    (await admin.query(text, [...values])).rows as readonly Record<string, unknown>[];
  return {
    model,
    log,
    databaseUrl: database.url,
    masterKey,
    query,
    async startApp(options) {
      const app = await startApp({
        databaseUrl: database.url,
        role: 'all',
        host: '127.0.0.1',
        port: 0,
        cipher,
        slack: { signingSecret: null, apiUrl: 'http://127.0.0.1:9/api/' },
        providerKeys: {},
        workerConcurrency: 50,
        retentionDays: 365,
        ledgerRetentionDays: 365,
        version: 'test',
        log,
        journeys: noJourneys,
        ...options,
      });
      closing.push(() => app.stop());
      return app;
    },
    idle: () =>
      until('the queue is idle', async () => {
        const open = await query('select 1 from konstruct.conversations where ready_at is not null');
        return open.length === 0;
      }),
  };
}

/** Two companies, acme and globex, with an agent and a connection each, answered by the model server. */
async function seedCompanies(
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
