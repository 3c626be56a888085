import { afterAll, beforeAll, expect, it } from 'vitest';
import { mattermost } from '../src/channels/mattermost/index.ts';
import { slack } from '../src/channels/slack/index.ts';
import { slackManifest } from '../src/channels/slack/manifest.ts';
import { telegram } from '../src/channels/telegram/index.ts';
import { whatsapp } from '../src/channels/whatsapp/index.ts';
import { widget } from '../src/channels/widget/index.ts';
import type { ConnectionSettings } from '../src/core/tenant.ts';
import { systemTime } from '../src/system-time.ts';
import { startMattermostServer } from './support/mattermost/start-mattermost-server.ts';
import { silentLog } from './support/silent-log.ts';
import { startTelegramServer, type TelegramServer } from './support/telegram/start-telegram-server.ts';
import { startWhatsAppServer } from './support/whatsapp/start-whatsapp-server.ts';

const bot = { token: '700001:AAH-stand_in', username: 'ada_bot' };
const access = { connectionId: 'c', externalId: '700001', credentials: { botToken: bot.token } };
const identity = { externalId: '700001', agentUserId: 'ada_bot', name: 'Ada', scopes: null };
const ours = 'https://konstruct.example.com/telegram/c';
const { signal } = new AbortController();
let server: TelegramServer;
beforeAll(async () => {
  server = await startTelegramServer([bot]);
});
afterAll(() => server.close());

async function findings(webhookUrl: string | null): Promise<readonly string[]> {
  const channel = telegram.open({ apiUrl: server.apiUrl, ...systemTime, log: silentLog });
  const found = await channel.examine(access, identity, { webhookUrl, hasSharedSecret: false }, signal);
  channel.close();
  return found.map(({ level, text }) => `${level}: ${text}`);
}

it('the doctor says of a Telegram bot what it sees in groups, and whether its messages come here', async () => {
  const privacy = 'ok: in groups it sees mentions, commands and replies to itself (privacy mode).';
  expect(await findings(null)).toEqual([privacy]);
  expect(await findings(ours)).toEqual([privacy, 'problem: Telegram does not send its messages here.']);
  server.bot(bot.token).webhook = { url: 'https://other.example.com/x', secret: 's' };
  expect(await findings(ours)).toEqual([privacy, 'problem: Telegram sends its messages to another address.']);
  expect(await findings(null)).toEqual([
    privacy,
    'warning: Telegram sends its messages to a webhook, so none can be fetched.',
  ]);
});

it('the doctor says what Telegram could not deliver, and how much waits', async () => {
  const known = server.bot(bot.token);
  known.webhook = { url: ours, secret: 's' };
  known.lastError = { date: Math.floor(Date.now() / 1000), message: 'SSL error' };
  for (let update = 0; update < 100; update += 1) known.pending.push({ update_id: update });
  expect((await findings(ours)).slice(1)).toEqual([
    'warning: Telegram could not deliver a message lately: SSL error.',
    'warning: 100 updates wait at Telegram.',
  ]);
});

it('the doctor says of a WhatsApp number which secret is missing, whether its messages come here, and how it is', async () => {
  const number = {
    phoneNumberId: '106540352242922',
    displayNumber: '+1 555-078-3881',
    verifiedName: 'Acme',
    token: 'EAAstandin',
    appSecret: 's',
  };
  const graph = await startWhatsAppServer([number]);
  const channel = whatsapp.open({ apiUrl: graph.apiUrl, ...systemTime, log: silentLog });
  const webhookUrl = 'https://konstruct.example.com/whatsapp/c';
  const examined = async (credentials: Record<string, string>, hasSharedSecret: boolean) => {
    const whose = {
      connectionId: 'c',
      externalId: number.phoneNumberId,
      credentials: { accessToken: number.token, ...credentials },
    };
    const who = await channel.identify(whose, signal);
    expect(who).toMatchObject({ externalId: number.phoneNumberId, agentUserId: '15550783881', name: 'Acme' });
    const found = await channel.examine(whose, who, { webhookUrl, hasSharedSecret }, signal);
    return found.map(({ level, text, remedy }) => [`${level}: ${text}`, remedy] as const);
  };
  const [secret, webhook] = await examined({}, false);
  expect(secret?.[0]).toBe('problem: there is no app secret, so everything WhatsApp sends is refused.');
  expect(webhook?.[0]).toBe('problem: WhatsApp does not send its messages here.');
  expect(webhook?.[1]).toContain('https://konstruct.example.com/whatsapp and');
  expect((await examined({ appSecret: 's' }, false)).map(([text]) => text)).toEqual([
    'warning: it has an appSecret of its own and no verifyToken, so Meta cannot check its own address.',
    'problem: WhatsApp does not send its messages here.',
  ]);
  Object.assign(graph.number(number.phoneNumberId), {
    webhookUrl: 'https://konstruct.example.com/whatsapp',
    status: 'FLAGGED',
    qualityRating: 'RED',
  });
  expect((await examined({}, true)).map(([text]) => text)).toEqual([
    'ok: WhatsApp sends its messages here.',
    'problem: the number is flagged at WhatsApp.',
    'warning: people block or report the number; WhatsApp may restrict it.',
  ]);
  channel.close();
  await graph.close();
});

