// One file for all that is sent: the tests share a world of servers, channels and permissions.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type App, type Channel, PERMISSIONS, TYPES } from '../../../test/support/discord/discord-world.ts';
import {
  type DiscordServer,
  startDiscordServer,
} from '../../../test/support/discord/start-discord-server.ts';
import { silentLog } from '../../../test/support/silent-log.ts';
import type { Channel as KonstructChannel } from '../../core/channel.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, ThreadTarget } from '../../core/outbound.ts';
import { systemTime } from '../../system-time.ts';
import type { JsonRecord } from '../read-json.ts';
import { readMark } from './delivery-mark.ts';
import { discord } from './index.ts';
import { parseMessage } from './parse-message.ts';

const { signal } = new AbortController();
let server: DiscordServer;
let ada: App;
let place: Channel;
let opened: KonstructChannel;
let access: ConnectionAccess;
let deliveries = 0;
beforeEach(async () => {
  server = await startDiscordServer();
  ada = server.addApp({ name: 'Ada' });
  place = server.addChannel(server.addServer('Acme', [ada]));
  opened = discord.open({ apiUrl: server.apiUrl, ...systemTime, log: silentLog, maxWaitMs: 2_000 });
  access = { connectionId: 'c', externalId: ada.id, credentials: { botToken: ada.token } };
});
afterEach(async () => {
  opened.close();
  await server.close();
});

const marker = () => {
  deliveries += 1;
  return { deliveryId: String(deliveries) };
};
const here = (): ThreadTarget => ({ channelId: place.id, threadId: null });
const saying = (text = 'hello') => server.say(place, { from: server.addUser('Mara'), text });
const post = (markdown: string, target = here(), more: object = {}) =>
  opened.post(access, { target, markdown, marker: marker(), ...more }, signal);
const made = (messageId: string, channel = place) => channel.messages.get(messageId);
const calls = (name: string) => server.calls.filter((call) => call.name === name);
const refusalOf = (call: Promise<unknown>) =>
  call.then(
    () => null,
    (error: unknown) => (isKonstructError(error) ? [error.code, error.details.platformError] : error),
  );

