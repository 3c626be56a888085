import { afterEach, describe, expect, it } from 'vitest';
import { googleChat } from '../../src/channels/google-chat/index.ts';
import { mattermost } from '../../src/channels/mattermost/index.ts';
import { teams } from '../../src/channels/teams/index.ts';
import { telegram } from '../../src/channels/telegram/index.ts';
import { whatsapp } from '../../src/channels/whatsapp/index.ts';
import type { Channel } from '../../src/core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../src/core/channel-definition.ts';
import type { Credentials } from '../../src/core/tenant.ts';
import { startGoogleChatServer } from '../support/google-chat/start-google-chat-server.ts';
import { startMattermostServer } from '../support/mattermost/start-mattermost-server.ts';
import { recordingLog } from '../support/recording-log.ts';
import { startTeamsServer } from '../support/teams/start-teams-server.ts';
import { startTelegramServer } from '../support/telegram/start-telegram-server.ts';
import { startWhatsAppServer } from '../support/whatsapp/start-whatsapp-server.ts';

/** A platform that counts, and a conversation on it. */
interface Counting {
  readonly definition: ChannelDefinition;
  readonly options: Pick<ChannelOptions, 'apiUrl' | 'values'>;
  readonly externalId: string;
  readonly credentials: Credentials;
  readonly channelId: string;
  keepLimits(clock: () => number): void;
  /** What the conversation shows, in order. */
  texts(): readonly string[];
  close(): Promise<void>;
}

const { signal } = new AbortController();
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** More than the platform takes in its longest stretch of time, or in several of them. */
describe.each([
  ['Teams', startTeams, 1_900, 0],
  ['Telegram', startTelegram, 70, 0],
  ['WhatsApp', startWhatsApp, 170, 0],
  ['Mattermost', startMattermost, 400, 0],
  // Two at once are tried there, as most answers are a placeholder and an edit: in a row each but the first comes once too soon.
  ['Google Chat', startGoogleChat, 60, 59],
] as const)('%s, whose stand-in counts', (_name, start, messages, mayBeRefused) => {
  it(`gets ${messages} messages in a row as fast as it takes them`, async () => {
    const { post, refusals, texts } = await open(start);
    for (let number = 1; number <= messages; number += 1) await post(number, 'c');
    expect(texts()).toEqual(Array.from({ length: messages }, (_, index) => `m${index + 1}`));
    expect(refusals()).toBeLessThanOrEqual(mayBeRefused);
  }, 60_000);

  it('refuses what others send beside us, and gets all of ours when it is time', async () => {
    const { post, refusals, texts } = await open(start);
    const some = Math.min(messages, 160);
    // Each connection keeps the limits for itself; the platform counts them together.
    for (let number = 1; number <= some; number += 1) await post(number, `c${number}`);
    expect(texts()).toEqual(Array.from({ length: some }, (_, index) => `m${index + 1}`));
    expect(refusals()).toBeGreaterThan(0);
  }, 60_000);
});

async function open(start: () => Promise<Counting>) {
  const counting = await start();
  closing.push(() => counting.close());
  const { definition, options, externalId, credentials, channelId } = counting;
  const log = recordingLog();
  // Time goes on by waiting only: what hours take is over at once, and no slow machine keeps a limit by being slow.
  let nowMs = 1_000_000;
  const channel: Channel = definition.open({
    ...options,
    clock: () => nowMs,
    wallClock: Date.now,
    random: () => 0.5,
    async sleep(ms) {
      nowMs += ms;
    },
    log,
    maxWaitMs: 600_000,
  });
  closing.push(() => channel.close());
  counting.keepLimits(() => nowMs);
  return {
    texts: counting.texts,
    refusals: () => log.lines.filter(({ event }) => event.endsWith('.rate_limited')).length,
    post: (number: number, connectionId: string) =>
      channel.post(
        { connectionId, externalId, credentials },
        {
          target: { channelId, threadId: null },
          markdown: `m${number}`,
          marker: { deliveryId: String(number) },
        },
        signal,
      ),
  };
}

