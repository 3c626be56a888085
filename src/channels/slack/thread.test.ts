import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SlackWebApi, startSlackWebApi } from '../../../test/support/slack-web-api.ts';
import type { Channel } from '../../core/channel.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { createSlackChannel } from './index.ts';

const access: ConnectionAccess = {
  connectionId: 'connection-1',
  externalId: 'T0ACME0001',
  credentials: { botToken: 'xoxb-1' },
};
const target = { channelId: 'C0GENERAL1', threadId: '1760440341.000000' };
const never = new AbortController().signal;

let slack: SlackWebApi;
let channel: Channel;
let nowMs: number;
let events: string[];

beforeEach(async () => {
  nowMs = 1_760_440_400_000;
  events = [];
  slack = await startSlackWebApi();
  const write = (event: string): void => {
    events.push(event);
  };
  channel = createSlackChannel({
    apiUrl: slack.apiUrl,
    clock: () => nowMs,
    random: () => 0,
    sleep: async (ms) => {
      nowMs += ms;
    },
    log: { debug: write, info: write, warn: write, error: write },
  });
});

afterEach(async () => {
  channel.close();
  await slack[Symbol.asyncDispose]();
});

function reply(index: number, fields: object = {}): object {
  const ts = `${1_760_440_341 + index}.000000`;
  return {
    type: 'message',
    user: 'U0PERSON01',
    ts,
    thread_ts: target.threadId,
    text: `message ${index}`,
    ...fields,
  };
}

/** Answers with pages, as Slack does: the root of the thread comes with each of them. */
function answerPages(method: string, pages: readonly (readonly object[])[]): void {
  slack.answer(method, ({ fields }) => {
    const index = Number(fields.cursor ?? 0);
    const last = index >= pages.length - 1;
    return {
      ok: true,
      messages: pages[index],
      has_more: !last,
      response_metadata: { next_cursor: last ? '' : String(index + 1) },
    };
  });
}

function callsOf(method: string): number {
  return slack.calls.filter((call) => call.method === method).length;
}

describe('fetchThread', () => {
  it('reads a thread oldest first and knows its own messages', async () => {
    answerPages('conversations.replies', [
      [
        reply(0, { text: 'hi <@U0ADABOT01>' }),
        reply(1, { user: 'U0ADABOT01', bot_id: 'B0ADABOT01', text: 'Hello &amp; welcome' }),
        reply(2, { user: undefined, bot_id: 'B0OTHERBT1', username: 'ci', text: 'done' }),
        reply(3, { subtype: 'tombstone', user: 'USLACKBOT' }),
        { ts: 7 },
      ],
    ]);
    expect(await channel.fetchThread(access, target, 50, never)).toEqual([
      {
        messageId: '1760440341.000000',
        sender: { externalId: 'U0PERSON01', name: null },
        own: false,
        deliveryId: null,
        text: 'hi @U0ADABOT01',
        mentions: [{ externalId: 'U0ADABOT01', name: null }],
        attachments: [],
        sentAtMs: 1_760_440_341_000,
      },
      expect.objectContaining({ own: true, text: 'Hello & welcome' }),
      expect.objectContaining({ own: false, sender: { externalId: 'B0OTHERBT1', name: 'ci' } }),
    ]);
  });

  it('reads the files of a thread, and what was shared in it', async () => {
    const shared = {
      is_share: true,
      is_msg_unfurl: true,
      author_name: 'Grace',
      text: 'It is down.',
      files: [{ id: 'F0LOG', name: 'app.log', mimetype: 'text/plain', size: 3 }],
    };
    answerPages('conversations.replies', [
      [
        reply(0, { files: [{ id: 'F0PDF', name: 'plan.pdf', mimetype: 'application/pdf', size: 9 }] }),
        reply(1, { text: 'see', attachments: [shared] }),
      ],
    ]);
    expect(await channel.fetchThread(access, target, 50, never)).toMatchObject([
      {
        attachments: [{ externalId: 'F0PDF', name: 'plan.pdf', mediaType: 'application/pdf', sizeBytes: 9 }],
      },
      {
        text: '> Grace: It is down.\n> [attached: app.log]\n\nsee',
        attachments: [{ externalId: 'F0LOG', name: 'app.log' }],
      },
    ]);
  });

  it('keeps the root and the newest of several pages, each message once', async () => {
    answerPages('conversations.replies', [
      [reply(0), reply(1), reply(2)],
      [reply(0), reply(3), reply(4)],
    ]);
    const thread = await channel.fetchThread(access, target, 3, never);
    expect(thread?.map(({ text }) => text)).toEqual(['message 0', 'message 3', 'message 4']);
  });

  it('stops after five pages', async () => {
    slack.answer('conversations.replies', ({ fields }) => ({
      ok: true,
      messages: [reply(Number(fields.cursor ?? 0))],
      has_more: true,
      response_metadata: { next_cursor: String(Number(fields.cursor ?? 0) + 1) },
    }));
    expect(await channel.fetchThread(access, target, 100, never)).toHaveLength(5);
  });

  it.each(['missing_scope', 'thread_not_found', 'channel_not_found', 'ratelimited'])(
    'goes on without the thread after %s',
    async (error) => {
      slack.answer('conversations.replies', () => ({ ok: false, error }));
      expect(await channel.fetchThread(access, target, 50, never)).toBeNull();
      expect(events).toContain('slack.thread_unread');
    },
  );

  it('does not wait for a limit, and keeps what it read before it', async () => {
    answerPages('conversations.replies', [[reply(0), reply(1)], [reply(2)]]);
    await channel.fetchThread(access, target, 50, never);
    slack.answer('conversations.replies', ({ fields }) =>
      fields.cursor === undefined
        ? { ok: true, messages: [reply(0)], has_more: true, response_metadata: { next_cursor: '1' } }
        : { ok: false, error: 'ratelimited' },
    );
    const before = nowMs;
    expect(await channel.fetchThread(access, target, 50, never)).toHaveLength(1);
    expect(nowMs).toBe(before);
  });

  it('has nothing to read outside of threads', async () => {
    expect(await channel.fetchThread(access, { ...target, threadId: null }, 50, never)).toEqual([]);
    expect(slack.calls).toHaveLength(0);
  });
});

