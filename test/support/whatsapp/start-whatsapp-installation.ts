import { randomBytes, randomUUID } from 'node:crypto';
import type { Transaction } from 'kysely';
import pg from 'pg';
import { type App, startApp } from '../../../src/app.ts';
import type { AppOptions } from '../../../src/app-options.ts';
import { createCipher } from '../../../src/core/cipher.ts';
import type { ConnectionSettings, Credentials } from '../../../src/core/tenant.ts';
import { createDatabase } from '../../../src/db/create-database.ts';
import { createDatabasePool } from '../../../src/db/pool.ts';
import type { Database } from '../../../src/db/schema.ts';
import { withTenant } from '../../../src/db/with-tenant.ts';
import { noJourneys } from '../../../src/telemetry/journeys.ts';
import { until } from '../conversation.ts';
import { createMigratedDatabase } from '../migrated-database.ts';
import { type ModelServer, startModelServer } from '../model-server.ts';
import { recordingLog } from '../recording-log.ts';
import { seedCompanies } from '../seed-companies.ts';
import { silentLog } from '../silent-log.ts';
import type { Person } from './graph-world.ts';
import { startWhatsAppServer, type WhatsAppServer } from './start-whatsapp-server.ts';

/** Two companies with a number each; the app at Meta is the installation's. */
export const APP_SECRET = 'installation-app-secret';
export const VERIFY_TOKEN = 'installation-verify-token';
export const acmeNumber = {
  phoneNumberId: '106540352242922',
  displayNumber: '+1 555-078-3881',
  verifiedName: 'Acme',
  token: 'EAAacmestandin',
  appSecret: APP_SECRET,
} as const;
export const globexNumber = {
  phoneNumberId: '106540352242933',
  displayNumber: '+1 555-078-3882',
  verifiedName: 'Globex',
  token: 'EAAglobexstandin',
  appSecret: APP_SECRET,
} as const;

export interface WhatsAppInstallation {
  readonly whatsapp: WhatsAppServer;
  readonly model: ModelServer;
  readonly log: ReturnType<typeof recordingLog>;
  readonly connectionIds: readonly [string, string];
  /** Of the app that was started last. */
  readonly url: () => string;
  startApp(options?: Partial<AppOptions>): Promise<App>;
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  inTenant<Result>(
    tenantId: string,
    work: (transaction: Transaction<Database>) => Promise<Result>,
  ): Promise<Result>;
  /** A person whom nobody has met yet. */
  newPerson(name?: string): Person;
  /** What a person reads of a number, oldest first. */
  texts(person: Person, phoneNumberId?: string): string[];
  idle(): Promise<void>;
  stop(): Promise<void>;
}

export interface WhatsAppInstallationOptions {
  readonly settings?: ConnectionSettings;
  /** Of the first connection, beside its access token. */
  readonly credentials?: Credentials;
  readonly app?: Partial<AppOptions>;
}

export async function startWhatsAppInstallation(
  options: WhatsAppInstallationOptions = {},
): Promise<WhatsAppInstallation> {
  const closing: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const whatsapp = await startWhatsAppServer([acmeNumber, globexNumber]);
    closing.push(() => whatsapp.close());
    const database = await createMigratedDatabase();
    closing.push(() => database.drop());
    const admin = new pg.Pool({ connectionString: database.url, max: 2 });
    admin.on('error', () => {});
    admin.on('connect', (client) => client.on('error', () => {}));
    closing.push(() => admin.end());
    const kysely = createDatabase(
      createDatabasePool({ url: database.url, name: 'test', size: 1, log: silentLog }),
    );
    closing.push(() => kysely.destroy());
    const model = await startModelServer();
    closing.push(() => model.close());
    const cipher = createCipher([randomBytes(32)]);
    const connectionIds = [randomUUID(), randomUUID()] as const;
    const connectionOf = (id: string, { phoneNumberId, token }: typeof acmeNumber | typeof globexNumber) => ({
      id,
      channel: 'whatsapp',
      externalId: phoneNumberId,
      credentials: { accessToken: token, ...(id === connectionIds[0] ? options.credentials : {}) },
      settings: { ratePerMinute: 1_000, ...options.settings },
    });
    await seedCompanies(database.url, cipher, model, [
      connectionOf(connectionIds[0], acmeNumber),
      connectionOf(connectionIds[1], globexNumber),
    ]);
    const log = recordingLog();
    const query = async (text: string, values: readonly unknown[] = []) =>
      (await admin.query(text, [...values])).rows as readonly Record<string, unknown>[];
    let url = '';
    let people = 0;
    const start = async (overrides: Partial<AppOptions> = {}): Promise<App> => {
      const app = await startApp({
        databaseUrl: database.url,
        role: 'all',
        host: '127.0.0.1',
        port: 0,
        cipher,
        slack: { signingSecret: null, apiUrl: 'http://127.0.0.1:9/api/' },
        platforms: {
          whatsapp: { signingSecret: APP_SECRET, handshakeToken: VERIFY_TOKEN, apiUrl: whatsapp.apiUrl },
        },
        providerKeys: {},
        workerConcurrency: 50,
        retentionDays: 365,
        ledgerRetentionDays: 365,
        version: 'test',
        log,
        journeys: noJourneys,
        ...options.app,
        ...overrides,
      });
      closing.push(() => app.stop());
      url = app.url;
      for (const { phoneNumberId } of [acmeNumber, globexNumber]) {
        if (!(await whatsapp.subscribe(phoneNumberId, `${app.url}/whatsapp`, VERIFY_TOKEN)))
          throw new Error('The webhook was not taken.');
      }
      return app;
    };
    await start();
    return {
      whatsapp,
      model,
      log,
      connectionIds,
      url: () => url,
      startApp: start,
      query,
      inTenant: (tenantId, work) => withTenant(kysely, tenantId, work),
      newPerson(name = 'Mara') {
        people += 1;
        return { phone: `1650555${1_000 + people}`, userId: `US.1349120865530274${1_000 + people}`, name };
      },
      texts: ({ phone, userId }, phoneNumberId = acmeNumber.phoneNumberId) =>
        whatsapp.shown
          .filter((each) => each.phoneNumberId === phoneNumberId && [phone, userId].includes(each.to))
          .map(({ body }) => textOf(body)),
      idle: () =>
        until('the queue is idle', async () => {
          await whatsapp.settled();
          const open = await query('select 1 from konstruct.conversations where ready_at is not null');
          return open.length === 0;
        }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What of a message is words: its text, or the text above its buttons. */
function textOf(message: Readonly<Record<string, unknown>>): string {
  if (typeof message.body === 'string') return message.body;
  return String((message.body as { readonly text?: unknown } | undefined)?.text ?? '');
}
