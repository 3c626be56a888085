import { readMark } from '../../src/channels/discord/delivery-mark.ts';
import { discord } from '../../src/channels/discord/index.ts';
import { mentionsIn } from '../support/discord/check-message.ts';
import { LONG_LIMIT_SECONDS, startDiscordServer } from '../support/discord/start-discord-server.ts';
import { discordBodies } from './bodies/discord-bodies.ts';
import { type ChannelHarness, impatient, type Operation, type Trouble } from './channel-harness.ts';

const names = { post: 'create message', edit: 'edit message' } as const;

export async function startDiscordHarness(): Promise<ChannelHarness> {
  const server = await startDiscordServer();
  const ada = server.addApp({ name: 'Ada' });
  const gus = server.addApp({ name: 'Gus' });
  const mara = server.addUser('Mara');
  const acme = server.addChannel(server.addServer('Acme', [ada]));
  const globex = server.addChannel(server.addServer('Globex', [gus]));
  for (const channel of [acme, globex]) server.say(channel, { from: mara, text: 'Hello everybody.' });
  const channel = discord.open(impatient(server.apiUrl));
  const wrongToken = `${ada.token.slice(0, -3)}bad`;
  const interactionId = (id: number) => String(1_100_000_000_000_000_000n + BigInt(id));
  const nowMs = Date.now();
  return {
    definition: discord,
    channel,
    access: { connectionId: 'c1', externalId: ada.id, credentials: { botToken: ada.token } },
    target: { channelId: acme.id, threadId: null },
    otherAccess: { connectionId: 'c2', externalId: gus.id, credentials: { botToken: gus.token } },
    otherTarget: { channelId: globex.id, threadId: null },
    bodies: discordBodies.map(({ sample, ...kind }) => ({
      ...kind,
      sample: { ...(sample as object), application_id: ada.id },
    })),
    signed: ({ contentType, body }) => ({
      path: '/discord/interactions',
      headers: { ...server.signedBytes(ada, body), 'content-type': contentType },
      body,
    }),
    secret: ada.publicKey,
    nowMs,
    signsBody: true,
    proof: ['x-signature-ed25519', 'x-signature-timestamp'],
    request({ id, text }) {
      const token = `aW50ZXJhY3Rpb24${id}`;
      if (!server.world.interactions.has(token)) {
        const open = {
          appId: ada.id,
          channelId: acme.id,
          messageId: null,
          responseId: null,
          isPrivate: false,
        };
        server.world.interactions.set(token, { ...open, id: interactionId(id), answered: null });
      }
      const { headers, body } = server.signed(ada, {
        id: interactionId(id),
        application_id: ada.id,
        type: 2,
        token,
        version: 1,
        channel: { id: acme.id, type: 0, guild_id: acme.serverId },
        channel_id: acme.id,
        guild_id: acme.serverId,
        member: { user: mara, nick: null, roles: [] },
        app_permissions: '2248473465835073',
        data: { id: '1', name: 'ask', type: 1, options: [{ name: 'question', type: 3, value: text }] },
      });
      return { path: '/discord/interactions', headers, body: Buffer.from(body) };
    },
    refused: {
      access: { connectionId: 'other', externalId: ada.id, credentials: { botToken: wrongToken } },
      secret: wrongToken,
    },
    pings: ({ text }) => mentionsIn(text),
    pingAttempts: [
      '@everyone',
      '@here',
      `<@${mara.id}>`,
      `<@!${mara.id}>`,
      '<@&165511591545143296>',
      '`@everyone',
    ],
    hurt(operation: Operation, trouble: Trouble) {
      server.faults.push({
        name: names[operation],
        kind: trouble,
        remaining: 1,
        retryAfterSeconds: LONG_LIMIT_SECONDS,
      });
    },
    standing: () =>
      new Map(
        [...acme.messages.values()]
          .filter(({ author }) => author.id === ada.user.id)
          .map(({ id, content }) => [id, readMark(content).text.replaceAll(/\\([^0-9A-Za-z\s])/g, '$1')]),
      ),
    async close() {
      channel.close();
      await server.close();
    },
  };
}
