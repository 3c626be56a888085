import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../test/support/silent-log.ts';
import {
  acme,
  startTestSimulator,
  type TestSimulator,
} from '../../../test/support/simulator/start-test-simulator.ts';
import type { Channel } from '../../core/channel.ts';
import type { MessageEvent } from '../../core/channel-event.ts';
import type { ConnectionAccess, MessageAuthor, ThreadTarget } from '../../core/outbound.ts';
import { defaultSeeds } from '../../simulator/default-seeds.ts';
import type { SentMessage } from '../../simulator/simulator.ts';
import { systemTime } from '../../system-time.ts';
import { emojiName } from '../emoji-names.ts';
import { createSlackChannel } from './index.ts';

const never = new AbortController().signal;
const access: ConnectionAccess = {
  connectionId: 'c1',
  externalId: acme.workspaceId,
  credentials: { botToken: acme.token },
};
const target = { channelId: acme.general, threadId: null };
const [seed] = defaultSeeds;
if (seed === undefined) throw new Error('There is no seed.');

let slack: TestSimulator;
let channel: Channel;
let calls: { method: string; error: string | null }[];
let nowMs: number;
beforeEach(async () => {
  slack = await startTestSimulator();
  nowMs = Date.now();
  channel = createSlackChannel({
    apiUrl: slack.server.apiUrl,
    ...systemTime,
    clock: () => nowMs,
    log: silentLog,
  });
  calls = [];
  slack.simulator.subscribe((event) => {
    if (event.type === 'api.called') calls.push(event.call);
  });
});
afterEach(async () => {
  channel.close();
  await slack.stop();
});

const say = (text = 'hello'): Promise<SentMessage> =>
  slack.simulator.say({ workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara, text });

const withoutScope = (scope: string) => {
  const scopes = ['chat:write', 'reactions:write', 'assistant:write', 'im:history', 'channels:history'];
  slack.simulator.addWorkspace({ ...seed, scopes: scopes.filter((each) => each !== scope) });
};

describe('react', () => {
  const react = async (messageId: string, emoji: string, present: boolean): Promise<void> => {
    await channel.react?.(access, { target, messageId, emoji, present }, never);
  };
  const standing = (ts: string) =>
    slack.simulator
      .messages(acme.workspaceId, acme.general)
      .find(({ messageId }) => messageId === ts)
      ?.reactions.map(({ name }) => name);

  it('puts an emoji on a message and takes it off; what is so already is as wanted', async () => {
    const { ts } = await say();
    await react(ts, '👍', true);
    await react(ts, '👍🏽', true);
    expect(standing(ts)).toEqual(['+1']);
    await react(ts, '❤️', true);
    await react(ts, '👍', false);
    await react(ts, '👍', false);
    expect(standing(ts)).toEqual(['heart']);
  });

  it('refuses what Slack has no name for, and a message that is not there', async () => {
    const { ts } = await say();
    await expect(react(ts, 'x', true)).rejects.toMatchObject({ details: { platformError: 'invalid_name' } });
    await expect(react('1.000001', '👍', true)).rejects.toMatchObject({ code: 'platform_rejected' });
  });

  it('knows what the agent’s own tools and the etiquette use', () => {
    for (const emoji of ['👍', '👎', '❤', '👏', '🎉', '👀', '🙏', '💯', '🤔', '🛑', '⛔', '🔇', '✅'])
      expect(emojiName(emoji), emoji).not.toBeNull();
  });
});

describe('a text with a table', () => {
  const rows = (count: number) => ['| a | b |', '| - | - |', ...Array(count).fill('| 1 | 2 |')].join('\n');
  const stored = () => {
    const messages = slack.simulator.workspaces.get(acme.workspaceId)?.channels.get(acme.general)?.messages;
    return [...(messages?.values() ?? [])].map(({ markdown, blocks }) => [
      markdown,
      blocks?.some((block) => (block as { readonly type?: unknown }).type === 'markdown'),
    ]);
  };
  const marker = { deliveryId: '1' };

  it('is posted and edited as a block, and as markdown again where Slack does not take that', async () => {
    const { messageId } = await channel.post(access, { target, markdown: rows(3), marker }, never);
    expect(stored()).toEqual([[rows(3), true]]);
    await channel.edit(access, { target, messageId, markdown: rows(200), marker }, never);
    expect(stored()).toEqual([[rows(200), false]]);
    await channel.edit(access, { target, messageId, markdown: 'none', marker }, never);
    await channel.edit(access, { target, messageId, markdown: rows(4), marker }, never);
    expect(stored()).toEqual([[rows(4), true]]);
    await channel.post(access, { target, markdown: rows(200), marker }, never);
    expect(stored()[1]).toEqual([rows(200), false]);
    expect(calls.filter(({ error }) => error !== null).map(({ method, error }) => [method, error])).toEqual([
      ['chat.update', 'invalid_blocks'],
      ['chat.postMessage', 'invalid_blocks'],
    ]);
  });

  it('fails as ever where something else is wrong with it', async () => {
    slack.simulator.faults.add({ kind: 'api_error', error: 'is_archived', method: 'chat.postMessage' });
    const sent = channel.post(access, { target, markdown: rows(3), marker }, never);
    await expect(sent).rejects.toMatchObject({ details: { platformError: 'is_archived' } });
    expect(calls).toHaveLength(1);
  });
});

