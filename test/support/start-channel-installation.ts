import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { type App, startApp } from '../../src/app.ts';
import type { AppOptions } from '../../src/app-options.ts';
import type { PlatformSettings } from '../../src/core/channel-definition.ts';
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

/** A company with an agent and one connection. */
export interface CompanySeed {
  readonly slug: string;
  readonly externalId: string;
  readonly credentials: Credentials;
  readonly settings?: ConnectionSettings;
  /** Ada, unless said. */
  readonly agentName?: string;
}

export interface ChannelInstallation<Ids extends readonly string[] = readonly string[]> {
  readonly model: ModelServer;
  readonly log: ReturnType<typeof recordingLog>;
  readonly databaseUrl: string;
  readonly masterKey: Buffer;
  /** In the order of the companies. */
  readonly connectionIds: Ids;
  startApp(options?: Partial<AppOptions>): Promise<App>;
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

export interface ChannelInstallationOptions<Companies extends readonly CompanySeed[]> {
  readonly channel: string;
  readonly companies: Companies;
  /** Absent: the channel has no platform of its own. */
  readonly platform?: PlatformSettings;
  /** Ended after the app, in reverse order. */
  readonly closing: readonly (() => Promise<unknown>)[];
}

/** A database and a model with companies that are connected to one platform; the app is started by `startApp`. */
export async function startChannelInstallation<const Companies extends readonly CompanySeed[]>(
  options: ChannelInstallationOptions<Companies>,
): Promise<ChannelInstallation<{ readonly [Index in keyof Companies]: string }>> {
  const closing: (() => Promise<unknown>)[] = [...options.closing];
  const stop = async (): Promise<void> => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
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
    const connectionIds = options.companies.map(() => randomUUID());
    await seed(options, database.url, cipher, model, connectionIds);
    const log = recordingLog();
    const query = async (text: string, values: readonly unknown[] = []) =>
      (await admin.query(text, [...values])).rows as readonly Record<string, unknown>[];
    return {
      model,
      log,
      databaseUrl: database.url,
      masterKey,
      connectionIds: connectionIds as { readonly [Index in keyof Companies]: string },
      query,
      stop,
      async startApp(overrides = {}) {
        const app = await startApp({
          databaseUrl: database.url,
          role: 'all',
          host: '127.0.0.1',
          port: 0,
          cipher,
          slack: { signingSecret: null, apiUrl: 'http://127.0.0.1:9/api/' },
          ...(options.platform ? { platforms: { [options.channel]: options.platform } } : {}),
          publicUrl: null,
          providerKeys: {},
          workerConcurrency: 50,
          retentionDays: 365,
          ledgerRetentionDays: 365,
          version: 'test',
          warmUp: false, // it costs PostgreSQL a quarter of a second of a core, and here hardly anybody waits for it
          log,
          journeys: noJourneys,
          ...overrides,
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
  } catch (error) {
    await stop();
    throw error;
  }
}

async function seed(
  { channel, companies }: Pick<ChannelInstallationOptions<readonly CompanySeed[]>, 'channel' | 'companies'>,
  databaseUrl: string,
  cipher: ReturnType<typeof createCipher>,
  model: ModelServer,
  connectionIds: readonly string[],
): Promise<void> {
  const database = createDatabase(
    createDatabasePool({ url: databaseUrl, name: 'seed', size: 2, log: silentLog }),
  );
  try {
    const baseUrl = model.urls['openai-compatible'];
    const entry = { provider: 'openai-compatible' as const, model: 'test', baseUrl, apiKey: 'k' };
    await putRoute(database, cipher, { name: 'default', entries: [entry] });
    for (const [index, company] of companies.entries()) {
      const { slug, externalId, credentials, settings = {}, agentName: name = 'Ada' } = company;
      const tenantId = randomUUID();
      const agentId = randomUUID();
      await withTenant(database, tenantId, async (transaction) => {
        const budgets = { timeZone: 'UTC', budget: noBudget, personBudget: noBudget };
        await insertTenant(transaction, { id: tenantId, slug, name: slug, ...budgets });
        const words = { persona: `Persona of ${slug}.`, instructions: '', placeholder: 'Thinking…' };
        const agent = { id: agentId, tenantId, slug: 'ada', name, role: 'Support', ...words };
        await insertAgents(transaction, [{ ...agent, route: 'default', busyMode: 'queue' }]);
        const id = connectionIds[index] as string;
        const connection = { id, tenantId, agentId, channel, externalId, settings, credentials };
        await insertConnections(transaction, cipher, [
          { ...connection, agentUserId: '', appId: '', status: 'active' },
        ]);
      });
    }
  } finally {
    await database.destroy();
  }
}