describe('a message', () => {
  it('that answers one begins its thread once, and finds it begun', async () => {
    const asked = saying('What is it?\nAnd why?');
    const target = { channelId: place.id, threadId: `new-${asked.id}` };
    const first = await post('One', target);
    const second = await post('Two', target);
    const thread = server.thread(asked);
    expect(thread.name).toBe('What is it?');
    expect([made(first.messageId, thread), made(second.messageId, thread)]).not.toContain(undefined);
    expect(calls('start thread')).toHaveLength(1);
    // Another process does not know yet, and is told by Discord.
    const other = discord.open({ apiUrl: server.apiUrl, ...systemTime, log: silentLog });
    await other.post(access, { target, markdown: 'Three', marker: marker() }, signal);
    other.close();
    expect(thread.messages.size).toBe(4);
  });

  it('is changed and taken away wherever it came to stand', async () => {
    place.denied.set(ada.user.id, PERMISSIONS.startThreads);
    const asked = saying();
    const target = { channelId: place.id, threadId: `new-${asked.id}` };
    const { messageId } = await post('One', target);
    expect(made(messageId)?.message_reference?.message_id).toBe(asked.id);
    const other = discord.open({ apiUrl: server.apiUrl, ...systemTime, log: silentLog });
    const edit = { target, messageId, markdown: 'Two', marker: marker() };
    await other.edit(access, edit, signal);
    expect(readMark(made(messageId)?.content ?? '').text).toBe('Two');
    expect(await other.findByMarker(access, target, edit.marker, signal)).toEqual({ messageId });
    await other.remove(access, { target, messageId }, signal);
    await other.remove(access, { target, messageId }, signal);
    expect(made(messageId)).toBeUndefined();
    other.close();
  });

  it('is a reply in the channel where the thread may be begun but not written in', async () => {
    place.denied.set(ada.user.id, PERMISSIONS.sendInThreads);
    const asked = saying();
    const target = { channelId: place.id, threadId: `new-${asked.id}` };
    for (const text of ['One', 'Two']) {
      const { messageId } = await post(text, target);
      expect(made(messageId)?.message_reference?.message_id).toBe(asked.id);
    }
    expect(calls('start thread')).toHaveLength(1);
  });

  it('is a plain one where what it answers is gone, or nothing may be read back', async () => {
    const asked = saying();
    const target = { channelId: place.id, threadId: `re-${asked.id}` };
    place.denied.set(ada.user.id, PERMISSIONS.readHistory);
    const { messageId } = await post('One', target);
    expect(made(messageId)?.type).toBe(0);
    place.denied.clear();
    place.messages.delete(asked.id);
    const again = await post('Two', target);
    expect(made(again.messageId)?.type).toBe(0);
  });

  it('of one delivery is one, however often it is sent, and is sent anew when it was deleted', async () => {
    const message = { target: here(), markdown: 'Once', marker: { deliveryId: '77' } };
    const first = await opened.post(access, message, signal);
    expect(await opened.post(access, message, signal)).toEqual(first);
    place.messages.delete(first.messageId);
    const anew = await opened.post(access, message, signal);
    expect(anew.messageId).not.toBe(first.messageId);
    expect([...place.messages.keys()]).toEqual([anew.messageId]);
  });

  it('has buttons in rows, which an edit takes away', async () => {
    const choices = Array.from({ length: 12 }, (_, index) => `Choice ${index}`);
    const { messageId } = await post('Which?', here(), { choices });
    const rows = (made(messageId)?.components ?? []) as unknown as { components: { label: string }[] }[];
    expect(rows.map(({ components }) => components.length)).toEqual([5, 5, 2]);
    expect(rows.flatMap(({ components }) => components.map(({ label }) => label))).toEqual(choices);
    await opened.edit(access, { target: here(), messageId, markdown: 'That.', marker: marker() }, signal);
    expect(made(messageId)?.components).toEqual([]);
  });

  it('with nothing to show shows that', async () => {
    const { messageId } = await post('  \n ');
    expect(readMark(made(messageId)?.content ?? '').text).toBe('…');
  });

  it('cannot be looked for where nothing may be read back: that is no "not there"', async () => {
    await post('Here.');
    place.denied.set(ada.user.id, PERMISSIONS.readHistory);
    const looked = opened.findByMarker(access, here(), { deliveryId: '1' }, signal);
    expect(await refusalOf(looked)).toEqual(['platform_rejected', 'missing_read_history']);
  });

  it('is found among many, not further back than it was tried', async () => {
    const { messageId } = await opened.post(
      access,
      { target: here(), markdown: 'x', marker: { deliveryId: '5' } },
      signal,
    );
    for (let number = 0; number < 150; number += 1) saying(`${number}`);
    expect(await opened.findByMarker(access, here(), { deliveryId: '5' }, signal)).toEqual({ messageId });
    const before = calls('get messages').length;
    const late = { deliveryId: '6', firstTriedAtMs: Date.now() + 1_000 };
    expect(await opened.findByMarker(access, here(), late, signal)).toBeNull();
    expect(calls('get messages').length - before).toBe(1);
  });
});

describe('a limit', () => {
  it('is kept before Discord has to say no', async () => {
    server.limit = { name: 'create message', calls: 3, windowMs: 250 };
    await post('first'); // from here on it is known
    await Promise.all(Array.from({ length: 8 }, (_, index) => post(`${index}`)));
    expect(place.messages.size).toBe(9);
    expect(calls('create message').length).toBeLessThanOrEqual(11);
  });

  it('of one channel holds up no other, and one of the whole bot all of them', async () => {
    const other = server.addChannel([...server.world.servers.values()][0] as never);
    const limit = { name: 'create message', kind: 'limit', remaining: 1, retryAfterSeconds: 3_600 } as const;
    server.faults.push({ ...limit });
    expect(await refusalOf(post('x'))).toEqual(['platform_rate_limited', undefined]);
    await post('y', { channelId: other.id, threadId: null });
    server.faults.push({ ...limit, isGlobal: true });
    expect(await refusalOf(post('x', { channelId: other.id, threadId: null }))).toEqual([
      'platform_rate_limited',
      undefined,
    ]);
    const third = server.addChannel([...server.world.servers.values()][0] as never);
    expect(await refusalOf(post('z', { channelId: third.id, threadId: null }))).toEqual([
      'platform_rate_limited',
      undefined,
    ]);
  });

  it('of fractions of a second is waited for', async () => {
    server.faults.push({ name: 'create message', kind: 'limit', remaining: 1, retryAfterSeconds: 0.05 });
    await post('after all');
    expect(calls('create message')).toHaveLength(2);
  });
});