describe('the author of a message', () => {
  const post = (author: MessageAuthor, markdown = 'hello') =>
    channel.post(access, { target, markdown, marker: { deliveryId: '1' }, author }, never);
  const names = () =>
    slack.simulator.messages(acme.workspaceId, acme.general).map(({ userName }) => userName);
  const posts = () => calls.filter(({ method }) => method === 'chat.postMessage');

  it('is shown with name and picture, and the message is found and edited as ever', async () => {
    const { messageId } = await post({ name: 'Grace', icon: ':owl:' });
    expect(names()).toEqual(['Grace']);
    expect(await channel.findByMarker(access, target, { deliveryId: '1' }, never)).toEqual({ messageId });
    await channel.edit(access, { target, messageId, markdown: 'x', marker: { deliveryId: '1' } }, never);
    expect(names(), 'an edit is the app’s').toEqual(['Ada']);
    const thread = await channel.fetchThread(access, { ...target, threadId: messageId }, 5, never);
    expect(thread).toMatchObject([{ own: true, deliveryId: '1' }]);
  });

  it('is an own one where name or picture are not the app’s and the token may change them, and Slack says who we are', async () => {
    const isOwn = (name: string, icon: string | null = null) =>
      channel.hasOwnAuthor?.(access, { name, icon }, never);
    expect(
      await Promise.all([isOwn('Grace'), isOwn('Ada'), isOwn('Ada', ':owl:'), isOwn('Ada', 'owl')]),
    ).toEqual([true, false, true, false]);
    nowMs += 61 * 60_000;
    withoutScope('chat:write.customize');
    expect(await isOwn('Grace')).toBe(false);
    nowMs += 61 * 60_000;
    slack.simulator.faults.add({ kind: 'api_error', error: 'internal_error', method: 'auth.test' });
    await expect(isOwn('Grace')).rejects.toMatchObject({ code: 'platform_unavailable' });
  });

  it('cannot be taken away with its message, as Slack documents it', async () => {
    const { messageId } = await post({ name: 'Grace', icon: null });
    await expect(channel.remove(access, { target, messageId }, never)).rejects.toMatchObject({
      code: 'platform_rejected',
      details: { platformError: 'cant_delete_message' },
    });
  });

  it('is the app itself where that is called the same', async () => {
    const author: MessageAuthor = { name: 'Ada', icon: null };
    await post(author);
    const stored = slack.simulator.workspaces.get(acme.workspaceId)?.channels.get(acme.general)?.messages;
    expect([...(stored?.values() ?? [])].map(({ username }) => username)).toEqual([null]);
  });

  it('is the app itself without the scope, which is asked for once an hour', async () => {
    withoutScope('chat:write.customize');
    await post({ name: 'Grace', icon: null }, 'one');
    await post({ name: 'Grace', icon: 'https://example.com/owl.png' }, 'two');
    expect(names()).toEqual(['Ada', 'Ada']);
    expect(posts().map(({ error }) => error)).toEqual(['missing_scope', null, null]);
    slack.simulator.addWorkspace(seed);
    nowMs += 61 * 60_000;
    await post({ name: 'Grace', icon: null }, 'three');
    expect(names().at(-1)).toBe('Grace');
  });

  it('has no picture from an address that is not https', async () => {
    for (const icon of ['http://example.com/owl.png', 'owl', 'javascript:x', ':o w l:'])
      await post({ name: 'Ada', icon });
    expect(posts().every(({ error }) => error === null)).toBe(true);
  });
});

describe('the direct conversation that somebody opens', () => {
  const opening = {
    type: 'opening',
    account: { externalIds: [acme.workspaceId], appId: null, agentUserId: null },
    eventId: null,
    channelId: acme.dm,
    threadId: null,
    personId: acme.mara,
  } as const;
  const offered = () => slack.simulator.workspaces.get(acme.workspaceId)?.offeredPrompts.get(acme.dm);

  it('offers prompts, however often it is opened, and says nothing', async () => {
    for (let time = 0; time < 2; time += 1) await channel.welcome?.(access, opening, ['One?', 'Two?'], never);
    expect(offered()).toEqual(['One?', 'Two?']);
    expect(calls.map(({ method }) => method)).toEqual(Array(2).fill('assistant.threads.setSuggestedPrompts'));
    await channel.welcome?.(access, opening, [], never);
    expect(calls).toHaveLength(2);
  });

  it('would be offered nothing by prompts for one of its threads: Slack says yes and shows none', async () => {
    const { ts } = await slack.simulator.say({
      ...opening,
      workspaceId: acme.workspaceId,
      userId: acme.mara,
      text: 'hi',
    });
    await channel.welcome?.(access, { ...opening, threadId: ts }, ['One?'], never);
    expect([calls.at(-1)?.error, offered()]).toEqual([null, undefined]);
  });
});

