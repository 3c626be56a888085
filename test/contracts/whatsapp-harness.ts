import { whatsapp } from '../../src/channels/whatsapp/index.ts';
import { signed } from '../support/whatsapp/graph-world.ts';
import { startWhatsAppServer } from '../support/whatsapp/start-whatsapp-server.ts';
import { whatsappBodies } from './bodies/whatsapp-bodies.ts';
import { type ChannelHarness, impatient, type Operation, type Trouble } from './channel-harness.ts';

const SECRET = 'contract-app-secret';
const acme = {
  phoneNumberId: '106540352242922',
  displayNumber: '+1 555-078-3881',
  verifiedName: 'Acme',
  token: 'EAAacmestandin',
  appSecret: SECRET,
};
const globex = {
  ...acme,
  phoneNumberId: '106540352242933',
  verifiedName: 'Globex',
  token: 'EAAglobexstandin',
};
const mara = { phone: '16505551234', userId: 'US.13491208655302741918', name: 'Mara' };
const gus = { userId: 'DE.77711208655302741918', name: 'Gus' };

export async function startWhatsAppHarness(): Promise<ChannelHarness> {
  const server = await startWhatsAppServer([acme, globex]);
  server.sendsStatuses = false;
  // They have just written to one number each.
  server.messageChange(acme.phoneNumberId, mara, { type: 'text', text: { body: 'hi' } });
  server.messageChange(globex.phoneNumberId, gus, { type: 'text', text: { body: 'hi' } });
  const channel = whatsapp.open(impatient(server.apiUrl));
  const accessOf = (connectionId: string, { phoneNumberId, token }: typeof acme) => ({
    connectionId,
    externalId: phoneNumberId,
    credentials: { accessToken: token },
  });
  return {
    definition: whatsapp,
    channel,
    access: accessOf('c1', acme),
    target: { channelId: mara.phone, threadId: null },
    otherAccess: accessOf('c2', globex),
    otherTarget: { channelId: gus.userId, threadId: null },
    bodies: whatsappBodies,
    signed: ({ contentType, body }) => ({
      path: '/whatsapp',
      headers: { ...signed(body, SECRET), 'content-type': contentType },
      body,
    }),
    secret: SECRET,
    nowMs: Date.now(),
    signsBody: true,
    proof: ['x-hub-signature-256'],
    request: ({ id, text }) => {
      const { value } = server.messageChange(acme.phoneNumberId, mara, {
        id: `wamid.contract${id}`,
        timestamp: '1700000000',
        type: 'text',
        text: { body: text },
      });
      const change = {
        field: 'messages',
        value: {
          messaging_product: 'whatsapp',
          metadata: { display_phone_number: '15550783881', phone_number_id: acme.phoneNumberId },
          ...value,
        },
      };
      const body = JSON.stringify({
        object: 'whatsapp_business_account',
        entry: [{ id: '102290129340398', changes: [change] }],
      });
      return { path: '/whatsapp', headers: signed(body, SECRET), body: Buffer.from(body) };
    },
    refused: {
      access: { ...accessOf('other', acme), credentials: { accessToken: `${acme.token}bad` } },
      secret: `${acme.token}bad`,
    },
    // A number calls upon nobody but whom it writes to.
    pings: () => [],
    pingAttempts: ['@16505551234', '@everyone', '<@16505551234>'],
    hurt(_operation: Operation, trouble: Trouble) {
      if (trouble === 'cut_before') return; // only edits are hurt so
      server.faults.push({ kind: trouble, remaining: 1, retryAfterSeconds: 3_600 });
    },
    standing: () =>
      new Map(
        server.shown
          .filter(({ phoneNumberId }) => phoneNumberId === acme.phoneNumberId)
          .map(({ id, body }) => [id, String(body.body ?? '')]),
      ),
    async close() {
      channel.close();
      await server.close();
    },
  };
}
