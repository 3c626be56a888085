import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { App } from '../../../src/app.ts';
import type { AppOptions } from '../../../src/app-options.ts';
import type { ConnectionSettings } from '../../../src/core/tenant.ts';
import { until } from '../conversation.ts';
import { type ChannelInstallation, startChannelInstallation } from '../start-channel-installation.ts';
import { startTelegramServer, type TelegramServer } from './start-telegram-server.ts';
import type { Message, User } from './telegram-world.ts';

/** Two companies with a bot each, in one group of their own and in private with one person. */
export const acmeBot = { token: '700001:AAH-acme_stand-in', username: 'ada_acme_bot', id: 700001 } as const;
export const globexBot = {
  token: '700002:AAH-globex_stand-in',
  username: 'gus_globex_bot',
  id: 700002,
} as const;
export const mara: User = { id: 11, is_bot: false, first_name: 'Mara', username: 'Mara_K' };
export const tomas: User = { id: 12, is_bot: false, first_name: 'Tomas' };
export const ACME_GROUP = -1001;
export const GLOBEX_GROUP = -1002;
/** Both companies' bots are in it. */
export const SHARED_GROUP = -1003;

export interface TelegramInstallation extends ChannelInstallation<readonly [string, string]> {
  readonly telegram: TelegramServer;
  readonly publicUrl: string | null;
  /** Where the public address leads from now on; `null`: nowhere. */
  leadTo(url: string | null): void;
  /** What a bot shows in a chat now, oldest first. */
  texts(chatId: number, botId?: number): string[];
  /** The bot's message that replies to one and is no placeholder any more. */
  answerTo(message: Message, botId?: number): Promise<Message>;
}

export interface TelegramInstallationOptions {
  readonly events: 'webhook' | 'polling';
  readonly settings?: ConnectionSettings;
  readonly canReadAll?: boolean;
  /** `null`: the test starts its own. */
  readonly app?: Partial<AppOptions> | null;
}

export async function startTelegramInstallation(
  options: TelegramInstallationOptions,
): Promise<TelegramInstallation> {
  const closing: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const canReadAllGroupMessages = options.canReadAll ?? true;
    const telegram = await startTelegramServer([
      { ...acmeBot, canReadAllGroupMessages },
      { ...globexBot, canReadAllGroupMessages },
    ]);
    closing.push(() => telegram.close());
    telegram.addChat({ id: mara.id, type: 'private', title: 'Mara', bots: [acmeBot.token] });
    telegram.addChat({ id: ACME_GROUP, type: 'supergroup', title: 'Acme', bots: [acmeBot.token] });
    telegram.addChat({ id: GLOBEX_GROUP, type: 'supergroup', title: 'Globex', bots: [globexBot.token] });
    telegram.addChat({
      id: SHARED_GROUP,
      type: 'group',
      title: 'Both',
      bots: [acmeBot.token, globexBot.token],
    });
    const forwarder = options.events === 'webhook' ? await startForwarder() : null;
    if (forwarder !== null) closing.push(() => forwarder.close());
    const { settings = {} } = options;
    const companyOf = (slug: string, bot: typeof acmeBot | typeof globexBot) => ({
      slug,
      externalId: String(bot.id),
      credentials: { botToken: bot.token },
      settings,
    });
    const companies = await startChannelInstallation({
      channel: 'telegram',
      companies: [companyOf('acme', acmeBot), companyOf('globex', globexBot)],
      platform: { signingSecret: null, apiUrl: telegram.apiUrl },
      closing: closing.splice(0),
    });
    closing.push(() => companies.stop());
    const start = async (overrides: Partial<AppOptions> = {}): Promise<App> => {
      const app = await companies.startApp({
        publicUrl: forwarder?.url ?? null,
        ...options.app,
        ...overrides,
      });
      forwarder?.leadTo(app.url);
      return app;
    };
    const installation: TelegramInstallation = {
      ...companies,
      telegram,
      publicUrl: forwarder?.url ?? null,
      startApp: start,
      leadTo: (url) => forwarder?.leadTo(url),
      texts: (chatId, botId = acmeBot.id) =>
        [...telegram.chat(chatId).messages.values()]
          .filter(({ from }) => from.id === botId)
          .map(({ text }) => text ?? ''),
      async answerTo(message, botId = acmeBot.id) {
        const chat = telegram.chat(message.chat.id);
        const find = (): Message | undefined =>
          [...chat.messages.values()].find(
            ({ from, text, message_id, reply_to_message }) =>
              from.id === botId &&
              text !== 'Thinking…' &&
              message_id > message.message_id &&
              (chat.type === 'private' || reply_to_message?.message_id === message.message_id),
          );
        await until(`message ${message.message_id} is answered`, () => find() !== undefined);
        return find() as Message;
      },
      stop,
    };
    if (options.app !== null) {
      await start();
      await ready(installation);
    }
    return installation;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Until the bots' events come in, one way or the other. */
export async function ready({ telegram, publicUrl, query }: TelegramInstallation): Promise<void> {
  await until('both bots are subscribed', async () => {
    const known = await query(`select 1 from konstruct.connections where agent_user_id <> ''`);
    return (
      known.length === 2 &&
      [acmeBot, globexBot].every(({ token }) => {
        const { webhook, endPoll } = telegram.bot(token);
        return publicUrl === null ? endPoll !== null : webhook !== null;
      })
    );
  });
}

/** A public address that leads to whichever process is there; 503 while none is. */
async function startForwarder(): Promise<{
  url: string;
  leadTo(url: string | null): void;
  close(): Promise<void>;
}> {
  let target: string | null = null;
  const server = createServer((request, response) => {
    if (target === null) {
      response.writeHead(503).end();
      return;
    }
    const { method, headers } = request;
    const onward = httpRequest(`${target}${request.url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    leadTo(url) {
      target = url;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
