import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/conversation.ts';
import type { App, Channel } from '../../../../test/support/discord/discord-world.ts';
import {
  type DiscordServer,
  startDiscordServer,
} from '../../../../test/support/discord/start-discord-server.ts';
import { recordingLog } from '../../../../test/support/recording-log.ts';
import type { RecordedActivity } from '../../../core/channel.ts';
import type { ChannelEvent } from '../../../core/channel-event.ts';
import { KonstructError } from '../../../core/errors.ts';
import { systemTime } from '../../../system-time.ts';
import { discord } from '../index.ts';

let server: DiscordServer;
let ada: App;
let channel: Channel;
let log: ReturnType<typeof recordingLog>;
let stopping: AbortController;
let running: Promise<void>;
beforeEach(async () => {
  server = await startDiscordServer();
  ada = server.addApp({ name: 'Ada' });
  channel = server.addChannel(server.addServer('Acme', [ada]));
  stopping = new AbortController();
});
afterEach(async () => {
  stopping.abort();
  await running;
  await server.close();
});

const nothing: RecordedActivity = { lastMessageAtMs: null, directChannelIds: [] };

async function listen(
  receive: (events: readonly ChannelEvent[]) => Promise<void>,
  recall: () => Promise<RecordedActivity> = async () => nothing,
): Promise<void> {
  log = recordingLog();
  const sleep: typeof systemTime.sleep = (ms, signal) => systemTime.sleep(Math.min(ms, 20), signal);
  const opened = discord.open({ apiUrl: server.apiUrl, ...systemTime, sleep, log });
  const access = { connectionId: 'c', externalId: ada.id, credentials: { botToken: ada.token } };
  const { subscription } = opened;
  running = subscription?.byPolling(access, receive, stopping.signal, recall) ?? Promise.resolve();
  void running.catch(() => {}).finally(() => opened.close());
  await until('it is online', () => server.gateway.online().includes(ada.id));
}

const textsOf = (events: readonly ChannelEvent[]) =>
  events.flatMap((event) => (event.type === 'message' ? [event.text] : []));

describe('an event that cannot be stored', () => {
  it('is repeated by Discord with all that came after it, in order, and what was stored before is not', async () => {
    const taken: string[] = [];
    let isAway = false;
    await listen(async (events) => {
      for (const text of textsOf(events)) {
        if (isAway && text !== 'one') throw new Error('the database is away');
        taken.push(text);
      }
    });
    const mara = server.addUser('Mara');
    server.say(channel, { from: mara, text: 'one' });
    await until('it is taken', () => taken.length === 1);
    isAway = true;
    server.say(channel, { from: mara, text: 'two' });
    server.say(channel, { from: mara, text: 'three' });
    await until('the connection is given up', () =>
      log.lines.some(({ event }) => event === 'discord.session_lost'),
    );
    isAway = false;
    await until('all is there', () => taken.length === 3);
    expect(taken).toEqual(['one', 'two', 'three']);
    expect([server.gateway.identifies, server.gateway.resumes > 0]).toEqual([1, true]);
  });

  it('and never can be is given up in the end, and what comes after it is heard', async () => {
    const taken: string[] = [];
    let tries = 0;
    await listen(async (events) => {
      for (const text of textsOf(events)) {
        if (text === 'poison') {
          tries += 1;
          throw Object.assign(new Error(`nobody can store "${text}"`), { code: '22008' });
        }
        taken.push(text);
      }
    });
    const mara = server.addUser('Mara');
    for (const text of ['poison', 'after it']) server.say(channel, { from: mara, text });
    await until('it is given up', () => taken.length === 1);
    expect([taken, tries]).toEqual([['after it'], 5]);
    expect(log.lines.filter(({ event }) => event === 'discord.event_given_up')).toHaveLength(1);
    expect(inspect(log.lines, { depth: null })).not.toContain('poison');
  });

  it('because something is away is never given up', async () => {
    let tries = 0;
    const taken: string[] = [];
    await listen(async (events) => {
      for (const text of textsOf(events)) {
        tries += 1;
        if (tries < 12) throw new KonstructError('database_unavailable');
        taken.push(text);
      }
    });
    server.say(channel, { from: server.addUser('Mara'), text: 'patience' });
    await until('it is taken', () => taken.length === 1);
    expect(tries).toBe(12);
  });

  it('does not hold up what others wait for: an interaction is taken while a message is being stored', async () => {
    const stored = Promise.withResolvers<void>();
    const taken: string[] = [];
    await listen(async (events) => {
      if (textsOf(events).includes('slow')) await stored.promise;
      taken.push(...events.map(({ type }) => type));
    });
    const mara = server.addUser('Mara');
    server.say(channel, { from: mara, text: 'slow' });
    await server.command(ada, channel, mara, 'quick?');
    await until('the command is taken', () => taken.includes('command'));
    expect(taken).not.toContain('message');
    stored.resolve();
    await until('the message is, too', () => taken.includes('message'));
  });
});

