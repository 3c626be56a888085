import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { App } from '../../../src/app.ts';
import type { AppOptions } from '../../../src/app-options.ts';
import type { ConnectionSettings } from '../../../src/core/tenant.ts';
import { until } from '../conversation.ts';
import { type ChannelInstallation, startChannelInstallation } from '../start-channel-installation.ts';
import type { Channel, Post, User } from './mattermost-world.ts';
import { type MattermostServer, startMattermostServer } from './start-mattermost-server.ts';

const ACME_TOKEN = 'acmebottoken0standin000000';
const GLOBEX_TOKEN = 'globexbottoken0standin0000';

/** Two companies with a bot each, on servers of their own. */
export interface MattermostInstallation extends Omit<ChannelInstallation, 'startApp'> {
  readonly server: MattermostServer;
  readonly globex: MattermostServer;
  readonly ada: User;
  readonly gus: User;
  readonly mara: User;
  readonly tomas: User;
  /** Where Mattermost reaches the installation, whichever app answers there. */
  readonly publicUrl: string;
  /** Starts an app, and waits until it hears both bots. */
  startApp(options?: Partial<AppOptions>): Promise<App>;
  /** A channel of Acme's with Mara, Tomas and Ada in it. */
  newChannel(type?: Channel['type']): Channel;
  /** The bot's post that answers and is no placeholder any more. */
  answerTo(post: Post): Promise<Post>;
  /** What a bot shows in a channel now, oldest first. */
  texts(channel: Channel): string[];
  /** What the model read last. */
  lastPrompt(): readonly string[] | undefined;
}

export async function startMattermostInstallation(
  given: { readonly settings?: ConnectionSettings; readonly start?: boolean } = {},
): Promise<MattermostInstallation> {
  const { settings = { ratePerMinute: 1_000 }, start = true } = given;
  const [server, globex] = [await startMattermostServer(), await startMattermostServer()];
  const ada = server.addUser({ username: 'ada', is_bot: true, token: ACME_TOKEN });
  const mara = server.addUser({ username: 'mara', first_name: 'Mara', last_name: 'K' });
  const tomas = server.addUser({ username: 'tomas', nickname: 'Tomas' });
  const team = server.addTeam('acme', [ada, mara, tomas]);
  const gus = globex.addUser({ username: 'gus', is_bot: true, token: GLOBEX_TOKEN });
  const webhook = server.addWebhook({
    channelId: null,
    triggerWords: ['hey-ada'],
    contentType: 'application/json',
    url: 'set below',
  });
  let target = '';
  const relay = createServer((request, response) => {
    const { method, headers, url = '/' } = request;
    const onward = httpRequest(`${target}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    request.pipe(onward);
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const publicUrl = `http://127.0.0.1:${(relay.address() as AddressInfo).port}`;
  const placeOf = ({ url }: MattermostServer) => url.replace('http://', '');
  const installation = await startChannelInstallation({
    channel: 'mattermost',
    companies: [
      {
        slug: 'acme',
        externalId: `${placeOf(server)}/ada`,
        credentials: { serverUrl: server.url, botToken: ACME_TOKEN, webhookToken: webhook.token },
        settings,
      },
      {
        slug: 'globex',
        externalId: `${placeOf(globex)}/gus`,
        credentials: { serverUrl: `${globex.url}/`, botToken: GLOBEX_TOKEN },
        settings,
      },
    ],
    platform: { signingSecret: null },
    closing: [
      async () => {
        relay.closeAllConnections();
        relay.close();
        await once(relay, 'close');
      },
      () => server.close(),
      () => globex.close(),
    ],
  });
  Object.assign(webhook, { url: `${publicUrl}/mattermost/${installation.connectionIds[0]}` });
  const isBots = ({ user_id }: Post): boolean => user_id === ada.id || user_id === gus.id;
  const startApp = async (options: Partial<AppOptions> = {}): Promise<App> => {
    const app = await installation.startApp({ publicUrl, ...options });
    target = app.url;
    await until('the bots are listened to', () => server.sockets > 0 && globex.sockets > 0);
    await until('what was missed is known', () => {
      const following = installation.log.lines.filter(({ event }) => event === 'mattermost.following');
      return new Set(following.map(({ fields }) => fields.connectionId)).size === 2;
    });
    return app;
  };
  if (start) await startApp();
  return {
    ...installation,
    server,
    globex,
    ada,
    gus,
    mara,
    tomas,
    publicUrl,
    startApp,
    newChannel: (type = 'O') => {
      const members = type === 'D' ? [ada, mara] : [ada, mara, tomas];
      return server.addChannel(type, members, team);
    },
    async answerTo(post) {
      const find = (): Post | undefined =>
        [...server.world.posts.values(), ...globex.world.posts.values()].find(
          (each) =>
            isBots(each) &&
            each.message !== 'Thinking…' &&
            each.channel_id === post.channel_id &&
            each.delete_at === 0 &&
            each.create_at > post.create_at,
        );
      await until(`post ${post.id} is answered`, () => find() !== undefined);
      return find() as Post;
    },
    texts: (channel) =>
      [...server.world.posts.values(), ...globex.world.posts.values()]
        .filter((post) => isBots(post) && post.channel_id === channel.id && post.delete_at === 0)
        .map(({ message }) => message),
    lastPrompt: () => installation.model.requests.at(-1)?.messages.map(({ content }) => content),
  };
}
