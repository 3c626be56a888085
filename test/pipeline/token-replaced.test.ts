import { afterEach, expect, it } from 'vitest';
import { createCipher } from '../../src/core/cipher.ts';
import type { Credentials } from '../../src/core/tenant.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { withTenant } from '../../src/db/with-tenant.ts';
import { replaceCredentials } from '../../src/stores/connections.ts';
import { agentTexts, idle, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { silentLog } from '../support/silent-log.ts';
import { startInstallation } from '../support/start-installation.ts';
import { acmeNumber, startWhatsAppInstallation } from '../support/whatsapp/start-whatsapp-installation.ts';

let stop = async (): Promise<void> => {};
afterEach(() => stop());

interface OnDatabase {
  readonly databaseUrl: string;
  readonly masterKey: Buffer;
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
}

/** What `konstruct apply` stores. */
async function replaceToken(installation: OnDatabase, externalId: string, credentials: Credentials) {
  const { databaseUrl: url, masterKey } = installation;
  const [row] = await installation.query(
    'select tenant_id, id from konstruct.connections where external_id = $1',
    [externalId],
  );
  const connection = { tenantId: String(row?.tenant_id), id: String(row?.id) };
  const database = createDatabase(createDatabasePool({ url, name: 'apply', size: 1, log: silentLog }));
  await withTenant(database, connection.tenantId, (transaction) =>
    replaceCredentials(transaction, createCipher([masterKey]), connection, credentials),
  );
  await database.destroy();
}

it('while the agent works is the one that its answer is sent with, and nothing is disabled', async () => {
  // No attempts to spare: a turn that has to take another token has not failed.
  const timing = { deliveryRetryDelaysMs: [], modelRetryDelaysMs: [] };
  const installation = await startWhatsAppInstallation({ app: { timing } });
  stop = installation.stop;
  const { whatsapp, model, log, query } = installation;
  const { phoneNumberId } = acmeNumber;
  const released = Promise.withResolvers<void>();
  model.respond(async () => {
    await released.promise;
    return 'The answer.';
  });
  const mara = installation.newPerson();
  await whatsapp.say(phoneNumberId, mara, 'hi');
  await until('the model is asked', () => model.requests.length > 0);
  whatsapp.number(phoneNumberId).token = 'EAAnew';
  await replaceToken(installation, phoneNumberId, { accessToken: 'EAAnew' });
  released.resolve();
  await installation.idle();
  expect(installation.texts(mara)).toEqual(['The answer.']);
  expect(model.requests).toHaveLength(1);
  expect(await query('select status, error_code, attempts from konstruct.turns')).toEqual([
    { status: 'answered', error_code: null, attempts: 0 },
  ]);
  expect(await query(`select 1 from konstruct.connections where status = 'disabled'`)).toEqual([]);
  expect(log.lines.map(({ event }) => event)).not.toContain('connection.disabled');
  const tomas = installation.newPerson('Tomas');
  await whatsapp.say(phoneNumberId, tomas, 'hello?');
  await installation.idle();
  expect(installation.texts(tomas)).toEqual(['The answer.']);
});

it('before the placeholder is sent, whatever the platform’s word for a refused token: both are sent with the new one', async () => {
  const timing = { deliveryRetryDelaysMs: [], modelRetryDelaysMs: [] };
  const installation = await startInstallation({ app: { timing } });
  stop = installation.stop;
  const { simulator, model, query } = installation;
  model.respond(() => 'The answer.');
  simulator.faults.update({
    faults: [{ kind: 'api_rate_limited', method: 'chat.postMessage', retryAfterSeconds: 1, remaining: 1 }],
  });
  const sent = await simulator.say({
    workspaceId: acme.workspaceId,
    channelId: acme.general,
    userId: acme.mara,
    text: `<@${acme.agent}> hello`,
  });
  await until('the placeholder waits', () => simulator.faults.plan().faults.length === 0);
  // As if the one that the turn was claimed with were another by now.
  simulator.faults.update({
    faults: [{ kind: 'api_error', method: 'chat.postMessage', error: 'invalid_auth', remaining: 1 }],
  });
  const [row] = await query('select id from konstruct.connections where external_id = $1', [
    acme.workspaceId,
  ]);
  expect(row).toBeDefined();
  await replaceToken(installation, acme.workspaceId, {
    botToken: installation.tenants[0]?.workspace.botToken ?? '',
  });
  await until('it is answered', () => agentTexts(installation, sent).includes('The answer.'));
  await idle(installation);
  expect(agentTexts(installation, sent)).toEqual(['The answer.']);
  expect(await query('select status, attempts from konstruct.turns')).toEqual([
    { status: 'answered', attempts: 0 },
  ]);
});