describe('what Discord refuses', () => {
  it.each([
    ['without access', PERMISSIONS.view, 'missing_access'],
    ['without the right to write', PERMISSIONS.send, 'missing_permissions'],
  ])('%s', async (_name, denied, word) => {
    place.denied.set(ada.user.id, denied);
    expect(await refusalOf(post('x'))).toEqual(['platform_rejected', word]);
  });

  it.each([
    ['another’s message', 'cant_update_message'],
    ['one that is gone', 'message_not_found'],
  ])('an edit of %s', async (_name, word) => {
    const theirs = saying();
    if (word === 'message_not_found') place.messages.delete(theirs.id);
    const edit = { target: here(), messageId: theirs.id, markdown: 'x', marker: marker() };
    expect(await refusalOf(opened.edit(access, edit, signal))).toEqual(['platform_rejected', word]);
  });

  it('a token, without naming it', async () => {
    const wrong = { ...access, credentials: { botToken: `${ada.token.slice(0, -4)}oops` } };
    expect(await refusalOf(opened.identify(wrong, signal))).toEqual(['platform_rejected', 'unauthorized']);
    for (const botToken of ['', 'Bot x', 'a.b.c\r\nx: y']) {
      const call = opened.identify({ ...access, credentials: { botToken } }, signal);
      expect(await refusalOf(call)).toEqual(['platform_rejected', 'unauthorized']);
    }
  });

  it('what is no target of ours, before anything is sent', async () => {
    const before = server.calls.length;
    for (const channelId of ['', '../../users/@me', 'dm-x'])
      expect(await refusalOf(post('x', { channelId, threadId: null }))).toEqual([
        'platform_rejected',
        'channel_not_found',
      ]);
    expect(server.calls.length).toBe(before);
  });
});

describe('signs', () => {
  it('are put on a message and taken off, in the form that Discord knows', async () => {
    const asked = saying();
    const target = { channelId: place.id, threadId: `new-${asked.id}` };
    for (const emoji of ['👀', '❤'])
      await opened.react?.(access, { target, messageId: asked.id, emoji, present: true }, signal);
    expect([...server.world.reactions]).toEqual([
      `${asked.id} 👀 ${ada.user.id}`,
      `${asked.id} ❤\ufe0f ${ada.user.id}`,
    ]);
    await opened.react?.(access, { target, messageId: asked.id, emoji: '👀', present: false }, signal);
    expect(server.world.reactions.size).toBe(1);
    await opened.typing?.(access, { target: here(), messageId: null }, signal);
    expect(calls('show typing')).toHaveLength(1);
  });

  it('stand on the message that a thread began with, in its channel or in a forum’s post', async () => {
    const asked = saying();
    const thread = server.beginThread(place, asked, 'Thread');
    const target = { channelId: place.id, threadId: thread.id };
    await opened.react?.(access, { target, messageId: asked.id, emoji: '✅', present: true }, signal);
    const forum = server.addChannel([...server.world.servers.values()][0] as never, TYPES.forum);
    const begun = server.say(place, { from: server.addUser('Tomas'), text: 'post' });
    const post: Channel = {
      ...place,
      id: begun.id,
      type: TYPES.thread,
      parentId: forum.id,
      messages: new Map([[begun.id, begun]]),
    };
    server.world.channels.set(post.id, post);
    const inPost = { channelId: forum.id, threadId: post.id };
    await opened.react?.(access, { target: inPost, messageId: begun.id, emoji: '✅', present: true }, signal);
    expect(server.world.reactions.size).toBe(2);
  });
});

