import { once } from 'node:events';
import { DiscordAPIError, REST } from '@discordjs/rest';
import { WebSocketManager, WebSocketShardEvents } from '@discordjs/ws';
import {
  type APIApplication,
  type APIMessage,
  type APIUser,
  ButtonStyle,
  ComponentType,
  GatewayDispatchEvents,
  GatewayIntentBits,
  type RESTPostAPIChannelMessageJSONBody,
  Routes,
} from 'discord-api-types/v10';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../conversation.ts';
import type { App, Channel } from './discord-world.ts';
import { type DiscordServer, startDiscordServer } from './start-discord-server.ts';

/** The stand-in by Discord's own types and the clients that most bots are built on. */
let server: DiscordServer;
let ada: App;
let channel: Channel;
let rest: REST;
beforeAll(async () => {
  server = await startDiscordServer();
  ada = server.addApp({ name: 'Ada' });
  channel = server.addChannel(server.addServer('Acme', [ada]));
  rest = restOf(ada.token);
});
afterAll(() => server.close());

function restOf(token: string): REST {
  return new REST({ api: server.apiUrl.replace('/v10', ''), retries: 0 }).setToken(token);
}

const post = (body: RESTPostAPIChannelMessageJSONBody) =>
  rest.post(Routes.channelMessages(channel.id), { body }) as Promise<APIMessage>;
const refusal = (call: Promise<unknown>) =>
  call.then(
    () => null,
    (error: unknown) => (error instanceof DiscordAPIError ? [error.status, error.code] : error),
  );

describe('the HTTP API by @discordjs/rest', () => {
  it('knows the app and its bot', async () => {
    const application = (await rest.get(Routes.currentApplication())) as APIApplication;
    expect(application).toMatchObject({ id: ada.id, verify_key: ada.publicKey });
    expect((await rest.get(Routes.user())) as APIUser).toMatchObject({ id: ada.user.id, bot: true });
    expect(await refusal(restOf('wrong').get(Routes.user()))).toEqual([401, 0]);
  });

  it('makes, reads, changes and deletes messages', async () => {
    const row = {
      type: ComponentType.ActionRow as const,
      components: [
        {
          type: ComponentType.Button as const,
          style: ButtonStyle.Primary as const,
          label: 'Yes',
          custom_id: 'y',
        },
      ],
    };
    const message = await post({ content: ' hello ', components: [row] });
    expect(message).toMatchObject({ content: 'hello', author: { id: ada.user.id } });
    const path = Routes.channelMessage(channel.id, message.id);
    expect(await rest.patch(path, { body: { content: 'changed' } })).toMatchObject({ content: 'changed' });
    const read = (await rest.get(Routes.channelMessages(channel.id))) as APIMessage[];
    expect(read[0]).toMatchObject({ id: message.id, content: 'changed' });
    await rest.delete(path);
    expect(await refusal(rest.get(path))).toEqual([404, 10008]);
  });

  it('makes one message of one nonce, and shows it to nobody who reads', async () => {
    const body = { content: 'once', nonce: 'n-1', enforce_nonce: true };
    const first = await post(body);
    expect((await post(body)).id).toBe(first.id);
    expect((await post({ content: 'once', nonce: 'n-1' })).id).not.toBe(first.id);
    const read = (await rest.get(Routes.channelMessages(channel.id))) as APIMessage[];
    expect(read.every(({ nonce }) => nonce === undefined)).toBe(true);
    await rest.delete(Routes.channelMessage(channel.id, first.id));
    expect(await refusal(post(body))).toEqual([404, 10008]);
  });

  it.each([
    ['an empty message', { content: '  ' }, [400, 50006]],
    ['a long one', { content: 'x'.repeat(2_001) }, [400, 50035]],
    ['a field that it does not know', { content: 'x', colour: 'red' }, [400, 50035]],
    ['a long nonce', { content: 'x', nonce: 'n'.repeat(26) }, [400, 50035]],
    ['half a character', { content: '\ud800' }, [400, 50035]],
  ])('refuses %s', async (_name, body, expected) => {
    expect(await refusal(post(body as RESTPostAPIChannelMessageJSONBody))).toEqual(expected);
  });

  it('begins one thread with a message, which has its id', async () => {
    const message = await post({ content: 'begin' });
    const path = Routes.threads(channel.id, message.id);
    const thread = (await rest.post(path, {
      body: { name: 'Begin', auto_archive_duration: 1440 },
    })) as Channel;
    expect(thread).toMatchObject({ id: message.id, type: 11 });
    expect(await refusal(rest.post(path, { body: { name: 'Again', auto_archive_duration: 1440 } }))).toEqual([
      400, 160004,
    ]);
    const inThread = (await rest.get(Routes.channelMessages(thread.id))) as APIMessage[];
    expect(inThread[0]).toMatchObject({ type: 21, referenced_message: { id: message.id } });
  });

  it('takes files, and gives them back by their signed address only', async () => {
    const files = [{ name: 'a.txt', data: Buffer.from('text'), contentType: 'text/plain' }];
    const body = { attachments: [{ id: 0, description: 'A text' }] };
    const message = (await rest.post(Routes.channelMessages(channel.id), { body, files })) as APIMessage;
    const [file] = message.attachments;
    expect(file).toMatchObject({
      filename: 'a.txt',
      size: 4,
      content_type: 'text/plain',
      description: 'A text',
    });
    expect(await (await fetch(file?.url ?? '')).text()).toBe('text');
    expect((await fetch(file?.url.split('?')[0] ?? '')).status).toBe(404);
  });

  it('names its limits so that the client keeps them', async () => {
    server.limit = { name: 'create message', calls: 2, windowMs: 400 };
    const sent = await Promise.all(['1', '2', '3', '4'].map((content) => post({ content })));
    expect(new Set(sent.map(({ id }) => id)).size).toBe(4);
    server.limit = null;
  });

  it('lets a bot do only what it may', async () => {
    const gus = server.addApp({ name: 'Gus' });
    const call = restOf(gus.token).get(Routes.channelMessages(channel.id));
    expect(await refusal(call)).toEqual([403, 50001]);
    channel.denied.set(ada.user.id, 1n << 11n);
    expect(await refusal(post({ content: 'x' }))).toEqual([403, 50013]);
    channel.denied.clear();
  });
});