it('the doctor says what a WhatsApp token may not do, when it ends, and that its app hears nothing of the number', async () => {
  const seed = {
    phoneNumberId: '106540352242922',
    displayNumber: '+1 555-078-3881',
    verifiedName: 'Acme',
    token: 'EAAstandin',
    appSecret: 's',
  };
  const graph = await startWhatsAppServer([seed]);
  const channel = whatsapp.open({ apiUrl: graph.apiUrl, ...systemTime, log: silentLog });
  const whose = {
    connectionId: 'c',
    externalId: seed.phoneNumberId,
    credentials: { accessToken: seed.token },
  };
  const examined = async (change: object) => {
    Object.assign(graph.number(seed.phoneNumberId), change);
    const who = await channel.identify(whose, signal);
    const environment = { webhookUrl: null, hasSharedSecret: true };
    return (await channel.examine(whose, who, environment, signal)).map(
      ({ level, text }) => `${level}: ${text}`,
    );
  };
  const messaging = 'whatsapp_business_messaging';
  const management = 'whatsapp_business_management';
  expect(await examined({})).toEqual([]);
  expect(await examined({ isSubscribed: false, tokenExpiresAt: 1_800_000_000 })).toEqual([
    'warning: the token ends at 2027-01-15T08:00:00.000Z.',
    `problem: its app is not subscribed to the number's WhatsApp account 9${seed.phoneNumberId}, so Meta sends nothing here.`,
  ]);
  expect(await examined({ isSubscribed: true, tokenExpiresAt: 0, scopes: [management] })).toEqual([
    `problem: the token lacks the permission ${messaging}: nothing can be sent, and nothing comes.`,
  ]);
  expect(await examined({ scopes: [messaging] })).toEqual([
    `warning: the token lacks the permission ${management}, so nobody can look whether its app hears of the number.`,
  ]);
  channel.close();
  await graph.close();
});

it('the doctor says of a web chat which tag it has, and why browsers would not show it', async () => {
  const channel = widget.open({ apiUrl: '', ...systemTime, log: silentLog });
  const examined = async (secret: string, webhookUrl: string | null, settings: ConnectionSettings) => {
    const chat = { connectionId: 'c', externalId: 'acme-site', credentials: { secret } };
    const environment = { webhookUrl, hasSharedSecret: false, settings };
    const found = await channel.examine(chat, await channel.identify(chat, signal), environment, signal);
    return found.map(({ level, text }) => `${level}: ${text}`);
  };
  const secret = 'x'.repeat(32);
  const url = 'https://konstruct.example.com/widget/c';
  expect(await examined(secret, url, { allowedOrigins: ['https://acme.example'] })).toEqual([
    'ok: it takes only visitors for whom the site vouches with a signed identity.',
    'ok: the tag is <script src="https://konstruct.example.com/widget.js" data-connection="acme-site" async></script>.',
  ]);
  const plain = 'http://konstruct.example.com/widget/c';
  expect(
    await examined('short', plain, { allowedOrigins: ['http://acme.example'], allowAnonymous: true }),
  ).toEqual([
    expect.stringContaining('problem: its secret has fewer than 32 characters'),
    expect.stringContaining('warning: http://acme.example is not encrypted'),
    expect.stringContaining('problem: browsers do not load it into https pages'),
    expect.stringContaining('ok: it takes visitors whom the site does not know'),
    expect.stringContaining('ok: the tag is'),
  ]);
  const alone = await examined(secret, null, { allowedOrigins: [] });
  expect(alone.slice(0, 2)).toEqual([
    'warning: no site may show it but pages of this installation.',
    'warning: only browsers on this machine find it.',
  ]);
});