describe('a connection that Discord ends again and again', () => {
  it('is waited with, longer each time', async () => {
    await listen(async () => {});
    for (let round = 1; round <= 4; round += 1) {
      server.gateway.cut(ada, 4000);
      await until('it is back', () => server.gateway.resumes === round);
    }
    const waits = log.lines
      .filter(({ event }) => event === 'discord.connection_ended')
      .map(({ fields }) => Number(fields.waitMs));
    expect(waits[0]).toBe(0);
    for (const [index, least] of [1_000, 2_000, 4_000].entries())
      expect(waits[index + 1]).toBeGreaterThanOrEqual(least);
  });
});

describe('the events of one channel', () => {
  it('are taken one after the other, whatever each of them takes', async () => {
    const taken: string[] = [];
    await listen(async (events) => {
      const [text = ''] = textsOf(events);
      await new Promise((resolve) => setTimeout(resolve, text === 'first' ? 80 : 0));
      if (text !== '') taken.push(text);
    });
    const mara = server.addUser('Mara');
    for (const text of ['first', 'second', 'third']) server.say(channel, { from: mara, text });
    await until('all are taken', () => taken.length === 3);
    expect(taken).toEqual(['first', 'second', 'third']);
  });
});

describe('a new session', () => {
  it('reads what was said since the last message on record, page by page, oldest first, and then what comes', async () => {
    const mara = server.addUser('Mara');
    const old = server.say(channel, { from: mara, text: 'long ago' });
    channel.messages.delete(old.id);
    const longAgo = String(BigInt(old.id) - (BigInt(3 * 60 * 60_000) << 22n));
    channel.messages.set(longAgo, { ...old, id: longAgo });
    for (let number = 0; number < 250; number += 1)
      server.say(channel, { from: mara, text: `missed ${number}` });
    const taken: string[] = [];
    await listen(
      async (events) => {
        taken.push(...textsOf(events));
      },
      async () => ({ lastMessageAtMs: Date.now() - 60 * 60_000, directChannelIds: [] }),
    );
    server.say(channel, { from: mara, text: 'now' });
    await until('all is there', () => taken.includes('now'));
    // What is said while it is read may come both ways; it has one id, and is stored once.
    expect([...new Set(taken)]).toEqual([
      ...Array.from({ length: 250 }, (_, number) => `missed ${number}`),
      'now',
    ]);
  });

  it('leaves alone what it may not read', async () => {
    const mara = server.addUser('Mara');
    server.say(channel, { from: mara, text: 'secret' });
    channel.denied.set(ada.user.id, 1n << 10n);
    const taken: string[] = [];
    await listen(
      async (events) => {
        taken.push(...textsOf(events));
      },
      async () => ({ lastMessageAtMs: Date.now() - 60_000, directChannelIds: ['dm-100000000000000000'] }),
    );
    const open = server.addChannel([...server.world.servers.values()][0] as never);
    server.say(open, { from: mara, text: 'open' });
    await until('the open word is taken', () => taken.length > 0);
    expect(taken).toEqual(['open']);
  });
});

describe('a thread that was folded away', () => {
  it('is looked up once when somebody writes in it', async () => {
    const taken: ChannelEvent[] = [];
    await listen(async (events) => {
      taken.push(...events);
    });
    const mara = server.addUser('Mara');
    const first = server.say(channel, { from: mara, text: 'begin' });
    // As it is when it was begun long before the session.
    const thread: Channel = { ...channel, id: first.id, type: 11, parentId: channel.id, messages: new Map() };
    server.world.channels.set(thread.id, thread);
    for (const text of ['one', 'two']) server.say(thread, { from: mara, text });
    await until('all are taken', () => taken.length === 3);
    expect(taken.slice(1)).toMatchObject([
      { channelId: channel.id, threadId: thread.id },
      { channelId: channel.id, threadId: thread.id },
    ]);
    expect(server.calls.filter(({ name }) => name === 'get channel')).toHaveLength(1);
  });
});
