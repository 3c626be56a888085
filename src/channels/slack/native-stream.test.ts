import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../test/support/silent-log.ts';
import {
  acme,
  startTestSimulator,
  type TestSimulator,
} from '../../../test/support/simulator/start-test-simulator.ts';
import type { Channel } from '../../core/channel.ts';
import type { AnswerStream, ConnectionAccess, StreamStart } from '../../core/outbound.ts';
import { systemTime } from '../../system-time.ts';
import { createSlackChannel } from './index.ts';

const never = new AbortController().signal;
const marker = { deliveryId: '7' };
const access: ConnectionAccess = {
  connectionId: 'c1',
  externalId: acme.workspaceId,
  credentials: { botToken: acme.token },
};

let slack: TestSimulator;
let channel: Channel;
let calls: string[];
/** How far the channel's clock is ahead. */
let aheadMs: number;
/** What was remembered as the answer's place. */
let places: string[];
let target: { channelId: string; threadId: string };
let placeholder: string;
beforeEach(async () => {
  slack = await startTestSimulator();
  aheadMs = 0;
  places = [];
  calls = [];
  channel = createSlackChannel({
    apiUrl: slack.server.apiUrl,
    ...systemTime,
    clock: () => Date.now() + aheadMs,
    sleep: (ms, signal) => systemTime.sleep(Math.min(ms, 5), signal), // its pace does not matter here
    log: silentLog,
  });
  slack.simulator.subscribe((event) => {
    if (event.type === 'api.called') calls.push(event.call.method);
  });
  const { ts } = await slack.simulator.say({
    workspaceId: acme.workspaceId,
    channelId: acme.general,
    userId: acme.mara,
    text: 'hello',
  });
  target = { channelId: acme.general, threadId: ts };
  placeholder = (await channel.post(access, { target, markdown: 'Thinking…', marker }, never)).messageId;
});
afterEach(async () => {
  channel.close();
  await slack.stop();
});

function open(change: Partial<StreamStart> = {}): AnswerStream {
  const stream = channel.openStream?.(access, {
    target,
    messageId: placeholder,
    marker,
    recipientId: acme.mara,
    mayStillSend: () => true,
    onMessage: async (messageId) => void places.push(messageId),
    ...change,
  });
  if (stream === undefined) throw new Error('It has no stream.');
  return stream;
}

const texts = () =>
  slack.simulator
    .messages(acme.workspaceId, acme.general, target.threadId)
    .filter(({ isAgent }) => isAgent)
    .map(({ markdown, text }) => markdown ?? text);
const streams = () => slack.simulator.workspaces.get(acme.workspaceId)?.streams.size;

async function shown(stream: AnswerStream, text: string, isThere: (all: string[]) => boolean): Promise<void> {
  stream.show(text);
  await expect.poll(() => isThere(texts()), { timeout: 3_000 }).toBe(true);
}

describe('a stream of Slack’s own', () => {
  it('is remembered before it shows anything, takes the placeholder’s place, and carries the marker at its end', async () => {
    let seen: string[] = [];
    const stream = open({
      async onMessage(messageId) {
        places.push(messageId);
        seen = texts();
      },
    });
    await shown(stream, 'One two', (all) => all.join() === 'One two');
    expect(seen).toEqual(['Thinking…', '']);
    await shown(stream, 'One two three', (all) => all.join() === 'One two three');
    const { messageId } = await stream.close();
    expect(places).toEqual([messageId]);
    expect(streams()).toBe(0);
    expect(await channel.findByMarker(access, target, marker, never)).toEqual({ messageId });
    await channel.edit(access, { target, messageId, markdown: 'All of it.', marker }, never);
    expect(texts()).toEqual(['All of it.']);
  });

  it('is gone again, and the placeholder stays, where it cannot be remembered', async () => {
    const stream = open({ onMessage: () => Promise.reject(new Error('no database')) });
    stream.show('One');
    await expect.poll(() => calls.includes('chat.delete')).toBe(true);
    expect(await stream.close()).toEqual({ messageId: placeholder });
    expect(texts()).toEqual(['Thinking…']);
  });

  it('goes on by edits of the same message before Slack would end it, and where the text is another one', async () => {
    const stream = open();
    await shown(stream, 'One', (all) => all.join() === 'One');
    aheadMs += 4.6 * 60_000;
    await shown(stream, 'One two', (all) => all.join() === 'One two …');
    expect(streams()).toBe(0);
    await stream.close();
    const other = open({ messageId: places[0] ?? '' });
    await shown(other, 'A', (all) => all.join() === 'A');
    await shown(other, 'B', (all) => all.join() === 'B …');
    await other.close();
    expect(texts()).toHaveLength(1);
  });

  it('is not begun for somebody who may not send any more', async () => {
    const stream = open({ mayStillSend: () => false });
    stream.show('One');
    expect(await stream.close()).toEqual({ messageId: placeholder });
    expect(calls).not.toContain('chat.startStream');
    expect(texts()).toEqual(['Thinking…']);
  });

  it('that its process left open is ended by whoever edits the message', async () => {
    const stream = open();
    await shown(stream, 'One', (all) => all.join() === 'One');
    const [messageId = ''] = places;
    await channel.edit(access, { target, messageId, markdown: 'All of it.', marker }, never);
    expect(texts()).toEqual(['All of it.']);
    expect(streams()).toBe(0);
    await stream.close();
    expect(texts()).toEqual(['All of it.']);
  });

  it('is not asked of Slack in a channel where nobody knows the workspace of whoever asked', async () => {
    const organisation = { ...access, externalId: 'E0ACME' };
    const stream = channel.openStream?.(organisation, {
      target,
      messageId: placeholder,
      marker,
      recipientId: acme.mara,
      mayStillSend: () => true,
      onMessage: async () => {},
    });
    stream?.show('One');
    await expect.poll(() => texts().join()).toBe('One …');
    expect(await stream?.close()).toEqual({ messageId: placeholder });
  });
});