it('the doctor says of a Slack token which feature lacks which scope, what the agent needs at all, and which addresses its app has to have', async () => {
  const channel = slack.open({ apiUrl: 'http://127.0.0.1:1/api/', ...systemTime, log: silentLog });
  const place = { externalId: 'T1', agentUserId: 'U1', name: 'Acme' };
  const of = async (
    scopes: readonly string[],
    webhookUrl: string | null = null,
    credentials: Readonly<Record<string, string>> = {},
    settings: ConnectionSettings = {},
  ) => {
    const known = {
      connectionId: 'c',
      externalId: 'T1',
      credentials: { botToken: 'xoxb-1', ...credentials },
    };
    const environment = { webhookUrl, hasSharedSecret: true, settings };
    const found = await channel.examine(known, { ...place, scopes }, environment, signal);
    return found.map(({ level, text }) => `${level}: ${text}`);
  };
  const { bot } = slackManifest({ publicUrl: null, name: 'Ada' }).oauth_config.scopes;
  expect(await of(bot)).toEqual([]);
  expect(await of(bot.filter((scope) => !['files:read', 'chat:write'].includes(scope)))).toEqual([
    'problem: the token lacks the scopes chat:write.',
    'warning: it cannot read files that people attach without the scope files:read.',
  ]);
  const base = 'https://konstruct.example.com/slack';
  const url = `${base}/events/c`;
  const addresses = (own: string) =>
    `ok: over HTTP, its app at Slack has to have the request URLs ${base}/events${own} (Event Subscriptions), ${base}/interactions${own} (Interactivity) and ${base}/commands${own} (Slash Commands).`;
  expect(await of(bot, url)).toEqual([addresses('')]);
  expect(await of(bot, url, { signingSecret: 's' })).toEqual([addresses('/c')]);
  expect(await of(bot, url, { appToken: 'xapp-1' })).toEqual([]);
  expect(await of(bot, url, {}, { simulated: true })).toEqual([]);
  channel.close();
});

it('the doctor says of a Mattermost bot where it is, what its server takes, and what cannot reach us', async () => {
  const chat = await startMattermostServer();
  const ada = chat.addUser({ username: 'ada', is_bot: true, token: 'adabottoken0standin0000000' });
  const channel = mattermost.open({ apiUrl: '', ...systemTime, log: silentLog });
  const examined = async (credentials: Record<string, string>, webhookUrl: string | null) => {
    const whose = {
      connectionId: 'c',
      externalId: 'x',
      credentials: { serverUrl: chat.url, botToken: 'adabottoken0standin0000000', ...credentials },
    };
    const who = await channel.identify(whose, signal);
    expect(who.externalId).toBe(`${chat.url.replace('http://', '')}/${who.agentUserId}`);
    const found = await channel.examine(whose, who, { webhookUrl, hasSharedSecret: false }, signal);
    return found.map(({ level, text }) => `${level}: ${text}`);
  };
  const plain = 'warning: its token and all messages go over the network unencrypted (http).';
  const written =
    'warning: choices are written out instead of shown as buttons: nobody has told Konstruct its address.';
  expect(await examined({}, null)).toEqual([
    plain,
    'problem: the bot is in no team, so nobody can mention it.',
    written,
  ]);
  const team = chat.addTeam('acme', [ada]);
  chat.addChannel('D', [ada]);
  expect(await examined({ webhookToken: 't' }, null)).toEqual([
    plain,
    'warning: the bot is in no channel: it hears direct messages only.',
    'problem: its outgoing webhooks lead nowhere.',
    written,
  ]);
  chat.addChannel('O', [ada], team);
  Object.assign(chat.world.config, { MaxPostSize: '4000', MaxFileSize: String(50 * 1024 * 1024) });
  expect(await examined({ webhookToken: 't' }, 'https://konstruct.example.com/mattermost/c')).toEqual([
    plain,
    'ok: it is in 1 channel.',
    'problem: its server takes posts of 4000 characters only.',
    'ok: its server takes files of up to 50 MB.',
    expect.stringMatching(
      /^ok: buttons and outgoing webhooks lead to https:\/\/konstruct\.example\.com\/mattermost\/c; .*AllowedUntrustedInternalConnections names konstruct\.example\.com\.$/,
    ),
  ]);
  const mara = chat.addUser({ username: 'mara', token: 'maratoken0standin000000000' });
  chat.world.teams.get(team)?.members.add(mara.id);
  expect(await examined({ botToken: 'maratoken0standin000000000' }, null)).toContain(
    'warning: the token is that of a person’s account and not of a bot.',
  );
  channel.close();
  await chat.close();
});
