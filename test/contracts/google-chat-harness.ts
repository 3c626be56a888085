import { googleChat } from '../../src/channels/google-chat/index.ts';
import { startGoogleChatServer } from '../support/google-chat/start-google-chat-server.ts';
import { googleChatBodies } from './bodies/google-chat-bodies.ts';
import { type ChannelHarness, impatient, type Operation, type Trouble } from './channel-harness.ts';

const ACME = '111111111111';
const GLOBEX = '222222222222';
const methods = { post: 'POST', edit: 'PATCH' } as const;
const mara = { name: 'users/31', displayName: 'Mara', type: 'HUMAN' } as const;

export async function startGoogleChatHarness(): Promise<ChannelHarness> {
  const server = await startGoogleChatServer();
  const [acme, globex] = [server.addApp(ACME, 'Ada'), server.addApp(GLOBEX, 'Gus')];
  const own = server.addSpace('ACME', 'SPACE', [ACME]);
  server.addSpace('GLOBEX', 'SPACE', [GLOBEX]);
  const { certsUrl, tokenUrl } = server;
  const channel = googleChat.open({
    ...impatient(server.apiUrl),
    maxWaitMs: 4_000,
    values: { certsUrl, tokenUrl },
  });
  const accessOf = (connectionId: string, externalId: string, serviceAccount: string) => ({
    connectionId,
    externalId,
    credentials: { serviceAccount, audience: externalId },
  });
  const file = JSON.parse(acme.serviceAccount) as { private_key: string };
  const authorization = `Bearer ${server.sign(acme)}`;
  return {
    definition: googleChat,
    channel,
    access: accessOf('c1', ACME, acme.serviceAccount),
    target: { channelId: 'spaces/ACME', threadId: null },
    otherAccess: accessOf('c2', GLOBEX, globex.serviceAccount),
    otherTarget: { channelId: 'spaces/GLOBEX', threadId: null },
    bodies: googleChatBodies,
    signed: ({ contentType, body }) => ({
      path: '/google-chat',
      headers: { 'content-type': contentType, authorization },
      body,
    }),
    secret: ACME,
    nowMs: Date.now(),
    signsBody: false,
    proof: ['authorization'],
    request({ id, text, eventNumber }) {
      const event = {
        type: 'MESSAGE',
        eventTime: new Date(1_700_000_000_000 + eventNumber).toISOString(),
        user: mara,
        space: { name: 'spaces/ACME', type: 'ROOM', spaceType: 'SPACE' },
        message: {
          name: `spaces/ACME/messages/T1.M${id}`,
          sender: mara,
          createTime: '2026-01-01T00:00:00.000000Z',
          text,
          argumentText: text,
          thread: { name: 'spaces/ACME/threads/T1' },
        },
      };
      return {
        path: '/google-chat',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${server.sign(acme)}` },
        body: Buffer.from(JSON.stringify(event)),
      };
    },
    refused: {
      // The key of another account.
      access: accessOf('other', ACME, JSON.stringify({ ...file, private_key: globex.key.privatePem })),
      secret: globex.key.privatePem.slice(60, 120),
    },
    // In code Chat reads nothing; outside of it `<users/…>` is a mention.
    pings: ({ text }) => text.replaceAll(/```[\s\S]*?```|`[^`\n]+`/g, '').match(/<users\/[^>]*>/gi) ?? [],
    pingAttempts: ['<users/all>', '<users/31>', '`<users/all>', '<USERS/all>'],
    hurt(operation: Operation, trouble: Trouble) {
      const fault = { method: methods[operation], kind: trouble, remaining: 1, retryAfterSeconds: 3_600 };
      server.faults.push(fault);
    },
    standing: () => new Map([...own.messages].map(([id, { text }]) => [id, text])),
    async close() {
      channel.close();
      await server.close();
    },
  };
}
