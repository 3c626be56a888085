import type { APIUser } from 'discord-api-types/v10';
import type { App as KonstructApp } from '../../../src/app.ts';
import type { AppOptions } from '../../../src/app-options.ts';
import { readMark } from '../../../src/channels/discord/delivery-mark.ts';
import type { ConnectionSettings } from '../../../src/core/tenant.ts';
import { until } from '../conversation.ts';
import { type ChannelInstallation, startChannelInstallation } from '../start-channel-installation.ts';
import type { App, Channel, Message, Server } from './discord-world.ts';
import { type DiscordServer, startDiscordServer } from './start-discord-server.ts';

/** Two companies with a bot and a server each; one person of the first writes to its bot directly. */
export interface DiscordInstallation
  extends Omit<ChannelInstallation<readonly [string, string]>, 'startApp'> {
  readonly discord: DiscordServer;
  readonly ada: App;
  readonly gus: App;
  readonly acme: Server;
  readonly globex: Server;
  readonly mara: APIUser;
  readonly tomas: APIUser;
  readonly direct: Channel;
  /** Resolves when both bots are online. */
  startApp(options?: Partial<AppOptions>): Promise<KonstructApp>;
  online(): Promise<void>;
  /** What a bot shows in a channel or thread now, oldest first, as people read it. */
  texts(channel: Channel, bot?: App): string[];
  /** The bot's newest message there that is no placeholder, once there are as many. */
  answerIn(channel: Channel, count?: number, bot?: App): Promise<Message>;
  /** The answer in the thread that began with a message. */
  answerTo(message: Message): Promise<Message>;
}

export interface DiscordInstallationOptions {
  readonly settings?: ConnectionSettings;
  readonly heartbeatMs?: number;
  readonly canReadMessages?: boolean;
  /** Whether the first company's connection has its app's public key. */
  readonly hasPublicKey?: boolean;
  /** `null`: the test starts its own. */
  readonly app?: Partial<AppOptions> | null;
}

export const PLACEHOLDER = 'Thinking…';

export async function startDiscordInstallation(
  options: DiscordInstallationOptions = {},
): Promise<DiscordInstallation> {
  const closing: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const discord = await startDiscordServer(options);
    closing.push(() => discord.close());
    const { canReadMessages = true } = options;
    const ada = discord.addApp({ name: 'Ada', canReadMessages });
    const gus = discord.addApp({ name: 'Gus' });
    const [acme, globex] = [discord.addServer('Acme', [ada]), discord.addServer('Globex', [gus])];
    const [mara, tomas] = [discord.addUser('Mara'), discord.addUser('Tomas')];
    const direct = discord.addDirect(ada, mara);
    const { settings = { ratePerMinute: 1_000 } } = options;
    const companyOf = (slug: string, app: App, publicKey: string | null) => ({
      slug,
      externalId: app.id,
      credentials: { botToken: app.token, ...(publicKey !== null && { publicKey }) },
      settings,
    });
    const companies = await startChannelInstallation({
      channel: 'discord',
      companies: [
        companyOf('acme', ada, options.hasPublicKey === true ? ada.publicKey : null),
        companyOf('globex', gus, null),
      ],
      platform: { signingSecret: null, apiUrl: discord.apiUrl },
      closing: closing.splice(0),
    });
    closing.push(() => companies.stop());
    const online = () =>
      until('both bots are online', () =>
        [ada, gus].every(({ id }) => discord.gateway.online().includes(id)),
      );
    const installation: DiscordInstallation = {
      ...companies,
      discord,
      ada,
      gus,
      acme,
      globex,
      mara,
      tomas,
      direct,
      online,
      stop,
      async startApp(overrides = {}) {
        const app = await companies.startApp({ ...options.app, ...overrides });
        await online();
        return app;
      },
      texts: (channel, bot = ada) => shown(channel, bot).map(textOf),
      async answerIn(channel, count = 1, bot = ada) {
        const answers = () => shown(channel, bot).filter((message) => textOf(message) !== PLACEHOLDER);
        await until(`${count} answers are there`, () => answers().length >= count);
        return answers().at(-1) as Message;
      },
      async answerTo(message) {
        await until('its thread has begun', () => discord.world.channels.has(message.id));
        return installation.answerIn(discord.thread(message));
      },
    };
    if (options.app !== null) await installation.startApp();
    return installation;
  } catch (error) {
    await stop();
    throw error;
  }
}

function shown(channel: Channel, bot: App): readonly Message[] {
  return [...channel.messages.values()].filter(
    ({ author, type }) => author.id === bot.user.id && type !== 21,
  );
}

export function textOf(message: Message): string {
  return readMark(message.content).text;
}
