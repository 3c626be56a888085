import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel as Place, Post, User } from '../../../test/support/mattermost/mattermost-world.ts';
import {
  type MattermostServer,
  startMattermostServer,
} from '../../../test/support/mattermost/start-mattermost-server.ts';
import { silentLog } from '../../../test/support/silent-log.ts';
import type { Channel } from '../../core/channel.ts';
import type { ActionEvent } from '../../core/channel-event.ts';
import type { ConnectionAccess, ThreadTarget } from '../../core/outbound.ts';
import { systemTime } from '../../system-time.ts';
import { mattermost } from './index.ts';

const { signal } = new AbortController();
const TOKEN = 'adabottoken0standin0000000';
const PERSONAL = 'marasowntoken0standin00000';
const never = () => false;

let server: MattermostServer;
let ada: User;
let mara: User;
let place: Place;
let channel: Channel;
let access: ConnectionAccess;
let target: ThreadTarget;
beforeEach(async () => {
  server = await startMattermostServer();
  ada = server.addUser({ username: 'ada', is_bot: true, token: TOKEN });
  mara = server.addUser({ username: 'mara', nickname: 'Mara' });
  place = server.addChannel('O', [ada, mara], server.addTeam('acme', [ada, mara]));
  const options = { ...systemTime, log: silentLog, timeoutMs: 1_000, maxWaitMs: 1_500 };
  channel = mattermost.open({ apiUrl: '', ...options, publicUrl: 'https://k.example' });
  access = { connectionId: 'c1', externalId: '', credentials: { serverUrl: server.url, botToken: TOKEN } };
  target = { channelId: place.id, threadId: null };
});
afterEach(async () => {
  channel.close();
  await server.close();
});

const marker = { deliveryId: '7' };
const post = (markdown = 'hello', at = target) =>
  channel.post(access, { target: at, markdown, marker }, signal);
const standing = (id: string) => server.world.posts.get(id) as Post;

describe('a post', () => {
  it('without anything to show shows that', async () => {
    expect(standing((await post(' \n')).messageId).message).toBe('…');
  });

  it('that is sent again within half a minute is the same one', async () => {
    const { messageId } = await post();
    expect(await post()).toEqual({ messageId });
    const other = { ...access, connectionId: 'c2' };
    const theirs = await channel.post(other, { target, markdown: 'hello', marker }, signal);
    expect(theirs.messageId).not.toBe(messageId);
  });

  it('below what is no root, or to what is no id, is refused', async () => {
    const root = await server.say(place, { from: mara, text: 'root' });
    const reply = await server.say(place, { from: mara, text: 'reply', rootId: root.id });
    await expect(post('x', { ...target, threadId: reply.id })).rejects.toMatchObject({
      details: { platformError: 'api.post.create_post.root_id.app_error' },
    });
    await expect(post('x', { channelId: '../users/me', threadId: null })).rejects.toMatchObject({
      details: { platformError: 'channel_not_found' },
    });
    await expect(post('x', { ...target, threadId: '../x' })).rejects.toMatchObject({
      details: { platformError: 'message_not_found' },
    });
  });

  it('that is gone cannot be edited, in the word that the pipeline knows; taking it away is done', async () => {
    const { messageId } = await post();
    server.remove(standing(messageId));
    const edit = channel.edit(access, { target, messageId, markdown: 'x', marker }, signal);
    await expect(edit).rejects.toMatchObject({ details: { platformError: 'message_not_found' } });
    await channel.remove(access, { target, messageId }, signal);
  });

  it('of somebody else cannot be edited, and that is said', async () => {
    const theirs = await server.say(place, { from: mara, text: 'mine' });
    const edit = channel.edit(access, { target, messageId: theirs.id, markdown: 'x', marker }, signal);
    await expect(edit).rejects.toMatchObject({ details: { platformError: 'missing_permission' } });
  });

  it('keeps its marker when it is edited, and loses its buttons', async () => {
    const message = { target, markdown: 'Which?', marker, choices: ['A', 'B'] };
    const { messageId } = await channel.post(access, message, signal);
    expect(standing(messageId).props).toMatchObject({ konstruct_delivery: '7', attachments: [{}] });
    await channel.edit(access, { target, messageId, markdown: 'Done.', marker: { deliveryId: '8' } }, signal);
    expect(standing(messageId).props).toEqual({ konstruct_delivery: '8', from_bot: 'true' });
    expect(await channel.findByMarker(access, target, { deliveryId: '8' }, signal)).toEqual({ messageId });
    expect(await channel.findByMarker(access, target, marker, signal)).toBeNull();
  });
});

