import type { Transaction } from 'kysely';
import type { App } from '../../../src/app.ts';
import type { AppOptions } from '../../../src/app-options.ts';
import type { ConnectionSettings, Credentials } from '../../../src/core/tenant.ts';
import { createDatabase } from '../../../src/db/create-database.ts';
import { createDatabasePool } from '../../../src/db/pool.ts';
import type { Database } from '../../../src/db/schema.ts';
import { withTenant } from '../../../src/db/with-tenant.ts';
import { silentLog } from '../silent-log.ts';
import { type ChannelInstallation, startChannelInstallation } from '../start-channel-installation.ts';
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

export interface WhatsAppInstallation extends ChannelInstallation<readonly [string, string]> {
  /** One more app, to which the platform sends nothing. */
  startWorker(options?: Partial<AppOptions>): Promise<App>;
  readonly whatsapp: WhatsAppServer;
  /** Of the app that was started last. */
  readonly url: () => string;
  inTenant<Result>(
    tenantId: string,
    work: (transaction: Transaction<Database>) => Promise<Result>,
  ): Promise<Result>;
  /** A person whom nobody has met yet. */
  newPerson(name?: string): Person;
  /** What a person reads of a number, oldest first. */
  texts(person: Person, phoneNumberId?: string): string[];
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
    const companyOf = (
      slug: string,
      { phoneNumberId, token }: typeof acmeNumber | typeof globexNumber,
      credentials: Credentials = {},
    ) => ({
      slug,
      externalId: phoneNumberId,
      credentials: { accessToken: token, ...credentials },
      settings: { ratePerMinute: 1_000, ...options.settings },
    });
    const companies = await startChannelInstallation({
      channel: 'whatsapp',
      companies: [companyOf('acme', acmeNumber, options.credentials), companyOf('globex', globexNumber)],
      platform: { signingSecret: APP_SECRET, handshakeToken: VERIFY_TOKEN, apiUrl: whatsapp.apiUrl },
      closing: closing.splice(0),
    });
    closing.push(() => companies.stop());
    const kysely = createDatabase(
      createDatabasePool({ url: companies.databaseUrl, name: 'test', size: 1, log: silentLog }),
    );
    closing.push(() => kysely.destroy());
    let url = '';
    let people = 0;
    const start = async (overrides: Partial<AppOptions> = {}): Promise<App> => {
      const app = await companies.startApp({ ...options.app, ...overrides });
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
      url: () => url,
      startApp: start,
      startWorker: (overrides = {}) => companies.startApp({ ...overrides, role: 'worker' }),
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
