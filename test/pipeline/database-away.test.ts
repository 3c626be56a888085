import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app.ts';
import { webhookSecret } from '../../src/channels/telegram/verify.ts';
import { makeInstallLink } from '../../src/core/install-link.ts';
import { SIGNING_SECRET } from '../support/signing-secret.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { startTcpProxy, type TcpProxy, throughProxy } from '../support/tcp-proxy.ts';
import {
  ACME_GROUP,
  acmeBot,
  mara,
  startTelegramInstallation,
  type TelegramInstallation,
} from '../support/telegram/start-telegram-installation.ts';

const PUBLIC_URL = 'https://konstruct.example.com';
let slack: Installation;
let telegram: TelegramInstallation;
let slackApp: App;
let telegramApp: App;
const proxies: TcpProxy[] = [];
beforeAll(async () => {
  slack = await startInstallation({ app: null });
  telegram = await startTelegramInstallation({ events: 'webhook', app: null });
  const apiUrl = slack.slackApiUrl;
  const values = { clientId: '123.456', clientSecret: 'client-secret' };
  slackApp = await slack.startApp({
    role: 'gateway',
    databaseUrl: await throughNewProxy(slack.databaseUrl),
    publicUrl: PUBLIC_URL,
    slack: { signingSecret: SIGNING_SECRET, apiUrl, values },
  });
  telegramApp = await telegram.startApp({
    role: 'gateway',
    databaseUrl: await throughNewProxy(telegram.databaseUrl),
  });
  // From now on both know their connections by heart.
  expect(await update({ poll: {} })).toMatchObject({ status: 200 });
  for (const proxy of proxies) await proxy.down();
});
afterAll(async () => {
  for (const proxy of proxies) await proxy.up();
  await slack?.stop();
  await telegram?.stop();
  for (const proxy of proxies) await proxy.close();
});

async function throughNewProxy(databaseUrl: string): Promise<string> {
  const { hostname, port } = new URL(databaseUrl);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  proxies.push(proxy);
  return throughProxy(databaseUrl, proxy);
}

let lastUpdate = 0;
/** Sends an update as Telegram does. */
async function update(
  content: object,
): Promise<{ status: number; code: unknown; retryAfter: string | null }> {
  lastUpdate += 1;
  const [connectionId] = telegram.connectionIds;
  const secret = webhookSecret({ botToken: acmeBot.token }, connectionId) ?? '';
  const response = await fetch(`${telegramApp.url}/telegram/${connectionId}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': secret },
    body: JSON.stringify({ update_id: lastUpdate, ...content }),
  });
  const text = await response.text();
  const code = text.startsWith('{') ? JSON.parse(text).error : null;
  return { status: response.status, code, retryAfter: response.headers.get('retry-after') };
}

const chat = { id: ACME_GROUP, type: 'supergroup' };
const date = Math.floor(Date.now() / 1_000);
const said = { message_id: 7, date, chat: { id: mara.id, type: 'private' }, from: mara, text: 'hello' };
const reaction = (emoji: string) => ({
  message_reaction: {
    chat,
    message_id: 7,
    user: mara,
    date,
    old_reaction: [],
    new_reaction: [{ type: 'emoji', emoji }],
  },
});

it.each([
  ['a message', { message: said }],
  ['an edit', { edited_message: { ...said, edit_date: date } }],
  ['a stop', reaction('🛑')],
  ['an opinion', reaction('👍')],
  [
    'that the bot was thrown out',
    { my_chat_member: { chat, date, new_chat_member: { status: 'kicked', user: acmeBot } } },
  ],
])('%s is refused while the database is away so that the platform sends it again', async (_what, content) => {
  expect(await update(content)).toEqual({ status: 503, code: 'database_unavailable', retryAfter: '1' });
});

it('who is about to connect a workspace while the database is away is told to come again, and not of a defect', async () => {
  const [tenant] = slack.tenants;
  if (tenant === undefined) throw new Error('There is no tenant.');
  const link = makeInstallLink(slack.cipher, 'slack', tenant, {
    publicUrl: PUBLIC_URL,
    path: '/slack/install',
    expiresAtMs: Date.now() + 3_600_000,
  });
  const response = await fetch(link.replace(PUBLIC_URL, slackApp.url));
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ error: 'database_unavailable' });
  expect(slack.log.lines.filter(({ event }) => event === 'request.failed')).toEqual([]);
});