describe('files', () => {
  it('are sent once, and found again by their mark', async () => {
    const file = {
      target: here(),
      name: 'chart "1".png',
      mediaType: 'image/png',
      content: Buffer.from('PNG'),
      marker: { deliveryId: '91' },
    };
    const sent = await opened.upload?.(access, file, signal);
    expect(await opened.upload?.(access, file, signal)).toEqual(sent);
    expect(await opened.findByMarker(access, here(), file.marker, signal)).toEqual(sent);
    const [attachment] = made(sent?.messageId ?? '')?.attachments ?? [];
    expect(attachment).toMatchObject({ filename: 'chart "1".png', content_type: 'image/png', size: 3 });
    const content = new Uint8Array(10 * 1024 * 1024 + 1);
    await expect(opened.upload?.(access, { ...file, content }, signal)).rejects.toMatchObject({
      code: 'attachment_too_large',
    });
  });

  it('are fetched from Discord only, within the limit', async () => {
    const files = [{ name: 'a.txt', mediaType: 'text/plain', content: Buffer.from('12345') }];
    const sent = server.say(place, { from: server.addUser('Mara'), text: 'file', files });
    const [attachment] = sent.attachments;
    const ref = {
      name: 'a.txt',
      mediaType: 'text/plain',
      sizeBytes: 5,
      externalId: `${place.id}/${sent.id}/${attachment?.id}`,
    };
    const fetched = await opened.fetchFile?.(access, ref, { maxBytes: 5 }, signal);
    expect(Buffer.from(fetched?.content ?? []).toString()).toBe('12345');
    await expect(opened.fetchFile?.(access, ref, { maxBytes: 4 }, signal)).rejects.toMatchObject({
      code: 'attachment_too_large',
    });
    if (attachment !== undefined) attachment.size = 1; // what is said of it need not be true
    await expect(opened.fetchFile?.(access, ref, { maxBytes: 4 }, signal)).rejects.toMatchObject({
      code: 'attachment_too_large',
    });
    for (const url of [
      'https://evil.example/a.txt',
      'http://cdn.discordapp.com/a',
      'https://cdn.discordapp.com.evil.example/',
      'file:///etc/passwd',
    ]) {
      if (attachment !== undefined) attachment.url = url;
      const call = opened.fetchFile?.(access, ref, { maxBytes: 5 }, signal) ?? Promise.resolve();
      expect(await refusalOf(call)).toEqual(['platform_rejected', 'file_address_foreign']);
    }
    const gone = opened.fetchFile?.(
      access,
      { ...ref, externalId: `${place.id}/${sent.id}/1` },
      { maxBytes: 5 },
      signal,
    );
    expect(await refusalOf(gone ?? Promise.resolve())).toEqual(['platform_rejected', 'file_not_found']);
  });
});

describe('reading', () => {
  it('a thread shows who said what, oldest first, with the message that it began with', async () => {
    const asked = saying('The invoice is wrong.');
    const thread = server.beginThread(place, asked, 'Invoice');
    const target = { channelId: place.id, threadId: thread.id };
    server.say(thread, { from: server.addUser('Tomas'), text: 'By how much?' });
    await opened.post(access, { target, markdown: 'By **12 €**.', marker: { deliveryId: '8' } }, signal);
    const read = await opened.fetchThread(access, target, 50, signal);
    expect(read?.map(({ text, own, deliveryId }) => [text, own, deliveryId])).toEqual([
      ['The invoice is wrong.', false, null],
      ['By how much?', false, null],
      ['By **12 €**.', true, '8'],
    ]);
    expect(read?.[0]).toMatchObject({ messageId: asked.id, sender: { name: 'Mara' } });
    expect(await opened.fetchThread(access, target, 1, signal)).toHaveLength(1);
    expect(await opened.fetchThread(access, here(), 50, signal)).toBeNull();
    place.denied.set(ada.user.id, PERMISSIONS.readHistory);
    expect(await opened.fetchThread(access, target, 50, signal)).toBeNull();
  });

  it('a thread shows the files that stand in it, without words too, and they can be fetched from there', async () => {
    const files = [{ name: 'a.txt', mediaType: 'text/plain', content: Buffer.from('12345') }];
    const mara = server.addUser('Mara');
    const asked = server.say(place, { from: mara, text: '', files });
    const thread = server.beginThread(place, asked, 'Files');
    server.say(thread, { from: mara, text: '', files });
    server.say(thread, { from: mara, text: 'these two' });
    const target = { channelId: place.id, threadId: thread.id };
    const read = await opened.fetchThread(access, target, 50, signal);
    expect(read?.map(({ text, attachments }) => [text, attachments.map(({ name }) => name)])).toEqual([
      ['', ['a.txt']],
      ['', ['a.txt']],
      ['these two', []],
    ]);
    for (const [file] of read?.slice(0, 2).map(({ attachments }) => attachments) ?? []) {
      const fetched = file && (await opened.fetchFile?.(access, file, { maxBytes: 5 }, signal));
      expect(Buffer.from(fetched?.content ?? []).toString()).toBe('12345');
    }
  });

  it('a file that is replied to can be fetched by whoever is asked about it', async () => {
    const files = [{ name: 'a.txt', mediaType: 'text/plain', content: Buffer.from('12345') }];
    const sent = server.say(place, { from: server.addUser('Mara'), text: 'here', files });
    const asked = server.say(place, { from: server.addUser('Tomas'), text: 'sum up', replyTo: sent });
    const own = { userId: ada.user.id, roleIds: new Set<string>() };
    const there = { channelId: place.id, threadId: null, scope: 'channel', beginsThreads: true } as const;
    const event = parseMessage(asked as unknown as JsonRecord, there, own);
    const [file] = event.type === 'message' ? event.attachments : [];
    const fetched = file && (await opened.fetchFile?.(access, file, { maxBytes: 5 }, signal));
    expect(Buffer.from(fetched?.content ?? []).toString()).toBe('12345');
  });

  it('of people says who is one', async () => {
    const mara = server.addUser('Mara');
    expect(await opened.personName(access, mara.id, signal)).toBe('Mara');
    expect(await opened.isPerson(access, mara.id, signal)).toBe(true);
    expect(await opened.isPerson(access, ada.user.id, signal)).toBe(false);
    expect(await opened.personName(access, '100000000000000000', signal)).toBeNull();
    expect(calls('get user')).toHaveLength(3);
  });
});

