import { randomUUID } from 'node:crypto';
import type { Transaction } from 'kysely';
import type { App } from '../../../src/app.ts';
import type { AppOptions } from '../../../src/app-options.ts';
import type { ConnectionSettings, Credentials } from '../../../src/core/tenant.ts';
import { createDatabase } from '../../../src/db/create-database.ts';
import { createDatabasePool } from '../../../src/db/pool.ts';
import type { Database } from '../../../src/db/schema.ts';
import { withTenant } from '../../../src/db/with-tenant.ts';
import { silentLog } from '../silent-log.ts';
import { startTwoCompanies, type TwoCompanies } from '../start-two-companies.ts';
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

export interface WhatsAppInstallation extends Omit<TwoCompanies, 'startApp'> {
  readonly whatsapp: WhatsAppServer;
  readonly connectionIds: readonly [string, string];
  /** Of the app that was started last. */
  readonly url: () => string;
  startApp(options?: Partial<AppOptions>): Promise<App>;
  inTenant<Result>(
    tenantId: string,
    work: (transaction: Transaction<Database>) => Promise<Result>,
  ): Promise<Result>;
  /** A person whom nobody has met yet. */
  newPerson(name?: string): Person;
  /** What a person reads of a number, oldest first. */
  texts(person: Person, phoneNumberId?: string): string[];
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
    const connectionIds = [randomUUID(), randomUUID()] as const;
    const connectionOf = (id: string, { phoneNumberId, token }: typeof acmeNumber | typeof globexNumber) => ({
      id,
      channel: 'whatsapp',
      externalId: phoneNumberId,
      credentials: { accessToken: token, ...(id === connectionIds[0] ? options.credentials : {}) },
      settings: { ratePerMinute: 1_000, ...options.settings },
    });
    const companies = await startTwoCompanies(
      [connectionOf(connectionIds[0], acmeNumber), connectionOf(connectionIds[1], globexNumber)],
      closing,
    );
    const kysely = createDatabase(
      createDatabasePool({ url: companies.databaseUrl, name: 'test', size: 1, log: silentLog }),
    );
    closing.push(() => kysely.destroy());
    let url = '';
    let people = 0;
    const start = async (overrides: Partial<AppOptions> = {}): Promise<App> => {
      const app = await companies.startApp({
        platforms: {
          whatsapp: { signingSecret: APP_SECRET, handshakeToken: VERIFY_TOKEN, apiUrl: whatsapp.apiUrl },
        },
        ...options.app,
        ...overrides,
      });
      url = app.url;
      for (const { phoneNumberId } of [acmeNumber, globexNumber]) {
        if (!(await whatsapp.subscribe(phoneNumberId, `${app.url}/whatsapp`, VERIFY_TOKEN)))
          throw new Error('The webhook was not taken.');
      }
      return app;
    };
    await start();
    return {
      ...companies,
      whatsapp,
      connectionIds,
      url: () => url,
      startApp: start,
      inTenant: (tenantId, work) => withTenant(kysely, tenantId, work),
      newPerson(name = 'Mara') {
        people += 1;
        return { phone: `1650555${1_000 + people}`, userId: `US.1349120865530274${1_000 + people}`, name };
      },
      texts: ({ phone, userId }, phoneNumberId = acmeNumber.phoneNumberId) =>
        whatsapp.shown
          .filter((each) => each.phoneNumberId === phoneNumberId && [phone, userId].includes(each.to))
          .map(({ body }) => textOf(body)),
      async idle() {
        await whatsapp.settled();
        await companies.idle();
        await whatsapp.settled();
      },
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
