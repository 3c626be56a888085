import { afterAll, beforeAll, expect, it } from 'vitest';
import { slack } from '../src/channels/slack/index.ts';
import { slackManifest } from '../src/channels/slack/manifest.ts';
import { telegram } from '../src/channels/telegram/index.ts';
import { systemTime } from '../src/system-time.ts';
import { silentLog } from './support/silent-log.ts';
import { startTelegramServer, type TelegramServer } from './support/telegram/start-telegram-server.ts';

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

it('the doctor says of a Slack token which feature lacks which scope, and what the agent needs at all', async () => {
  const channel = slack.open({ apiUrl: 'http://127.0.0.1:1/api/', ...systemTime, log: silentLog });
  const place = { externalId: 'T1', agentUserId: 'U1', name: 'Acme' };
  const of = async (scopes: readonly string[]) => {
    const known = { connectionId: 'c', externalId: 'T1', credentials: { botToken: 'xoxb-1' } };
    const environment = { webhookUrl: null, hasSharedSecret: true };
    const found = await channel.examine(known, { ...place, scopes }, environment, signal);
    return found.map(({ level, text }) => `${level}: ${text}`);
  };
  const { bot } = slackManifest({ publicUrl: null, name: 'Ada' }).oauth_config.scopes;
  expect(await of(bot)).toEqual([]);
  expect(await of(bot.filter((scope) => !['files:read', 'chat:write'].includes(scope)))).toEqual([
    'problem: the token lacks the scopes chat:write.',
    'warning: it cannot read files that people attach without the scope files:read.',
  ]);
  channel.close();
});