describe('the gateway by @discordjs/ws', () => {
  let manager: WebSocketManager | null = null;
  afterEach(() => manager?.destroy());

  it('says hello, is ready, tells what happens and lets a broken session go on', async () => {
    const intents =
      GatewayIntentBits.Guilds | GatewayIntentBits.GuildMessages | GatewayIntentBits.MessageContent;
    manager = new WebSocketManager({ token: ada.token, intents, rest });
    const seen: string[] = [];
    manager.on(WebSocketShardEvents.Dispatch, (payload) => {
      const { t, d } = 'data' in payload ? (payload.data as { t: string; d: unknown }) : payload;
      seen.push(t === GatewayDispatchEvents.MessageCreate ? (d as APIMessage).content : t);
    });
    await manager.connect();
    await until('it is told of the server', () => seen.includes('GUILD_CREATE'));
    const mara = server.addUser('Mara');
    server.say(channel, { from: mara, text: 'first' });
    await until('the message is there', () => seen.includes('first'));
    server.gateway.cut(ada, 'terminate');
    server.say(channel, { from: mara, text: 'meanwhile' });
    await until('it goes on', () => seen.includes('meanwhile'));
    expect(seen.filter((each) => each === 'first')).toHaveLength(1);
    expect([server.gateway.identifies, server.gateway.resumes]).toEqual([1, 1]);
  });

  it.each([
    ['a wrong token', 4004, () => ({ token: 'wrong' })],
    [
      'an intent that is not switched on',
      4014,
      () => ({ token: server.addApp({ name: 'Blind', canReadMessages: false }).token, intents: 1 << 15 }),
    ],
    ['an intent that does not exist', 4013, () => ({ token: ada.token, intents: 1 << 30 })],
    ['a field that it does not know', 4002, () => ({ token: ada.token, colour: 'red' })],
  ])('shuts out %s', async (_name, code, identify) => {
    const socket = new WebSocket(
      `${server.apiUrl.replace(/^http/, 'ws').replace('/api/v10', '')}/?v=10&encoding=json`,
    );
    await once(socket, 'open');
    socket.send(JSON.stringify({ op: 2, d: { intents: 0, properties: {}, ...identify() } }));
    const [closed] = (await once(socket, 'close')) as [CloseEvent];
    expect(closed.code).toBe(code);
  });
});
