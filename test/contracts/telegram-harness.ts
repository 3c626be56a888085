import { telegram } from '../../src/channels/telegram/index.ts';
import { mentionsIn } from '../support/telegram/mentions-in.ts';
import { startTelegramServer } from '../support/telegram/start-telegram-server.ts';
import type { Entity } from '../support/telegram/telegram-world.ts';
import { telegramBodies } from './bodies/telegram-bodies.ts';
import { type ChannelHarness, impatient, type Operation, type Trouble } from './channel-harness.ts';

const acme = { token: '700001:AAH-acme_stand-in', username: 'ada_acme_bot' };
const globex = { token: '700002:AAH-globex_stand-in', username: 'gus_globex_bot' };
const ACME_CHAT = -1001;
const GLOBEX_CHAT = -1002;
const methods = { post: 'sendMessage', edit: 'editMessageText' } as const;

export async function startTelegramHarness(): Promise<ChannelHarness> {
  const server = await startTelegramServer([acme, globex]);
  const own = server.addChat({ id: ACME_CHAT, type: 'supergroup', title: 'Acme', bots: [acme.token] });
  const other = server.addChat({
    id: GLOBEX_CHAT,
    type: 'supergroup',
    title: 'Globex',
    bots: [globex.token],
  });
  own.shutOut.set(700002, 'bot is not a member of the supergroup chat');
  other.shutOut.set(700001, 'bot is not a member of the supergroup chat');
  const channel = telegram.open(impatient(server.apiUrl));
  const access = { connectionId: 'c1', externalId: '700001', credentials: { botToken: acme.token } };
  const secret = channel.connectionSecret(access.connectionId, access.credentials) ?? '';
  return {
    definition: telegram,
    channel,
    access,
    target: { channelId: String(ACME_CHAT), threadId: null },
    otherAccess: { connectionId: 'c2', externalId: '700002', credentials: { botToken: globex.token } },
    otherTarget: { channelId: String(GLOBEX_CHAT), threadId: null },
    bodies: telegramBodies,
    signed: ({ contentType, body }) => ({
      path: '/telegram',
      headers: { 'content-type': contentType, 'x-telegram-bot-api-secret-token': secret },
      body,
    }),
    secret,
    nowMs: Date.now(),
    signsBody: false,
    proof: ['x-telegram-bot-api-secret-token'],
    request: ({ id, text, eventNumber }) => ({
      path: '/telegram',
      headers: { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': secret },
      body: Buffer.from(
        JSON.stringify({
          update_id: eventNumber,
          message: {
            message_id: id,
            from: { id: 11, is_bot: false, first_name: 'Mara', username: 'mara', language_code: 'en' },
            chat: { id: ACME_CHAT, type: 'supergroup', title: 'Acme' },
            date: 1_700_000_000,
            text,
            entities: [{ type: 'bold', offset: 0, length: 5 }],
          },
        }),
      ),
    }),
    refused: {
      access: {
        connectionId: 'other',
        externalId: '700001',
        credentials: { botToken: `${acme.token.slice(0, -3)}bad` },
      },
      secret: `${acme.token.slice(0, -3)}bad`,
    },
    // A bot calls upon a person by an entity, or by @name in what is no code.
    pings: (formatted) => [
      ...((formatted as Partial<{ entities: readonly Entity[] }>).entities ?? [])
        .map(({ type }) => type)
        .filter((type) => type.includes('mention')),
      ...mentionsIn(formatted),
    ],
    pingAttempts: ['[x](tg://user?id=11)', '<a href="tg://user?id=11">x</a>', '@tom', ' @tom_k '],
    hurt(operation: Operation, trouble: Trouble) {
      server.faults.push({
        method: methods[operation],
        kind: trouble,
        remaining: 1,
        retryAfterSeconds: 3_600,
      });
    },
    standing: () => new Map([...own.messages].map(([id, { text }]) => [String(id), text ?? ''])),
    async close() {
      channel.close();
      await server.close();
    },
  };
}