describe('a post that a bot wrote', () => {
  it('is still one after an edit, and after its buttons are taken away; a person’s is none', async () => {
    const message = { target, markdown: 'Which?', marker, choices: ['A', 'B'] };
    const { messageId } = await channel.post(access, message, signal);
    await channel.edit(access, { ...message, messageId, markdown: 'Which one?' }, signal);
    expect(standing(messageId).props.from_bot).toBe('true');
    const action = { messageId, reply: {} } as ActionEvent;
    await channel.acknowledgeAction?.(access, action, signal);
    expect(standing(messageId).props).toEqual({ konstruct_delivery: '7', from_bot: 'true' });

    server.world.tokens.set(PERSONAL, mara.id);
    const personal = {
      ...access,
      connectionId: 'c2',
      credentials: { serverUrl: server.url, botToken: PERSONAL },
    };
    const hers = await channel.post(personal, { target, markdown: 'x', marker }, signal);
    await channel.edit(personal, { target, markdown: 'y', marker, messageId: hers.messageId }, signal);
    expect(standing(hers.messageId).props).toEqual({ konstruct_delivery: '7' });
  });
});

describe('looking for a marker', () => {
  it('goes through a long thread and a busy channel, and finds nobody else’s', async () => {
    const root = await server.say(place, { from: mara, text: 'root' });
    const thread = { ...target, threadId: root.id };
    const { messageId } = await post('in the thread', thread);
    for (let index = 0; index < 450; index += 1)
      await server.say(place, { from: mara, text: `${index}`, rootId: root.id });
    await server.say(place, {
      from: mara,
      text: 'forged',
      rootId: root.id,
      props: { konstruct_delivery: '9' },
    });
    const firstTriedAtMs = root.create_at;
    const find = (at: ThreadTarget, deliveryId: string) =>
      channel.findByMarker(access, at, { deliveryId, firstTriedAtMs }, signal);
    expect(await find(thread, '7')).toEqual({ messageId });
    expect(await find(target, '7')).toEqual({ messageId });
    expect(await find(thread, '9')).toBeNull();
    expect(await find({ ...target, threadId: 'x'.repeat(26) }, '7')).toBeNull();
  });

  it('never says that it is not there when the server does not answer', async () => {
    server.faults.push({ call: 'GET /channels/*/posts', kind: 'error', remaining: 10 });
    await expect(channel.findByMarker(access, target, marker, signal)).rejects.toMatchObject({
      code: 'platform_unavailable',
    });
  });
});

describe('a thread', () => {
  it('is read from its root and its end, without what the system says', async () => {
    const root = await server.say(place, { from: mara, text: 'root' });
    const thread = { ...target, threadId: root.id };
    for (let index = 0; index < 30; index += 1)
      await server.say(place, { from: mara, text: `@bo ${index}`, rootId: root.id });
    await server.say(place, { from: mara, text: 'joined', rootId: root.id, type: 'system_join_channel' });
    await post('ours', thread);
    const read = await channel.fetchThread(access, thread, 5, signal);
    expect(read?.map(({ text, own, deliveryId }) => [text, own, deliveryId])).toEqual(
      [
        ['root', false, null],
        ['@bo 27', false, null],
        ['@bo 28', false, null],
        ['@bo 29', false, null],
        ['ours', true, '7'],
      ].slice(-5),
    );
    expect(read?.[1]?.mentions).toEqual([{ externalId: 'bo', name: 'bo' }]);
    expect(await channel.fetchThread(access, target, 5, signal)).toEqual([]);
  });

  it('has the files that stand in it, and what is named in it by its address, as far as the account may read that', async () => {
    const fileId = server.addFile(place, mara, 'plan.pdf', 'application/pdf', Buffer.from('%PDF'));
    const root = await server.say(place, { from: mara, text: '', fileIds: [fileId] });
    const secret = await server.say(server.addChannel('P', [mara]), { from: mara, text: 'secret' });
    const address = (named: Post) => `${server.url}/acme/pl/${named.id}`;
    for (const named of [root, secret])
      await server.say(place, { from: mara, text: `see ${address(named)}`, rootId: root.id });
    const read = await channel.fetchThread(access, { ...target, threadId: root.id }, 9, signal);
    const file = { name: 'plan.pdf', mediaType: 'application/pdf', sizeBytes: 4, externalId: fileId };
    expect(read).toMatchObject([
      { text: '', attachments: [file] },
      { text: `> [attached: plan.pdf]\n\nsee ${address(root)}`, attachments: [file] },
      { text: `see ${address(secret)}`, attachments: [] },
    ]);
  });

  it('that may not be read is none', async () => {
    const secret = server.addChannel('P', [mara]);
    const root = await server.say(secret, { from: mara, text: 'root' });
    const thread = { channelId: secret.id, threadId: root.id };
    expect(await channel.fetchThread(access, thread, 5, signal)).toBeNull();
  });
});

describe('a limit', () => {
  it.each([
    ['is waited for as it says', 1],
    ['of which it is only said how long it lasts, when that is too long to wait', 3_600],
  ])('%s', async (_how, retryAfterSeconds) => {
    server.faults.push({ call: 'POST /posts', kind: 'limit', remaining: 1, retryAfterSeconds });
    const sent = post();
    if (retryAfterSeconds === 1) {
      expect(standing((await sent).messageId).message).toBe('hello');
      return;
    }
    const refused = await sent.catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'platform_rate_limited' });
    expect((refused as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(3_500_000);
  });
});

