import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordingLog } from '../../../test/support/recording-log.ts';
import { startTeamsServer, type TeamsServer } from '../../../test/support/teams/start-teams-server.ts';
import type { Conversation } from '../../../test/support/teams/teams-world.ts';
import type { Channel } from '../../core/channel.ts';
import type { AnswerStream, ConnectionAccess, StreamStart } from '../../core/outbound.ts';
import { systemTime } from '../../system-time.ts';
import { teams } from './index.ts';

const never = new AbortController().signal;
const marker = { deliveryId: '7' };
const app = { appId: '11111111-1111-4111-8111-111111111111', password: 'shared~password', name: 'Ada' };
const TENANT = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
const access: ConnectionAccess = {
  connectionId: 'c',
  externalId: TENANT,
  credentials: {},
  settings: { streaming: 'native' },
};

let server: TeamsServer;
let channel: Channel;
let chat: Conversation;
let target: { channelId: string; threadId: null };
let placeholder: string;
/** What was remembered as the answer's place, and where a stop was told of. */
let places: string[];
let stops: string[];

beforeEach(async () => {
  server = await startTeamsServer();
  server.addApp(app);
  const { apiUrl, loginUrl, openIdUrl } = server;
  channel = teams.open({
    apiUrl,
    ...systemTime,
    // Time goes on by sleeping: what has to wait a second here waits none.
    clock: () => Date.now() + server.aheadMs,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      server.aheadMs += ms;
      await systemTime.sleep(1, signal);
    },
    log: recordingLog(),
    values: { appId: app.appId, appPassword: app.password, loginUrl, openIdUrl },
  });
  chat = newChat('personal');
  places = [];
  stops = [];
});
afterEach(async () => {
  channel.close();
  await server.close();
});

function newChat(type: Conversation['type']): Conversation {
  const id = type === 'personal' ? `a:${randomUUID()}` : `19:${randomUUID()}@thread.v2`;
  return server.addConversation({ id, type, tenantId: TENANT, apps: [app.appId] });
}

async function open(change: Partial<StreamStart> = {}): Promise<AnswerStream> {
  target = { channelId: chat.id, threadId: null };
  if (change.messageId === undefined)
    placeholder = (await channel.post(access, { target, markdown: 'Thinking…', marker }, never)).messageId;
  const stream = channel.openStream?.(access, {
    target,
    messageId: placeholder,
    marker,
    recipientId: '29:mara',
    mayStillSend: () => true,
    onMessage: async (messageId) => void places.push(messageId),
    onStop: async (messageId) => void stops.push(messageId),
    ...change,
  });
  if (stream === undefined) throw new Error('It has no stream.');
  return stream;
}

const texts = () => [...chat.messages.values()].map(({ shown }) => shown);
const state = () => [...chat.messages.values()].at(-1)?.stream?.state;
const posted = (kind: string) =>
  server.calls.filter(({ activity }) => JSON.stringify(activity).includes(`"streamType":"${kind}"`));

async function shown(stream: AnswerStream, text: string, isThere: (all: string[]) => boolean): Promise<void> {
  stream.show(text);
  await expect.poll(() => isThere(texts()), { timeout: 3_000 }).toBe(true);
}

const answer = (messageId: string, markdown: string, choices?: readonly string[]) =>
  channel.edit(access, { target, messageId, markdown, marker, ...(choices ? { choices } : {}) }, never);

