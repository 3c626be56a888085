import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { type App, startApp } from '../../../src/app.ts';
import type { AppOptions } from '../../../src/app-options.ts';
import { signIdentity } from '../../../src/channels/widget/identity-token.ts';
import { createCipher } from '../../../src/core/cipher.ts';
import { type ConnectionSettings, noBudget } from '../../../src/core/tenant.ts';
import { createDatabase } from '../../../src/db/create-database.ts';
import { createDatabasePool } from '../../../src/db/pool.ts';
import { withTenant } from '../../../src/db/with-tenant.ts';
import { insertAgents } from '../../../src/stores/agents.ts';
import { insertConnections } from '../../../src/stores/connections.ts';
import { putRoute } from '../../../src/stores/routes.ts';
import { insertTenant } from '../../../src/stores/tenants.ts';
import { noJourneys } from '../../../src/telemetry/journeys.ts';
import { createMigratedDatabase } from '../migrated-database.ts';
import { type ModelServer, startModelServer } from '../model-server.ts';
import { recordingLog } from '../recording-log.ts';
import { silentLog } from '../silent-log.ts';

/** Two companies, each with a chat on its site. */
export const acmeSite = {
  name: 'acme-site',
  origin: 'https://www.acme.example',
  secret: 'acme-secret-that-only-its-server-knows',
} as const;
export const globexSite = {
  name: 'globex-site',
  origin: 'https://globex.example',
  secret: 'globex-secret-that-only-its-server-knows',
} as const;

export interface WidgetInstallation {
  readonly model: ModelServer;
  readonly log: ReturnType<typeof recordingLog>;
  readonly databaseUrl: string;
  readonly masterKey: Buffer;
  readonly connectionIds: readonly [string, string];
  startApp(options?: Partial<AppOptions>): Promise<App>;
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  stop(): Promise<void>;
}

export async function startWidgetInstallation(
  settings: ConnectionSettings = {},
): Promise<WidgetInstallation> {
  const closing: (() => Promise<unknown>)[] = [];
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
    const connectionIds = [randomUUID(), randomUUID()] as const;
    await seed(database.url, cipher, model, connectionIds, settings);
    const log = recordingLog();
    return {
      model,
      log,
      databaseUrl: database.url,
      masterKey,
      connectionIds,
      async startApp(overrides = {}) {
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
          ...overrides,
        });
        closing.push(() => app.stop());
        return app;
      },
      query: async (text, values = []) => (await admin.query(text, [...values])).rows,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The token that a site's server makes for somebody. */
export function tokenFor(
  subject: string,
  options: { secret?: string; name?: string; seconds?: number } = {},
): string {
  const { secret = acmeSite.secret, name = subject, seconds = 600 } = options;
  return signIdentity(
    { subject, name, isAnonymous: false, expiresAtMs: Date.now() + seconds * 1_000 },
    secret,
  );
}

async function seed(
  databaseUrl: string,
  cipher: ReturnType<typeof createCipher>,
  model: ModelServer,
  connectionIds: readonly [string, string],
  settings: ConnectionSettings,
): Promise<void> {
  const pool = createDatabasePool({ url: databaseUrl, name: 'seed', size: 2, log: silentLog });
  const database = createDatabase(pool);
  try {
    const baseUrl = model.urls['openai-compatible'];
    const entry = { provider: 'openai-compatible', model: 'test', baseUrl, apiKey: 'k' } as const;
    await putRoute(database, cipher, { name: 'default', entries: [entry] });
    for (const [index, site] of [acmeSite, globexSite].entries()) {
      const tenantId = randomUUID();
      const agentId = randomUUID();
      const slug = site.name.split('-', 1)[0] ?? '';
      await withTenant(database, tenantId, async (transaction) => {
        const budgets = { timeZone: 'UTC', budget: noBudget, personBudget: noBudget };
        await insertTenant(transaction, { id: tenantId, slug, name: slug, ...budgets });
        const agent = { id: agentId, tenantId, slug: 'ada', name: `Ada of ${slug}`, role: 'Support' };
        const words = { persona: '', instructions: '', placeholder: 'Thinking…' };
        await insertAgents(transaction, [{ ...agent, ...words, route: 'default', busyMode: 'queue' }]);
        await insertConnections(transaction, cipher, [
          {
            id: connectionIds[index] as string,
            tenantId,
            agentId,
            channel: 'widget',
            externalId: site.name,
            agentUserId: '',
            appId: '',
            status: 'active',
            settings: { allowedOrigins: [site.origin], ratePerMinute: 1_000, ...settings },
            credentials: { secret: site.secret },
          },
        ]);
      });
    }
  } finally {
    await database.destroy();
  }
}
