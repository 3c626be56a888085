import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/conversation.ts';
import type { Channel, Post, User } from '../../../../test/support/mattermost/mattermost-world.ts';
import {
  type MattermostServer,
  startMattermostServer,
} from '../../../../test/support/mattermost/start-mattermost-server.ts';
import { recordingLog } from '../../../../test/support/recording-log.ts';
import type { ChannelEvent } from '../../../core/channel-event.ts';
import { systemTime } from '../../../system-time.ts';
import { createMattermostClient } from '../client.ts';
import { createDirectory } from '../directory.ts';
import { type FollowTiming, followEvents } from './follow-events.ts';

const TOKEN = 'adabottoken0standin0000000';
const CONNECTION = '0d9c2a52-6f0c-4a55-9a5d-0a8f5f0d9c2a';
const HOUR_MS = 3_600_000;

let server: MattermostServer;
let ada: User;
let mara: User;
let channel: Channel;
let log: ReturnType<typeof recordingLog>;
let stopping: (() => Promise<void>)[];
beforeEach(async () => {
  server = await startMattermostServer();
  ada = server.addUser({ username: 'ada', is_bot: true, token: TOKEN });
  mara = server.addUser({ username: 'mara' });
  channel = server.addChannel('O', [ada, mara], server.addTeam('acme', [ada, mara]));
  log = recordingLog();
  stopping = [];
});
afterEach(async () => {
  for (const stop of stopping) await stop();
  await server.close();
});

interface Following {
  readonly events: ChannelEvent[];
  /** What was said, in the order in which it was received. */
  texts(): string[];
  stop(): Promise<void>;
  readonly ended: Promise<void>;
}

function follow(
  given: {
    readonly receive?: (events: readonly ChannelEvent[]) => Promise<void>;
    readonly token?: string;
  } & Partial<FollowTiming> = {},
): Following {
  const { receive = async () => {}, token = TOKEN, ...timing } = given;
  const client = createMattermostClient({ ...systemTime, log, timeoutMs: 2_000, maxWaitMs: 2_000 });
  const directory = createDirectory(client, systemTime.clock, log);
  const credentials = { serverUrl: server.url, botToken: token };
  const access = { connectionId: CONNECTION, externalId: '', credentials };
  const ending = new AbortController();
  const events: ChannelEvent[] = [];
  const ended = followEvents(
    {
      client,
      directory,
      log,
      ...systemTime,
      wallClock: () => server.world.now(),
      timing: { firstRetryMs: 10, longestRetryMs: 100, noteEveryMs: 0, ...timing },
    },
    access,
    async (received) => {
      await receive(received);
      events.push(...received.filter(({ type }) => type !== 'ignored'));
    },
    ending.signal,
  );
  const stop = async (): Promise<void> => {
    ending.abort();
    await ended.catch(() => {});
    client.close();
  };
  stopping.push(stop);
  const texts = (): string[] => events.flatMap((event) => (event.type === 'message' ? [event.text] : []));
  return { events, texts, stop, ended };
}

const ready = (times = 1) => until('it is listened to', () => logged('mattermost.following').length >= times);
const logged = (name: string) => log.lines.filter(({ event }) => event === name);
const say = (text: string, rootId?: string): Promise<Post> =>
  server.say(channel, { from: mara, text, ...(rootId === undefined ? {} : { rootId }) });

describe('a new connection', () => {
  it('begins now: what was said before is not for it', async () => {
    await say('@ada long ago');
    const { texts, stop } = follow();
    await ready();
    await say('now');
    await until('it came', () => texts().includes('now'));
    await stop();
    const second = follow();
    await until('it is looked at once more', () => second.texts().includes('now'));
    expect([texts(), second.texts()]).toEqual([['now'], ['now']]);
  });

  it('with a token that is no good ends', async () => {
    await expect(follow({ token: 'x'.repeat(26) }).ended).rejects.toMatchObject({
      code: 'platform_rejected',
      details: { platformError: 'unauthorized' },
    });
  });
});