describe('the older assistant view', () => {
  const open = async () => {
    const opened = await slack.simulator.openAssistant({
      workspaceId: acme.workspaceId,
      channelId: acme.dm,
      userId: acme.mara,
    });
    const view = () => slack.simulator.workspaces.get(acme.workspaceId)?.assistantThreads.get(opened.ts);
    return { threadId: opened.ts, view };
  };
  const account = { externalIds: [acme.workspaceId], appId: null, agentUserId: null };
  const openingOf = (threadId: string) =>
    ({ type: 'opening', account, eventId: null, channelId: acme.dm, threadId, personId: acme.mara }) as const;
  const messageIn = (threadId: string | null, text: string) =>
    ({
      channelId: acme.dm,
      threadId,
      text,
      sender: { externalId: acme.mara, name: null },
      channelMetadata: { threadOwnerId: acme.agent },
    }) as unknown as MessageEvent;

  it('offers prompts, and takes its title from what is said, whether or not this process saw it begin', async () => {
    const { threadId, view } = await open();
    await channel.welcome?.(access, openingOf(threadId), ['One?', 'Two?', '3?', '4?', '5?'], never);
    expect(view()).toMatchObject({ prompts: ['One?', 'Two?', '3?', '4?'], title: null });
    await channel.entitle?.(access, messageIn(threadId, `Refunds ${'x'.repeat(100)}\nmore`), never);
    expect(view()?.title).toMatch(/^Refunds x{51}…$/);
    const unseen = await open();
    await channel.entitle?.(access, messageIn(unseen.threadId, 'another'), never);
    expect(unseen.view()?.title).toBe('another');
  });

  it('says that the agent thinks, until a message of its own comes or it says that it does not', async () => {
    const { threadId } = await open();
    const shown = () => slack.simulator.workspaces.get(acme.workspaceId)?.statuses.get(threadId);
    const there = { channelId: acme.dm, threadId };
    await channel.status?.set(access, there, true, never);
    expect(shown()).toBe('is thinking…');
    const marker = { deliveryId: '1', firstTriedAtMs: nowMs };
    await channel.post(access, { target: there, markdown: 'Thinking…', marker }, never);
    expect(shown()).toBeUndefined();
    await channel.status?.set(access, there, true, never);
    await channel.status?.set(access, there, false, never);
    expect([calls.at(-1)?.error, shown()]).toEqual([null, undefined]);
  });

  it('has its status in direct conversations only', () => {
    const threadId = '1700000000.000100';
    const isShownIn = (place: ThreadTarget) => channel.status?.isShownIn(place);
    expect(isShownIn({ channelId: acme.dm, threadId })).toBe(true);
    expect(isShownIn({ channelId: acme.dm, threadId: null })).toBe(false);
    expect(isShownIn({ channelId: acme.general, threadId })).toBe(false);
  });

  it('leaves other conversations alone', async () => {
    const ofPerson = {
      ...messageIn('1700000000.000100', 'hello'),
      channelMetadata: { threadOwnerId: acme.mara },
    };
    await channel.entitle?.(access, ofPerson, never);
    await channel.entitle?.(access, messageIn(null, 'hello'), never);
    expect(calls).toEqual([]);
    // Below an answer, which is the app's as well.
    const { messageId } = await channel.post(
      access,
      {
        target: { channelId: acme.dm, threadId: null },
        markdown: 'Hello.',
        marker: { deliveryId: '1', firstTriedAtMs: nowMs },
      },
      never,
    );
    await channel.entitle?.(access, messageIn(messageId, 'and this?'), never);
    expect(calls.at(-1)).toMatchObject({ method: 'assistant.threads.setTitle', error: 'invalid_thread_ts' });
  });

  it('is not asked for again for an hour where the app has none', async () => {
    withoutScope('assistant:write');
    const { threadId, view } = await open();
    for (let time = 0; time < 3; time += 1)
      await channel.welcome?.(access, openingOf(threadId), ['One?'], never);
    expect(calls.map(({ error }) => error)).toEqual(['missing_scope']);
    expect(view()?.prompts).toEqual([]);
    slack.simulator.addWorkspace(seed);
    nowMs += 61 * 60_000;
    await channel.welcome?.(access, openingOf(threadId), ['One?'], never);
    expect(calls).toHaveLength(2);
  });
});