describe('findByMarker', () => {
  const marker = { deliveryId: 'delivery-7' };
  const metadata = { event_type: 'konstruct_delivery', event_payload: { delivery_id: 'delivery-7' } };
  const own = { user: 'U0ADABOT01', bot_id: 'B0ADABOT01' };

  it('finds its own message with the marker in the thread', async () => {
    answerPages('conversations.replies', [
      [
        reply(0),
        reply(1, { ...own, metadata: { ...metadata, event_payload: { delivery_id: 'delivery-6' } } }),
      ],
      [reply(2, { ...own, metadata })],
    ]);
    expect(await channel.findByMarker(access, target, marker, never)).toEqual({
      messageId: '1760440343.000000',
    });
    expect(slack.calls.at(-1)?.fields).toMatchObject({ include_all_metadata: 'true', ts: target.threadId });
  });

  it('looks no further back than the first try', async () => {
    await channel.findByMarker(access, target, { ...marker, firstTriedAtMs: 1_760_440_390_000 }, never);
    expect(slack.calls.at(-1)?.fields.oldest).toBe('1760440090');
  });

  it('does not fall for another app’s message with the same marker', async () => {
    answerPages('conversations.replies', [
      [reply(1, { user: 'U0OTHERBOT', bot_id: 'B0OTHERBT1', metadata })],
    ]);
    expect(await channel.findByMarker(access, target, marker, never)).toBeNull();
  });

  it('looks in the channel where the message stood in no thread', async () => {
    answerPages('conversations.history', [[reply(2, { ...own, metadata })]]);
    const place = { ...target, threadId: null };
    expect(await channel.findByMarker(access, place, marker, never)).not.toBeNull();
    expect(callsOf('conversations.replies')).toBe(0);
  });

  it('says “not there” when the thread is gone', async () => {
    slack.answer('conversations.replies', () => ({ ok: false, error: 'thread_not_found' }));
    expect(await channel.findByMarker(access, target, marker, never)).toBeNull();
  });

  it.each([
    ['missing_scope', 'platform_rejected'],
    ['internal_error', 'platform_unavailable'],
    ['ratelimited', 'platform_rate_limited'],
  ])('never says “not there” because of %s', async (error, code) => {
    slack.answer('conversations.replies', () => ({ ok: false, error }));
    await expect(channel.findByMarker(access, target, marker, never)).rejects.toMatchObject({ code });
  });
});