describe('after a time without a socket', () => {
  it('what was missed comes first: posts, replies, edits, deletions and reactions, in order', async () => {
    const { events, texts } = follow();
    await ready();
    const [one, two, three] = [await say('one'), await say('two'), await say('three')];
    await until('they came', () => texts().length === 3);
    server.world.pass(6_000); // out of what is looked at once more
    await say('four');
    await until('it came', () => texts().length === 4);
    const before = events.length;
    server.isAway = true;
    const five = await say('five');
    await say('six', five.id);
    server.edit(one, 'one and a half');
    server.remove(two);
    server.react(three, mara, 'octagonal_sign');
    server.isAway = false;
    await say('seven');
    await until('all is known', () => texts().includes('seven'));
    const missed = events.slice(before);
    expect(
      missed.filter(({ type }) => type === 'message').map((event) => 'text' in event && event.text),
    ).toEqual(expect.arrayContaining(['five', 'six', 'seven']));
    expect(
      texts()
        .filter((text) => ['five', 'six', 'seven'].includes(text))
        .slice(0, 2),
    ).toEqual(['five', 'six']);
    expect(missed).toContainEqual(
      expect.objectContaining({ type: 'edit', messageId: one.id, text: 'one and a half' }),
    );
    expect(missed).toContainEqual(expect.objectContaining({ type: 'deletion', messageId: two.id }));
    expect(missed).toContainEqual(
      expect.objectContaining({ type: 'reaction', messageId: three.id, emoji: '🛑', present: true }),
    );
    expect(missed.filter((event) => 'messageId' in event && event.messageId === one.id)).toHaveLength(1);
  });

  it('what another bot has said and edited is not taken for a person’s, whatever the edit left of its props', async () => {
    const gus = server.addUser({ username: 'gus', is_bot: true });
    channel.members.add(gus.id);
    const before = await server.say(channel, { from: gus, text: 'Thinking…' });
    const { texts, events } = follow();
    await ready();
    server.isAway = true;
    const during = await server.say(channel, { from: gus, text: 'Thinking…' });
    for (const post of [before, during]) {
      post.props = {};
      server.edit(post, '@ada is right.');
    }
    await say('one');
    server.isAway = false;
    await until('it came', () => texts().includes('one'));
    expect(events).toMatchObject([{ type: 'message', text: 'one' }]);
    expect(server.calls.filter((call) => call === `GET /users/${gus.id}`)).toHaveLength(1);
  });

  it('that was cut, loses an event or falls silent, nothing is lost', async () => {
    const { texts } = follow({ pingEveryMs: 50, silenceMs: 300 });
    await ready();
    server.cutSockets();
    await say('after the cut');
    await until('it came', () => texts().includes('after the cut'));
    await ready(2);
    server.dropNextEvent();
    await say('dropped');
    await say('the next one shows that one is missing');
    await until('it came', () => texts().includes('dropped'));
    await ready(3);
    server.freezeSockets();
    await say('into the silence');
    await until('it came', () => texts().includes('into the silence'));
    const reasons = logged('mattermost.socket_lost').map(({ fields }) => fields.reason);
    expect(reasons).toEqual(expect.arrayContaining(['closed', 'events_missing', 'silent']));
  });

  it('a server that stays away is asked less and less often, and found again', async () => {
    const { texts } = follow();
    await ready();
    server.isAway = true;
    await until('some attempts have failed', () => logged('mattermost.socket_lost').length >= 4);
    server.isAway = false;
    await say('back');
    await until('it came', () => texts().includes('back'));
  });
});

describe('what could not be stored', () => {
  it('comes again, and nothing behind it before', async () => {
    let isBroken = false;
    const { texts } = follow({
      async receive() {
        if (isBroken) throw new Error('the database is away');
      },
    });
    await ready();
    await say('one');
    await until('it came', () => texts().length === 1);
    isBroken = true;
    await say('two');
    await until('it failed', () => logged('mattermost.socket_lost').length >= 2);
    await say('three');
    isBroken = false;
    await until('all came', () => texts().includes('three'));
    const order = texts().filter((text) => text !== 'one');
    expect(order.indexOf('two')).toBeLessThan(order.indexOf('three'));
  });
});