describe('the doctor', () => {
  const url = 'https://konstruct.example.com/discord/interactions/c';
  const examined = async (credentials: object = {}, webhookUrl: string | null = url) => {
    const whose = { ...access, credentials: { ...access.credentials, ...credentials } };
    const identity = await opened.identify(whose, signal);
    expect(identity).toMatchObject({ externalId: ada.id, agentUserId: ada.user.id, name: 'Ada' });
    const found = await opened.examine(whose, identity, { webhookUrl, hasSharedSecret: false }, signal);
    for (const { level, remedy } of found) expect(remedy === null).toBe(level === 'ok');
    return found.map(({ level, text, remedy }) => `${level}: ${text}${remedy === null ? '' : ` ${remedy}`}`);
  };

  it('finds nothing amiss with a bot that was set up as the guide says', async () => {
    expect(await examined()).toEqual([
      'ok: in servers it sees every message where it is allowed in, and follows threads by itself.',
    ]);
    ada.interactionsEndpointUrl = url;
    expect(await examined({ publicKey: ada.publicKey })).toHaveLength(1);
  });

  it('names the intent, the permissions and the server', async () => {
    ada.canReadMessages = false;
    const [server0] = [...server.world.servers.values()];
    server0?.bots.set(ada.user.id, PERMISSIONS.view | PERMISSIONS.send | PERMISSIONS.readHistory);
    expect(await examined()).toEqual([
      expect.stringMatching(
        /^warning: the Message Content Intent is off.*Switch on "Message Content Intent"/,
      ),
      expect.stringMatching(
        /^warning: in "Acme" the bot lacks these permissions: Create Public Threads, Send Messages in Threads, Add Reactions, Attach Files, Embed Links\. Open https:\/\/discord\.com\/oauth2/,
      ),
    ]);
    server0?.bots.set(ada.user.id, PERMISSIONS.view);
    expect((await examined())[1]).toMatch(/^problem: .*Send Messages/);
    server0?.bots.set(ada.user.id, 1n << 3n); // an administrator lacks nothing
    expect(await examined()).toHaveLength(1);
    server0?.bots.clear();
    expect((await examined())[1]).toMatch(/^problem: the bot is in no server\..*permissions=309237763136/);
  });

  it('names what is wrong with the endpoint and its key', async () => {
    expect((await examined({ publicKey: '0'.repeat(64) }))[1]).toMatch(
      /^problem: the public key is not that of the app/,
    );
    ada.interactionsEndpointUrl = 'https://other.example.com/x';
    expect((await examined())[1]).toMatch(
      /^problem: Discord sends buttons and commands to an Interactions Endpoint/,
    );
    expect((await examined({ publicKey: ada.publicKey }))[1]).toMatch(
      /^problem: Discord sends buttons and commands to another address\. Enter https:\/\/konstruct/,
    );
    expect(await examined({ publicKey: ada.publicKey }, null)).toHaveLength(1);
  });

  it('warns of a bot that anybody may invite, of sessions that run out and of too many servers', async () => {
    ada.isPublic = true;
    ada.sessionsLeft = 3;
    ada.shards = 2;
    expect((await examined()).slice(1)).toEqual([
      expect.stringMatching(/^warning: anybody may invite the bot/),
      expect.stringMatching(/^warning: 3 of 1000 sessions/),
      expect.stringMatching(/^warning: Discord recommends 2 shards/),
    ]);
  });
});
