import { teams } from '../../src/channels/teams/index.ts';
import { startTeamsServer } from '../support/teams/start-teams-server.ts';
import { teamsBodies } from './bodies/teams-bodies.ts';
import { type ChannelHarness, impatient, type Operation, type Trouble } from './channel-harness.ts';

const acme = {
  appId: '11111111-1111-4111-8111-111111111111',
  password: 'acme~stand-in-password',
  tenantId: 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa',
  place: '19:acme@thread.tacv2',
};
const globex = {
  appId: '22222222-2222-4222-8222-222222222222',
  password: 'globex~stand-in-password',
  tenantId: 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb',
  place: '19:globex@thread.tacv2',
};
const methods = { post: 'POST', edit: 'PUT' } as const;

export async function startTeamsHarness(): Promise<ChannelHarness> {
  const server = await startTeamsServer();
  for (const { appId, password, tenantId, place } of [acme, globex]) {
    server.addApp({ appId, password, name: 'Ada' });
    server.addConversation({ id: place, type: 'channel', tenantId, apps: [appId] });
  }
  const { loginUrl, openIdUrl } = server;
  const channel = teams.open({ ...impatient(server.apiUrl), values: { loginUrl, openIdUrl } });
  const accessOf = (connectionId: string, { appId, password, tenantId }: typeof acme) => ({
    connectionId,
    externalId: tenantId,
    credentials: { appId, appPassword: password },
  });
  const own = server.conversation(acme.place);
  // For any activity: it vouches for the address that is called, and not for what is said.
  const authorization = `Bearer ${server.sign(acme.appId, { serviceUrl: server.apiUrl })}`;
  return {
    definition: teams,
    channel,
    access: accessOf('c1', acme),
    target: { channelId: acme.place, threadId: null },
    otherAccess: accessOf('c2', globex),
    otherTarget: { channelId: globex.place, threadId: null },
    bodies: teamsBodies.map(({ sample, ...kind }) => ({
      ...kind,
      sample: { ...(sample as object), serviceUrl: server.apiUrl },
    })),
    signed: ({ contentType, body }) => ({
      path: '/teams/messages',
      headers: { 'content-type': contentType, authorization },
      body,
    }),
    secret: acme.appId,
    nowMs: Date.now(),
    signsBody: false,
    proof: ['authorization'],
    request({ id, text, eventNumber }) {
      const activity = server.activity(own, acme.appId, {
        type: 'message',
        id: String(1_600_000_000_000 + id),
        timestamp: new Date(1_600_000_000_000 + eventNumber).toISOString(),
        from: { id: '29:mara', name: 'Mara', aadObjectId: '33333333-3333-4333-8333-333333333333' },
        text,
        textFormat: 'plain',
        attachments: [{ contentType: 'text/html', content: `<p>${text}</p>` }],
      });
      return {
        path: '/teams/messages',
        headers: {
          'content-type': 'application/json; charset=utf-8',
          authorization: `Bearer ${server.sign(acme.appId, activity)}`,
        },
        body: Buffer.from(JSON.stringify(activity)),
      };
    },
    refused: {
      access: accessOf('other', { ...acme, password: 'wrong~password' }),
      secret: 'wrong~password',
    },
    // A bot calls upon a person by an entity, which is never sent; and by no tag, because none but these is.
    pings: ({ text }) => text.match(/<(?!\/?(?:b|i|strike|code|pre|blockquote|a|br)\b)/g) ?? [],
    pingAttempts: ['<at>Mara</at>', '<at id="0">Mara</at>', '&lt;at>Mara</at>'],
    hurt(operation: Operation, trouble: Trouble) {
      const fault = { method: methods[operation], kind: trouble, remaining: 1, retryAfterSeconds: 3_600 };
      server.faults.push(fault);
    },
    standing: () => new Map([...own.messages].map(([id, { shown }]) => [id, shown])),
    async close() {
      channel.close();
      await server.close();
    },
  };
}