async function startTeams(): Promise<Counting> {
  const server = await startTeamsServer();
  const [appId, appPassword] = ['11111111-1111-4111-8111-111111111111', 'stand-in~password'];
  const externalId = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
  server.addApp({ appId, password: appPassword, name: 'Ada' });
  const channelId = '19:acme@thread.v2';
  const place = server.addConversation({
    id: channelId,
    type: 'groupChat',
    tenantId: externalId,
    apps: [appId],
  });
  const { apiUrl, loginUrl, openIdUrl } = server;
  return {
    definition: teams,
    options: { apiUrl, values: { loginUrl, openIdUrl } },
    externalId,
    credentials: { appId, appPassword },
    channelId,
    keepLimits: server.keepLimits,
    texts: () => [...place.messages.values()].map(({ shown }) => shown),
    close: () => server.close(),
  };
}

async function startTelegram(): Promise<Counting> {
  const botToken = '700001:AAH-acme_stand-in';
  const server = await startTelegramServer([{ token: botToken, username: 'ada_acme_bot' }]);
  const chat = server.addChat({ id: -1001, type: 'supergroup', title: 'Acme', bots: [botToken] });
  return {
    definition: telegram,
    options: { apiUrl: server.apiUrl },
    externalId: '700001',
    credentials: { botToken },
    channelId: '-1001',
    keepLimits: server.keepLimits,
    texts: () => [...chat.messages.values()].map(({ text = '' }) => text),
    close: () => server.close(),
  };
}

async function startWhatsApp(): Promise<Counting> {
  const phoneNumberId = '106540352242922';
  const accessToken = 'EAAacmestandin';
  const names = { displayNumber: '+1 555-078-3881', verifiedName: 'Acme' };
  const server = await startWhatsAppServer([
    { phoneNumberId, token: accessToken, appSecret: 'secret', ...names },
  ]);
  server.sendsStatuses = false;
  const mara = { phone: '16505551234', userId: 'US.13491208655302741918', name: 'Mara' };
  server.messageChange(phoneNumberId, mara, { type: 'text', text: { body: 'hi' } });
  return {
    definition: whatsapp,
    options: { apiUrl: server.apiUrl },
    externalId: phoneNumberId,
    credentials: { accessToken },
    channelId: mara.phone,
    keepLimits: server.keepLimits,
    texts: () => server.shown.map(({ body }) => String(body.body)),
    close: () => server.close(),
  };
}

async function startMattermost(): Promise<Counting> {
  const server = await startMattermostServer();
  const botToken = 'acmebottoken0standin000000';
  const ada = server.addUser({ username: 'ada', is_bot: true, token: botToken });
  const place = server.addChannel('O', [ada], server.addTeam('acme', [ada]));
  return {
    definition: mattermost,
    options: { apiUrl: '' },
    externalId: `${server.url.replace('http://', '')}/ada`,
    credentials: { serverUrl: server.url, botToken },
    channelId: place.id,
    keepLimits: server.keepLimits,
    texts: () => server.shown.map(({ message }) => message),
    close: () => server.close(),
  };
}

async function startGoogleChat(): Promise<Counting> {
  const server = await startGoogleChatServer();
  const project = '111111111111';
  const { serviceAccount } = server.addApp(project, 'Ada');
  const space = server.addSpace('ACME', 'SPACE', [project]);
  const { apiUrl, certsUrl, tokenUrl } = server;
  return {
    definition: googleChat,
    options: { apiUrl, values: { certsUrl, tokenUrl } },
    externalId: project,
    credentials: { serviceAccount, audience: project },
    channelId: 'spaces/ACME',
    keepLimits: server.keepLimits,
    texts: () => [...space.messages.values()].map(({ text }) => text),
    close: () => server.close(),
  };
}
