import { Client4, WebSocketClient } from '@mattermost/client';
import type { Post } from '@mattermost/types/posts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../conversation.ts';
import type { Channel, User } from './mattermost-world.ts';
import { pingsOf } from './pings-of.ts';
import { type MattermostServer, startMattermostServer } from './start-mattermost-server.ts';

const TOKEN = 'adabottoken0standin0000000';
let server: MattermostServer;
let client: Client4;
let ada: User;
let mara: User;
let channel: Channel;
beforeAll(async () => {
  server = await startMattermostServer();
  ada = server.addUser({ username: 'ada', is_bot: true, token: TOKEN });
  mara = server.addUser({ username: 'mara', first_name: 'Mara', last_name: 'K' });
  channel = server.addChannel('O', [ada, mara], server.addTeam('acme', [ada, mara]));
  client = new Client4();
  client.setUrl(server.url);
  client.setToken(TOKEN);
});
afterAll(() => server.close());

const refusal = (call: Promise<unknown>) =>
  call.then(
    () => null,
    (error: { server_error_id?: string; status_code?: number }) => [error.status_code, error.server_error_id],
  );
/** What the client's types want of a new post and the server fills in itself is left out. */
const newPost = (fields: Partial<Post>) => fields as Post;

describe('the stand-in, to Mattermost’s own client', () => {
  it('says who one is, who others are, and where one is', async () => {
    expect(await client.getMe()).toMatchObject({ id: ada.id, username: 'ada', is_bot: true });
    expect(await client.getUserByUsername('mara')).toMatchObject({ id: mara.id, first_name: 'Mara' });
    expect(await client.getUser(mara.id)).toMatchObject({ username: 'mara' });
    expect(await client.getMyTeams()).toMatchObject([{ name: 'acme' }]);
    expect(await client.getAllTeamsChannels()).toMatchObject([{ id: channel.id, type: 'O' }]);
    expect(await client.getClientConfig()).toMatchObject({ MaxPostSize: '16383' });
  });

  it('takes posts, replies, edits, reactions and deletions', async () => {
    const root = await client.createPost(newPost({ channel_id: channel.id, message: 'one' }));
    const reply = await client.createPost(
      newPost({ channel_id: channel.id, root_id: root.id, message: 'two', props: { mark: '7' } }),
    );
    await client.patchPost({ id: reply.id, message: 'three' });
    const thread = await client.getPostThread(root.id);
    expect(thread.posts[reply.id]).toMatchObject({
      message: 'three',
      root_id: root.id,
      props: { mark: '7' },
    });
    expect(thread.posts[reply.id]?.edit_at).toBeGreaterThan(0);
    await client.addReaction(ada.id, root.id, '+1');
    expect((await client.getPost(root.id)).metadata.reactions).toMatchObject([{ emoji_name: '+1' }]);
    await client.removeReaction(ada.id, root.id, '+1');
    expect((await client.getPost(root.id)).metadata.reactions).toBeUndefined();
    await client.deletePost(reply.id);
    expect(await refusal(client.getPost(reply.id))).toEqual([404, 'app.post.get.app_error']);
    const since = await client.getPostsSince(channel.id, root.create_at);
    expect(since.posts[reply.id]?.delete_at).toBeGreaterThan(0);
  });

  it('makes one post of a request that comes twice with the same pending id', async () => {
    const post = newPost({ channel_id: channel.id, message: 'once', pending_post_id: 'p:1' });
    const [first, second] = [await client.createPost(post), await client.createPost(post)];
    expect(second.id).toBe(first.id);
  });

  it('takes files and gives them back', async () => {
    const form = new FormData();
    form.append('channel_id', channel.id);
    form.append('files', new Blob(['hello'], { type: 'text/plain' }), 'hello.txt');
    const { file_infos } = await client.uploadFile(form);
    const [file] = file_infos;
    expect(file).toMatchObject({
      name: 'hello.txt',
      size: 5,
      mime_type: expect.stringContaining('text/plain'),
    });
    const post = await client.createPost(
      newPost({ channel_id: channel.id, message: '', file_ids: [file?.id ?? ''] }),
    );
    expect(post.metadata.files).toMatchObject([{ name: 'hello.txt' }]);
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect(await (await fetch(client.getFileUrl(file?.id ?? '', 0), { headers })).text()).toBe('hello');
  });

  it('keeps preferences', async () => {
    const preference = { user_id: ada.id, category: 'c', name: 'n', value: '5' };
    await client.savePreferences('me', [preference]);
    const answer = await fetch(`${server.url}/api/v4/users/me/preferences/c`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect(await answer.json()).toEqual([preference]);
  });

  it('refuses what a server refuses, in its words', async () => {
    const create = (fields: Partial<Post>) =>
      refusal(client.createPost(newPost({ channel_id: channel.id, ...fields })));
    expect(await create({ message: 'x'.repeat(16_384) })).toEqual([
      400,
      'model.post.is_valid.message_length.app_error',
    ]);
    const reply = await client.createPost(newPost({ channel_id: channel.id, message: 'root' }));
    const below = await client.createPost(
      newPost({ channel_id: channel.id, root_id: reply.id, message: 'below' }),
    );
    expect(await create({ message: 'x', root_id: below.id })).toEqual([
      400,
      'api.post.create_post.root_id.app_error',
    ]);
    const foreign = server.addChannel('P', [mara]);
    expect(await create({ message: 'x', channel_id: foreign.id })).toEqual([
      403,
      'api.context.permissions.app_error',
    ]);
    expect(await refusal(client.patchPost({ id: 'x'.repeat(26), message: 'x' }))).toEqual([
      403,
      'api.context.permissions.app_error',
    ]);
    expect(await create({ message: 'x', strange: 1 } as Partial<Post>)).toEqual([
      400,
      'api.context.invalid_body_param.app_error: strange',
    ]);
    client.setToken('wrong0token000000000000000');
    expect(await refusal(client.getMe())).toEqual([401, 'api.context.session_expired.app_error']);
    client.setToken(TOKEN);
  });

  it('greets its WebSocket client and tells it what happens', async () => {
    const events: { event: string; data: Record<string, unknown> }[] = [];
    const socket = new WebSocketClient();
    socket.addMessageListener((message) => events.push(message as (typeof events)[number]));
    let missed = 0;
    socket.addMissedMessageListener(() => {
      missed += 1;
    });
    socket.initialize(`${server.url.replace('http', 'ws')}/api/v4/websocket`, TOKEN);
    await until('it is greeted', () => events.some(({ event }) => event === 'hello'));
    const post = await server.say(channel, { from: mara, text: 'hello' });
    server.edit(post, 'hello there');
    server.react(post, mara, 'octagonal_sign');
    server.remove(post);
    const names = ['posted', 'post_edited', 'reaction_added', 'post_deleted'];
    await until('it is told', () => names.every((name) => events.some(({ event }) => event === name)));
    const posted = events.find(({ event }) => event === 'posted');
    expect(posted?.data).toMatchObject({ channel_type: 'O', sender_name: '@mara' });
    expect(JSON.parse(String(posted?.data.post))).toMatchObject({ id: post.id, message: 'hello' });
    expect(missed).toBe(0);
    socket.close();
    await until('it is gone', () => server.sockets === 0);
  });
});

it('the stand-in knows whom Mattermost would call', () => {
  expect(pingsOf('@all, and @Here. and x.@channel &#64;mara _@tom.k_ https://a.example/@bo')).toEqual([
    '@all',
    '@here',
    '@channel',
    '@mara',
    '@tom.k',
    '@bo',
  ]);
  expect(pingsOf('me@allison.example, a_@all, @\u200ball, `@all`\n\n```\n@all\n```')).toEqual([]);
  expect(pingsOf('\\`@a` [x](/u "a ` b") c @b ` d\n\n- ` e\n- `@f\n~~~ `\n@g')).toEqual([
    '@a',
    '@b',
    '@f',
    '@g',
  ]);
});