describe('personName', () => {
  it('takes the display name, else the real name, and asks once an hour', async () => {
    slack.answer('users.info', ({ fields }) => ({
      ok: true,
      user: { profile: { display_name: fields.user === 'U0A' ? 'grace' : '', real_name: 'Grace Hopper' } },
    }));
    expect(await channel.personName(access, 'U0A', never)).toBe('grace');
    expect(await channel.personName(access, 'U0B', never)).toBe('Grace Hopper');
    expect(await channel.personName(access, 'U0A', never)).toBe('grace');
    expect(callsOf('users.info')).toBe(2);
    nowMs += 60 * 60 * 1000;
    await channel.personName(access, 'U0A', never);
    expect(callsOf('users.info')).toBe(3);
  });

  it('is unknown after any failure, for a minute, without waiting', async () => {
    slack.fail('users.info', { kind: 'status', status: 429, headers: { 'retry-after': '30' } });
    slack.fail('users.info', { kind: 'answer', body: { ok: false, error: 'user_not_found' } });
    const before = nowMs;
    expect(await channel.personName(access, 'U0A', never)).toBeNull();
    expect(await channel.personName(access, 'U0A', never)).toBeNull();
    expect(nowMs).toBe(before);
    expect(callsOf('users.info')).toBe(1);
    nowMs += 60_000;
    expect(await channel.personName(access, 'U0A', never)).toBeNull();
    expect(callsOf('users.info')).toBe(2);
  });

  it('keeps workspaces apart', async () => {
    slack.answer('users.info', ({ token }) => ({ ok: true, user: { profile: { display_name: token } } }));
    const other = { ...access, connectionId: 'connection-2', credentials: { botToken: 'xoxb-2' } };
    expect(await channel.personName(access, 'U0A', never)).toBe('xoxb-1');
    expect(await channel.personName(other, 'U0A', never)).toBe('xoxb-2');
  });
});

describe('isPerson', () => {
  it('tells a bot from a person, with the look-up of the name', async () => {
    slack.answer('users.info', ({ fields }) => ({
      ok: true,
      user: { is_bot: fields.user === 'U0BOT', profile: { display_name: 'x' } },
    }));
    expect(await channel.isPerson(access, 'U0BOT', never)).toBe(false);
    expect(await channel.isPerson(access, 'U0A', never)).toBe(true);
    expect(await channel.personName(access, 'U0A', never)).toBe('x');
    expect(callsOf('users.info')).toBe(2);
  });

  it('does not know when Slack does not say', async () => {
    slack.fail('users.info', { kind: 'answer', body: { ok: false, error: 'user_not_found' } });
    expect(await channel.isPerson(access, 'U0A', never)).toBeNull();
  });
});

describe('identify', () => {
  it('tells workspace, bot user and scopes', async () => {
    expect(await channel.identify(access, never)).toEqual({
      externalId: 'T0ACME0001',
      agentUserId: 'U0ADABOT01',
      name: 'Acme Ltd',
      scopes: ['chat:write', 'app_mentions:read', 'users:read'],
    });
  });

  it('tells the organisation of an organisation-wide installation', async () => {
    slack.answer('auth.test', () => ({
      ok: true,
      user_id: 'W0ADABOT01',
      team_id: 'T0GRIDWS01',
      enterprise_id: 'E0GRIDORG1',
      team: 'Grid',
      is_enterprise_install: true,
    }));
    expect(await channel.identify(access, never)).toMatchObject({ externalId: 'E0GRIDORG1' });
  });

  it('refuses a person’s token without a call', async () => {
    const personal = { ...access, credentials: { botToken: 'xoxp-1' } };
    await expect(channel.identify(personal, never)).rejects.toMatchObject({
      code: 'platform_rejected',
      details: { platformError: 'not_allowed_token_type' },
    });
    expect(slack.calls).toHaveLength(0);
  });

  it('is rejected with a revoked token', async () => {
    slack.fail('auth.test', { kind: 'answer', body: { ok: false, error: 'token_revoked' } });
    await expect(channel.identify(access, never)).rejects.toMatchObject({ code: 'platform_rejected' });
  });
});