describe('a stream of Teams’ own', () => {
  it('is for personal chats', () => {
    const has = (channelId: string, threadId: string | null = null) =>
      channel.hasStream?.({ channelId, threadId });
    expect(has('a:1xyz')).toBe(true);
    expect(has('a:1xyz', '1700000000000')).toBe(true); // what is answered
    expect(has('19:a_b@unq.gbl.spaces')).toBe(true);
    expect(has('19:abc@thread.v2', 'chat')).toBe(false);
    expect(has('19:abc@thread.tacv2', '1700000000000')).toBe(false);
    expect(has('19:abc@thread.tacv2')).toBe(false);
  });

  it('holds no word of the answer until the placeholder is gone and it is remembered', async () => {
    let seen: string[] = [];
    const stream = await open({
      async onMessage(messageId) {
        places.push(messageId);
        seen = texts();
      },
    });
    await shown(stream, 'One two', (all) => all.join() === 'One two');
    expect(seen).toEqual(['…']);
    await shown(stream, 'One two three', (all) => all.join() === 'One two three');
    const { messageId } = await stream.close();
    expect(places).toEqual([messageId]);
    expect(state()).toBe('final');
    await answer(messageId, '**All** of it.');
    expect(texts()).toEqual(['All of it.']);
    expect(posted('final')).toHaveLength(1);
  });

  it('in which nothing was written yet is ended all the same', async () => {
    const stream = await open();
    stream.show('One');
    await expect.poll(() => places.length).toBe(1);
    const { messageId } = await stream.close();
    expect(state()).toBe('final');
    await answer(messageId, 'All of it.');
    expect(texts()).toEqual(['All of it.']);
  });

  it('keeps to one request a second, whatever is written meanwhile', async () => {
    const stream = await open();
    for (let count = 1; count <= 40; count += 1) {
      stream.show('word '.repeat(count));
      await systemTime.sleep(2, never);
    }
    await stream.close();
    expect(state()).toBe('final'); // the stand-in refuses what comes sooner
    expect(server.calls.some(({ method }) => method === 'PUT')).toBe(false);
  });

  it('has neither pictures nor tags, and never another text than before', async () => {
    const stream = await open();
    await shown(stream, 'Look!', (all) => all.join() === 'Look');
    await shown(stream, 'Look![x](https://evil.example/?q=1) <img src=x> <at>Mara</at>', (all) =>
      all.join().includes('Mara'),
    );
    await stream.close();
    expect(texts().join()).not.toMatch(/!\[|<[a-z/]/);
    expect(state()).toBe('final');
  });

  it('is gone again, and the placeholder stays, where that cannot be taken away', async () => {
    server.faults.push({ method: 'DELETE', kind: 'error', remaining: 3 });
    const stream = await open();
    await shown(stream, 'One', (all) => all.join() === 'One …');
    expect(await stream.close()).toEqual({ messageId: placeholder });
    expect(places).toEqual([]);
  });

  it('is gone again where it cannot be remembered, and the answer is a new message', async () => {
    const stream = await open({ onMessage: () => Promise.reject(new Error('no database')) });
    stream.show('One');
    await expect.poll(() => texts()).toEqual([]);
    const { messageId } = await stream.close();
    await expect(answer(messageId, 'All of it.')).rejects.toMatchObject({
      details: { platformError: 'message_not_found' },
    });
  });

  it('goes on by edits of the same message where the text is another one, and before Teams would end it', async () => {
    const stream = await open();
    await shown(stream, 'A', (all) => all.join() === 'A');
    await shown(stream, 'B', (all) => all.join() === 'B …');
    expect(state()).toBe('final');
    await stream.close();
    expect(texts()).toHaveLength(1);
    chat = newChat('personal');
    const long = await open();
    await shown(long, 'One', (all) => all.join() === 'One');
    server.aheadMs += 101_000;
    await shown(long, 'One two', (all) => all.join() === 'One two …');
    expect(state()).toBe('final');
    await long.close();
  });

  it('that Teams has ended after two minutes, as the answer came, becomes the answer', async () => {
    const stream = await open();
    await shown(stream, 'One', (all) => all.join() === 'One');
    server.aheadMs += 121_000;
    const { messageId } = await stream.close();
    await answer(messageId, 'All of it.', ['Yes', 'No']);
    expect([...chat.messages.values()]).toMatchObject([
      { shown: 'All of it.', card: { actions: [{ title: 'Yes' }, { title: 'No' }] } },
    ]);
  });

  it('tells of a person’s Stop, while it is written and at its end', async () => {
    const stream = await open();
    await shown(stream, 'One', (all) => all.join() === 'One');
    server.stopStream(chat.id);
    stream.show('One two');
    await expect.poll(() => stops).toEqual(places);
    stream.show('One two three');
    const { messageId } = await stream.close();
    expect(stops).toEqual([messageId]);
    expect(texts()).toEqual(['One']);

    chat = newChat('personal');
    const other = await open();
    await shown(other, 'One', (all) => all.join() === 'One');
    server.stopStream(chat.id);
    await other.close();
    expect(stops).toEqual(places);
  });

  it.each(['refused', 'not_enabled'] as const)(
    'is %s: the placeholder is edited, and Teams is not asked again soon',
    async (streaming) => {
      server.streaming = streaming;
      for (let round = 0; round < 2; round += 1) {
        const stream = await open();
        await shown(stream, 'One', (all) => all.includes('One …'));
        expect(await stream.close()).toEqual({ messageId: placeholder });
      }
      expect(posted('informative')).toHaveLength(1);
      expect(places).toEqual([]);
    },
  );

  it('shows no more than Teams takes', async () => {
    const stream = await open();
    await shown(stream, 'One', (all) => all.join() === 'One');
    server.maxStreamCharacters = 100;
    stream.show(`One ${'word '.repeat(100)}`);
    await expect.poll(() => posted('streaming').length).toBe(2);
    const { messageId } = await stream.close();
    expect(texts()).toEqual(['One']);
    expect(state()).toBe('final');
    await answer(messageId, 'All of it.');
    expect(texts()).toEqual(['All of it.']);
  });

  it('goes on after a call that failed', async () => {
    const stream = await open();
    await shown(stream, 'One', (all) => all.join() === 'One');
    server.faults.push({ method: 'POST', kind: 'cut_after', remaining: 1 });
    stream.show('One two');
    await shown(stream, 'One two three', (all) => all.join() === 'One two three');
    server.faults.push({ method: 'POST', kind: 'error', remaining: 1 });
    await stream.close();
    expect(state()).toBe('final');
  });

  it('is not begun for somebody who may not send any more', async () => {
    const stream = await open({ mayStillSend: () => false });
    stream.show('One');
    expect(await stream.close()).toEqual({ messageId: placeholder });
    expect(texts()).toEqual(['Thinking…']);
  });
});

describe('a stream that its process left open', () => {
  async function abandoned(): Promise<string> {
    const stream = await open();
    await shown(stream, 'One', (all) => all.join() === 'One');
    return places[0] ?? '';
  }

  it('is ended by whoever puts the answer there', async () => {
    const messageId = await abandoned();
    await answer(messageId, 'All of it.');
    expect(texts()).toEqual(['All of it.']);
    expect(state()).toBe('final');
  });

  it('is taken away where Teams lets nobody change it: the answer is a new message', async () => {
    const messageId = await abandoned();
    server.streamUpdates = 'refused';
    const glimpse = { target, messageId, markdown: 'x', marker, isProvisional: true };
    await expect(channel.edit(access, glimpse, never)).rejects.toMatchObject({
      details: { platformError: 'ContentStreamNotAllowed' },
    });
    expect(texts()).toEqual(['One']);
    await expect(answer(messageId, 'All of it.')).rejects.toMatchObject({
      details: { platformError: 'message_not_found' },
    });
    expect(texts()).toEqual([]);
  });

  it('is followed by no second one: it is edited until it is over', async () => {
    const messageId = await abandoned();
    const stream = await open({ messageId });
    await shown(stream, 'Anew', (all) => all.join() === 'Anew …');
    expect(await stream.close()).toEqual({ messageId });
    expect(posted('informative')).toHaveLength(2);
  });
});
