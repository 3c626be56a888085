import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  APP_SECRET,
  acmeNumber,
  globexNumber,
  startWhatsAppInstallation,
  VERIFY_TOKEN,
  type WhatsAppInstallation,
} from '../support/whatsapp/start-whatsapp-installation.ts';

const OWN_SECRET = 'acme-app-secret';
const ACME = acmeNumber.phoneNumberId;
const GLOBEX = globexNumber.phoneNumberId;
const text = (body: string) => ({ type: 'text', text: { body } });

/** Acme has an app of its own at Meta; Globex uses the installation's. */
let installation: WhatsAppInstallation;
beforeAll(async () => {
  installation = await startWhatsAppInstallation({
    credentials: { appSecret: OWN_SECRET, verifyToken: 'acme-verify-token' },
  });
  installation.whatsapp.number(ACME).appSecret = OWN_SECRET;
  installation.model.respond(() => 'Hello.');
});
afterAll(() => installation.stop());

it('a company’s own app is checked and heard at its own address, with its own secrets only', async () => {
  const { whatsapp, url, connectionIds } = installation;
  const own = `${url()}/whatsapp/${connectionIds[0]}`;
  expect(await whatsapp.subscribe(ACME, own, VERIFY_TOKEN)).toBe(false);
  expect(await whatsapp.subscribe(ACME, own, 'acme-verify-token')).toBe(true);
  const mara = installation.newPerson();
  const change = whatsapp.messageChange(ACME, mara, text('hi'));
  expect(await whatsapp.post(own, [change], APP_SECRET)).toBe(401);
  expect(await whatsapp.post(own, [change])).toBe(200);
  await installation.idle();
  expect(installation.texts(mara)).toEqual(['Hello.']);
});

it('on the shared address it is heard with its own secret, however many messages come at once', async () => {
  const { whatsapp, url } = installation;
  const [mara, tomas] = [installation.newPerson(), installation.newPerson('Tomas')];
  const changes = [
    whatsapp.messageChange(ACME, mara, text('one')),
    whatsapp.messageChange(ACME, tomas, text('two')),
  ];
  expect(await whatsapp.post(`${url()}/whatsapp`, changes, APP_SECRET)).toBe(401);
  expect(await whatsapp.post(`${url()}/whatsapp`, changes)).toBe(200);
  await installation.idle();
  expect([installation.texts(mara), installation.texts(tomas)]).toEqual([['Hello.'], ['Hello.']]);
});

it('its secret speaks for nobody else, not even beside its own messages', async () => {
  const { whatsapp, url, log } = installation;
  const [mara, gus] = [installation.newPerson(), installation.newPerson('Gus')];
  const changes = [
    whatsapp.messageChange(ACME, mara, text('mine')),
    whatsapp.messageChange(GLOBEX, gus, text('forged')),
  ];
  expect(await whatsapp.post(`${url()}/whatsapp`, changes, OWN_SECRET)).toBe(200);
  await whatsapp.post(`${url()}/whatsapp`, [...changes].reverse(), OWN_SECRET);
  await installation.idle();
  expect(installation.texts(mara)).toEqual(['Hello.']);
  expect(installation.texts(gus, GLOBEX)).toEqual([]);
  expect(await installation.query('select 1 from konstruct.messages where content = $1', ['forged'])).toEqual(
    [],
  );
  expect(log.lines.some(({ event }) => event === 'event.unknown_installation')).toBe(true);
});

it('of many messages in one request those of other companies are answered although one cannot be taken', async () => {
  const { whatsapp, url, connectionIds, log, query } = installation;
  const [mara, gus] = [installation.newPerson(), installation.newPerson('Gus')];
  const changes = [
    whatsapp.messageChange(ACME, mara, text('cannot be taken')),
    whatsapp.messageChange(GLOBEX, gus, text('hi')),
  ];
  const sealed = await query('select credentials from konstruct.connections where id = $1', [
    connectionIds[0],
  ]);
  const store = (credentials: unknown) =>
    query('update konstruct.connections set credentials = $1 where id = $2', [credentials, connectionIds[0]]);
  await store(Buffer.from('sealed with a key that is lost'));
  try {
    // Once the change is known: until then it is refused (401).
    await expect.poll(() => whatsapp.post(`${url()}/whatsapp`, changes, APP_SECRET)).toBe(500);
    await installation.idle();
    expect(installation.texts(gus, GLOBEX)).toEqual(['Hello.']);
    const failed = { externalIds: [ACME], type: 'message', code: 'credentials_unreadable' };
    expect(log.lines).toContainEqual(
      expect.objectContaining({ event: 'event.failed', fields: expect.objectContaining(failed) }),
    );
  } finally {
    await store(sealed[0]?.credentials);
  }
});