describe('another process', () => {
  it('goes on where the last one was, and looks at its last moments once more', async () => {
    const first = follow();
    await ready();
    await say('one');
    server.world.pass(6_000);
    await say('two');
    await until('they came', () => first.texts().length === 2);
    await first.stop();
    await say('three');
    const second = follow();
    await until('it came', () => second.texts().includes('three'));
    expect(second.texts()).toEqual(['two', 'three']);
  });

  it('is told once more what the last one could not note before it died', async () => {
    const first = follow({ noteEveryMs: 60_000 });
    await ready();
    await say('one');
    server.world.pass(6_000);
    await say('two');
    await until('they came', () => first.texts().length === 2);
    server.faults.push({ call: 'PUT /users/me/preferences', kind: 'cut_before', remaining: 10 });
    await first.stop();
    server.faults.length = 0;
    await say('three');
    const second = follow();
    await until('all came', () => second.texts().includes('three'));
    expect(second.texts()).toEqual(['one', 'two', 'three']);
  });

  it('is given all of a backlog, however long, in order and a page at a time', async () => {
    const first = follow();
    await ready();
    await say('the last one that was heard');
    await until('it came', () => first.texts().length === 1);
    await first.stop();
    const count = 2_345;
    for (let index = 0; index < count; index += 1) await say(`backlog ${index}`);
    const pages: number[] = [];
    const second = follow({
      async receive(events) {
        pages.push(events.length);
      },
    });
    await until('all came', () => second.texts().includes(`backlog ${count - 1}`), 20_000);
    const backlog = second.texts().filter((text) => text.startsWith('backlog'));
    // What stands at the end of a page comes once more with the next.
    expect([...new Set(backlog)]).toEqual(Array.from({ length: count }, (_, index) => `backlog ${index}`));
    expect(Math.max(...pages)).toBeLessThanOrEqual(200);
  }, 30_000);

  it('is given also what was written at the very moment at which a page ends', async () => {
    const first = follow();
    await ready();
    await say('heard');
    await until('it came', () => first.texts().length === 1);
    await first.stop();
    server.world.pass(6_000);
    const count = 1_300;
    let moment = 0;
    for (let index = 0; index < count; index += 1) {
      const post = await say(`backlog ${index}`);
      if (index % 3 === 0) moment = post.create_at;
      Object.assign(post, { create_at: moment, update_at: moment });
    }
    const second = follow();
    await until('the last came', () => second.texts().includes(`backlog ${count - 1}`));
    expect(new Set(second.texts().filter((text) => text.startsWith('backlog'))).size).toBe(count);
  });

  it.each([
    ['may not be read', 'refused', 0],
    ['makes the server fail', 'error', 5],
  ] as const)(
    'hears the other channels although one %s',
    async (_why, how, patience) => {
      const first = follow();
      await ready();
      await say('heard');
      await until('it came', () => first.texts().length === 1);
      await first.stop();
      const other = server.addChannel('P', [ada, mara]);
      await server.say(other, { from: mara, text: 'not to be read' });
      await say('missed');
      const call = `GET /channels/${other.id}/posts`;
      server.faults.push({ call, kind: how, remaining: 1_000 });
      const second = follow();
      await until('it is heard', () => logged('mattermost.following').length === 2, 20_000);
      expect(second.texts()).toContain('missed');
      expect(logged('mattermost.channel_unread')).toHaveLength(1);
      expect(logged('mattermost.socket_lost').length).toBeGreaterThanOrEqual(patience);
    },
    30_000,
  );

  it('does not answer what people have asked more than a day ago', async () => {
    const first = follow();
    await ready();
    await say('heard');
    await until('it came', () => first.texts().length === 1);
    await first.stop();
    await say('stale');
    server.world.pass(30 * HOUR_MS);
    await say('fresh');
    const second = follow();
    await until('it came', () => second.texts().includes('fresh'));
    expect(second.texts()).not.toContain('stale');
    expect(logged('mattermost.backlog_cut')[0]?.fields.hours).toBe(6);
  });

  it('does not go on from a post that was imported from the future', async () => {
    const first = follow();
    await ready();
    await say('one');
    await until('it came', () => first.texts().length === 1);
    server.world.pass(3 * 24 * HOUR_MS);
    await say('from the future');
    server.world.pass(-3 * 24 * HOUR_MS);
    await until('it came', () => first.texts().length === 2);
    await first.stop();
    await say('two');
    const second = follow();
    await until('it came', () => second.texts().includes('two'));
  });

  it('has to look again where the position could not be noted; the stream goes on meanwhile', async () => {
    const { texts } = follow();
    await ready();
    server.faults.push({ call: 'PUT /users/me/preferences', kind: 'error', remaining: 1_000 });
    await say('one');
    await until('it came', () => texts().includes('one'));
    await until('it is said', () => logged('mattermost.position_unnoted').length > 0);
    await say('two');
    await until('it came', () => texts().includes('two'));
    expect(logged('mattermost.following')).toHaveLength(1);
  });
});

describe('a burst', () => {
  it('waits at the server while the database is slow, and is all received', async () => {
    const { texts } = follow({
      receive: () => new Promise((resolve) => setTimeout(resolve, 2)),
      noteEveryMs: 60_000,
      // Shorter than the socket is left alone meanwhile: that is no silence.
      pingEveryMs: 50,
      silenceMs: 300,
    });
    await ready();
    const count = 1_500;
    for (let index = 0; index < count; index += 1) void say(`${index}`);
    await until('all came', () => texts().length >= count, 20_000);
    expect([...new Set(texts())]).toEqual(Array.from({ length: count }, (_, index) => String(index)));
    expect(logged('mattermost.socket_lost')).toEqual([]);
  }, 30_000);
});