describe('signs', () => {
  it('reactions are put on and taken off, as often as one likes', async () => {
    const said = await server.say(place, { from: mara, text: 'hi' });
    const react = (emoji: string, present: boolean) =>
      channel.react?.(access, { target, messageId: said.id, emoji, present }, signal);
    await react('✅', true);
    await react('✅', true);
    expect(said.reactions.map(({ emoji_name, user_id }) => [emoji_name, user_id])).toEqual([
      ['white_check_mark', ada.id],
    ]);
    await react('✅', false);
    await react('✅', false);
    expect(said.reactions).toEqual([]);
    await expect(react('🦑', true)).rejects.toMatchObject({
      details: { platformError: 'reaction_unsupported' },
    });
  });

  it('typing is shown in the thread', async () => {
    const root = await server.say(place, { from: mara, text: 'hi' });
    const sign = { target: { ...target, threadId: root.id }, messageId: null };
    await channel.typing?.(access, sign, signal);
    expect(server.world.typing).toEqual([{ userId: ada.id, channelId: place.id, parentId: root.id }]);
  });

  it('a private word is private where the bot may, and otherwise an ordinary post', async () => {
    const tell = () => channel.postPrivately(access, { target, personId: mara.id, markdown: 'psst' }, signal);
    await tell();
    expect([...server.world.posts.values()].map(({ message }) => message)).toEqual(['psst']);
    server.world.users.set(ada.id, { ...ada, may_post_ephemeral: true });
    await tell();
    expect(server.world.ephemeral).toEqual([{ userId: mara.id, message: 'psst' }]);
    expect(server.world.posts.size).toBe(1);
  });

  it('people have names, and bots are none', async () => {
    expect(await channel.personName(access, mara.id, signal)).toBe('Mara');
    expect(await channel.personName(access, 'mara', signal)).toBe('Mara');
    expect(await channel.personName(access, 'nobody', signal)).toBeNull();
    expect([
      await channel.isPerson(access, mara.id, signal),
      await channel.isPerson(access, ada.id, signal),
    ]).toEqual([true, false]);
    const asked = server.calls.length;
    await channel.personName(access, mara.id, signal);
    expect(server.calls.length).toBe(asked);
  });
});

describe('a file', () => {
  const content = Buffer.from('id,amount\n1,2\n');
  const file = (given: object = {}) => ({
    target,
    name: 'täble "1".csv',
    mediaType: 'text/csv',
    content,
    marker,
    ...given,
  });

  it('is uploaded and posted, found again by its marker, and fetched', async () => {
    const { messageId } = (await channel.upload?.(access, file(), signal)) ?? { messageId: '' };
    const [fileId = ''] = standing(messageId).file_ids;
    expect(server.world.files.get(fileId)?.content.equals(content)).toBe(true);
    expect(await channel.findByMarker(access, target, marker, signal)).toEqual({ messageId });
    const attachment = { name: 'x', mediaType: 'text/csv', sizeBytes: null, externalId: fileId };
    const fetched = await channel.fetchFile?.(access, attachment, { maxBytes: 100 }, signal);
    expect(Buffer.from(fetched?.content ?? []).equals(content)).toBe(true);
    const cut = channel.fetchFile?.(access, attachment, { maxBytes: 5 }, signal);
    await expect(cut).rejects.toMatchObject({ code: 'attachment_too_large' });
  });

  it('that the server does not take for its size is too large, and one that is gone is refused', async () => {
    server.world.config.MaxFileSize = '5';
    await expect(channel.upload?.(access, file(), signal)).rejects.toMatchObject({
      code: 'attachment_too_large',
    });
    for (const externalId of ['x'.repeat(26), '../../users/me', 'https://evil.example']) {
      const attachment = { name: 'x', mediaType: 'x', sizeBytes: null, externalId };
      const fetched = channel.fetchFile?.(access, attachment, { maxBytes: 5 }, signal);
      await expect(fetched).rejects.toMatchObject({ details: { platformError: 'file_not_found' } });
    }
  });

  it('whose upload is cut is uploaded again; whose post is cut nobody knows of', async () => {
    server.faults.push({ call: 'POST /files', kind: 'cut_after', remaining: 1 });
    const first = await channel.upload?.(access, file(), signal);
    expect(standing(first?.messageId ?? '').file_ids).toHaveLength(1);
    server.faults.push({ call: 'POST /posts', kind: 'cut_after', remaining: 1 });
    const second = channel.upload?.(access, file({ marker: { deliveryId: '8' } }), signal);
    await expect(second).rejects.toMatchObject({ details: { outcomeUnknown: true } });
    const stopped = channel.upload?.(access, file({ mayStillSend: never }), signal);
    await expect(stopped).rejects.toMatchObject({ code: 'lease_lost' });
  });
});
