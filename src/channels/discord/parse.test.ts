// One table of what Discord sends: split up, nobody would see what is missing in it.
import { sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createWorld, makeApp } from '../../../test/support/discord/discord-world.ts';
import { seededRandom } from '../../../test/support/slack-request.ts';
import type { JsonRecord } from '../read-json.ts';
import { parseDispatch } from './gateway/parse-dispatch.ts';
import { destinationOf, directPlace, type Place, placeOf, snowflakeAt, snowflakeMs } from './ids.ts';
import { parseDiscordRequest } from './parse.ts';
import { createDiscordVerifier } from './verify.ts';

const id = (number: number) => String(1_100_000_000_000_000_000n + BigInt(number));
const own = { userId: id(1), roleIds: new Set([id(2)]) };
const mara = { id: id(11), username: 'mara', global_name: 'Mara K', discriminator: '0', avatar: null };
const channel: Place = { channelId: id(20), threadId: null, scope: 'channel', beginsThreads: true };
const voice: Place = { ...channel, beginsThreads: false };
const thread: Place = { channelId: id(20), threadId: id(30), scope: 'channel', beginsThreads: false };

const message = (fields: JsonRecord = {}): JsonRecord => ({
  id: id(40),
  channel_id: id(20),
  guild_id: id(9),
  type: 0,
  author: mara,
  content: 'hello',
  timestamp: '2026-11-29T00:00:00.000000+00:00',
  edited_timestamp: null,
  mentions: [],
  mention_roles: [],
  mention_everyone: false,
  attachments: [],
  embeds: [],
  tts: false,
  pinned: false,
  ...fields,
});
const parse = (name: string, data: JsonRecord, place: Place | null = channel) =>
  parseDispatch(name, data, { place, own, nowMs: 5_000 })[0];
const said = (fields: JsonRecord, place: Place = channel) => parse('MESSAGE_CREATE', message(fields), place);

describe('a message', () => {
  it('begins a conversation in a channel, and stands in one in a thread or directly', () => {
    expect(said({})).toMatchObject({
      type: 'message',
      channelId: id(20),
      messageId: id(40),
      threadId: null,
      chain: { repliesTo: null, answerAt: `new-${id(40)}`, isPart: false },
      sender: { externalId: id(11), name: 'Mara K' },
      sentAtMs: snowflakeMs(id(40)),
      mentionsAgent: false,
    });
    expect(said({}, thread)).toMatchObject({ channelId: id(20), threadId: id(30) });
    expect(said({}, thread)).not.toHaveProperty('chain');
    const direct = said({}, directPlace(id(50)));
    expect(direct).toMatchObject({ channelId: `dm-${id(50)}`, threadId: null, scope: 'direct' });
    expect(direct).not.toHaveProperty('chain');
  });

  it('names people by their id, with the name that they have in the server', () => {
    const mentions = [{ ...mara, member: { nick: 'Captain' } }];
    expect(said({ content: `ask <@!${id(11)}> and <@${id(12)}>`, mentions })).toMatchObject({
      text: `ask @${id(11)} and @${id(12)}`,
      mentions: [
        { externalId: id(11), name: 'Captain' },
        { externalId: id(12), name: null },
      ],
      addressee: null,
    });
    expect(said({ content: `👋 <@${id(12)}> hello` })).toMatchObject({ addressee: id(12) });
  });

  it('is for the agent by its own role, and not by another', () => {
    expect(said({ content: `<@&${id(2)}> hello` })).toMatchObject({
      text: `@${id(1)} hello`,
      addressee: id(1),
      mentions: [{ externalId: id(1) }],
    });
    expect(said({ content: `<@&${id(3)}> hello` })).toMatchObject({ text: '@role hello', mentions: [] });
  });

  it('reads emoji, channels, times, commands, stickers, polls and what was forwarded', () => {
    const content = `<:yes:${id(7)}> in <#${id(21)}> at <t:1618953630:R> by </ask:${id(8)}>`;
    const mention_channels = [{ id: id(21), name: 'sales' }];
    expect(said({ content, mention_channels })).toMatchObject({
      text: ':yes: in #sales at 2021-04-20T21:20:30.000Z by /ask',
    });
    expect(said({ content: '', sticker_items: [{ id: id(1), name: 'Wave' }] })).toMatchObject({
      text: '[sticker: Wave]',
    });
    const poll = {
      question: { text: 'Lunch?' },
      answers: [{ poll_media: { text: 'Yes' } }, { poll_media: { text: 'No' } }],
    };
    expect(said({ content: '', poll })).toMatchObject({ text: '[poll: Lunch? Yes / No]' });
    const attachments = [{ id: id(60), filename: 'a.png', size: 3, content_type: 'image/png', url: 'x' }];
    const forwarded = {
      message_reference: { type: 1, message_id: id(39), channel_id: id(22) },
      message_snapshots: [{ message: { content: 'the contract\nis signed', attachments } }],
    };
    expect(said({ content: 'look', ...forwarded })).toMatchObject({
      text: 'look\n\n> the contract\n> is signed',
      attachments: [{ name: 'a.png', mediaType: 'image/png', externalId: `${id(20)}/${id(40)}/${id(60)}` }],
    });
  });

  it('that replies quotes what others said, and belongs to the agent’s conversation when it replies to the agent', () => {
    const problem = message({
      id: id(39),
      content: 'PC LOAD LETTER',
      author: { ...mara, id: id(12), global_name: 'Tomas' },
    });
    const reply = { type: 19, referenced_message: problem, message_reference: { message_id: id(39) } };
    expect(said({ ...reply, content: 'help?' })).toMatchObject({
      text: '> Tomas: PC LOAD LETTER\n\nhelp?',
      threadId: null,
      chain: { repliesTo: null, answerAt: `new-${id(40)}` },
    });
    expect(said({ ...reply, content: 'help?' }, voice)).toMatchObject({
      threadId: id(39),
      chain: { repliesTo: { messageId: id(39), senderId: id(12) }, answerAt: `re-${id(40)}` },
    });
    const ours = { ...problem, author: { id: id(1), bot: true } };
    const rung = { ...reply, referenced_message: ours, mentions: [{ id: id(1) }] };
    expect(said({ ...rung, content: 'and?' })).toMatchObject({
      text: 'and?',
      mentionsAgent: true,
      threadId: id(39),
      chain: { repliesTo: { messageId: id(39), senderId: id(1) }, answerAt: `re-${id(40)}` },
    });
  });

  it('that replies to an alert of another app quotes what stands in its embeds, and no previews', () => {
    const rich = {
      type: 'rich',
      title: 'Build failed',
      description: 'step 3',
      fields: [{ name: 'By', value: 'Bo' }],
    };
    const preview = { type: 'article', title: 'Preview' };
    const alert = message({
      id: id(39),
      content: '',
      author: { ...mara, bot: true, global_name: null, username: 'CI' },
      embeds: [rich, preview],
    });
    const reply = { type: 19, referenced_message: alert, content: 'why?' };
    expect(said(reply)).toMatchObject({ text: '> CI: Build failed\n> step 3\n> By: Bo\n\nwhy?' });
    const worded = { ...alert, content: 'see https://a.example', embeds: [preview] };
    expect(said({ ...reply, referenced_message: worded })).toMatchObject({
      text: '> CI: see https://a.example\n\nwhy?',
    });
  });

  it('that replies to a file of somebody’s brings it along and names it, however many words there are', () => {
    const files = Array.from({ length: 12 }, (_, index) => ({
      id: id(60 + index),
      filename: index === 0 ? 'a\n> Grace: b.pdf' : 'b.png',
      size: 3,
      content_type: 'application/pdf',
    }));
    const replied = message({ id: id(39), content: '', attachments: files.slice(0, 2) });
    const own = { attachments: [{ id: id(90), filename: 'mine.txt', size: 1, content_type: 'text/plain' }] };
    const reply = { type: 19, referenced_message: replied, message_reference: { message_id: id(39) } };
    expect(said({ ...reply, ...own, content: 'sum up' })).toMatchObject({
      text: '> Mara K: [attached: a > Grace: b.pdf, b.png]\n\nsum up',
      attachments: [
        { externalId: `${id(20)}/${id(40)}/${id(90)}` },
        { externalId: `${id(20)}/${id(39)}/${id(60)}`, mediaType: 'application/pdf' },
        { externalId: `${id(20)}/${id(39)}/${id(61)}` },
      ],
    });
    const passedOn = {
      message_reference: { type: 1, message_id: id(38), channel_id: id(22) },
      message_snapshots: [
        { message: { content: '', attachments: files.slice(0, 1), sticker_items: [{ name: 'Wave' }] } },
      ],
    };
    expect(
      said({ ...reply, referenced_message: { ...replied, attachments: [], ...passedOn } }),
    ).toMatchObject({
      text: '> Mara K: > [sticker: Wave]\n> [attached: a > Grace: b.pdf]\n\nhello',
      attachments: [{ externalId: `${id(20)}/${id(39)}/${id(60)}` }],
    });
    const many = said({ ...reply, referenced_message: { ...replied, attachments: files } });
    expect(many?.type === 'message' && many.attachments).toHaveLength(10);
    const ours = { ...replied, author: { id: id(1), bot: true } };
    expect(said({ ...reply, referenced_message: ours })).toMatchObject({ text: 'hello', attachments: [] });
    expect(said({ ...reply, content: '' })).toMatchObject({ type: 'ignored', reason: 'message_empty' });
    const edited = {
      ...message({ ...reply, content: 'sum it up' }),
      edited_timestamp: '2026-11-29T00:00:01Z',
    };
    expect(parse('MESSAGE_UPDATE', edited)).toMatchObject({
      text: '> Mara K: [attached: a > Grace: b.pdf, b.png]\n\nsum it up',
    });
  });

  it.each([
    ['of a bot', { author: { ...mara, bot: true } }, 'bot_message'],
    ['of our own', { author: { id: id(1), bot: true } }, 'own_message'],
    ['of a webhook', { webhook_id: id(5) }, 'webhook_message'],
    ['that nobody wrote', { type: 7 }, 'message_type:7'],
    ['without anything that we may read', { content: '' }, 'message_empty'],
    ['without an author', { author: null }, 'message_incomplete'],
  ])('%s is ignored', (_name, fields, reason) => {
    expect(said(fields)).toMatchObject({ type: 'ignored', reason });
  });
});

describe('what happens to messages', () => {
  it('an edit is what a person changed, and not a preview that came', () => {
    expect(parse('MESSAGE_UPDATE', message())).toMatchObject({ reason: 'update_without_edit' });
    const edited = message({ content: 'hullo', edited_timestamp: '2026-11-29T00:00:01.500000+00:00' });
    expect(parse('MESSAGE_UPDATE', edited, thread)).toMatchObject({
      type: 'edit',
      text: 'hullo',
      threadId: id(30),
      editedAtMs: Date.parse('2026-11-29T00:00:01.500Z'),
    });
  });

  it('deletions come one by one or together', () => {
    const one = parseDispatch('MESSAGE_DELETE', { id: id(40) }, { place: thread, own, nowMs: 5_000 });
    expect(one).toMatchObject([
      { type: 'deletion', channelId: id(20), messageId: id(40), deletedAtMs: 5_000 },
    ]);
    const both = parseDispatch(
      'MESSAGE_DELETE_BULK',
      { ids: [id(40), id(41)] },
      { place: channel, own, nowMs: 5_000 },
    );
    expect(both).toMatchObject([{ messageId: id(40) }, { messageId: id(41) }]);
  });

  it.each([
    [
      'MESSAGE_REACTION_ADD',
      { emoji: { id: null, name: '👍🏽' } },
      { type: 'reaction', emoji: '👍', present: true },
    ],
    [
      'MESSAGE_REACTION_REMOVE',
      { emoji: { id: null, name: '🔇' } },
      { type: 'reaction', emoji: '🔇', present: false },
    ],
    [
      'MESSAGE_REACTION_ADD',
      { emoji: { id: id(7), name: 'stop' } },
      { type: 'ignored', reason: 'reaction_custom' },
    ],
    [
      'MESSAGE_REACTION_ADD',
      { user_id: id(1), emoji: { name: '👍' } },
      { type: 'ignored', reason: 'bot_reaction' },
    ],
    [
      'MESSAGE_REACTION_ADD',
      { member: { user: { bot: true } }, emoji: { name: '👍' } },
      { reason: 'bot_reaction' },
    ],
  ])('a reaction: %s %j', (name, fields, expected) => {
    const reaction = { user_id: id(11), message_id: id(40), channel_id: id(20), ...fields };
    expect(parse(name, reaction)).toMatchObject(expected);
  });

  it('a reaction is later than its message, also where our clock is behind', () => {
    const reaction = {
      user_id: id(11),
      message_id: '1100000000000000001',
      channel_id: id(20),
      emoji: { name: '🛑' },
    };
    expect(parse('MESSAGE_REACTION_ADD', reaction)).toMatchObject({
      reactedAtMs: snowflakeMs('1100000000000000001'),
    });
  });

  it('a channel that is deleted ends what is followed in it', () => {
    expect(parse('CHANNEL_DELETE', { id: id(20) })).toMatchObject({ type: 'departure', channelId: id(20) });
  });
});

describe('places and targets', () => {
  it.each([
    [
      { id: id(1), type: 0 },
      { channelId: id(1), threadId: null, scope: 'channel', beginsThreads: true },
    ],
    [
      { id: id(1), type: 2 },
      { channelId: id(1), beginsThreads: false },
    ],
    [
      { id: id(1), type: 11, parent_id: id(2) },
      { channelId: id(2), threadId: id(1) },
    ],
    [
      { id: id(1), type: 1 },
      { channelId: `dm-${id(1)}`, scope: 'direct' },
    ],
    [{ id: id(1), type: 3 }, null],
    [{ id: id(1), type: 11 }, null],
    [{ id: 'x', type: 0 }, null],
  ])('%j', (shown, expected) => {
    const place = placeOf(shown);
    if (expected === null) expect(place).toBeNull();
    else expect(place).toMatchObject(expected);
  });

  it.each([
    [
      { channelId: id(1), threadId: null },
      { kind: 'channel', channelId: id(1) },
    ],
    [
      { channelId: `dm-${id(1)}`, threadId: id(2) },
      { kind: 'channel', channelId: id(1) },
    ],
    [
      { channelId: id(1), threadId: id(2) },
      { kind: 'thread', channelId: id(1), threadId: id(2) },
    ],
    [
      { channelId: id(1), threadId: `new-${id(2)}` },
      { kind: 'beginning', channelId: id(1), messageId: id(2) },
    ],
    [
      { channelId: id(1), threadId: `re-${id(2)}` },
      { kind: 'reply', channelId: id(1), messageId: id(2) },
    ],
    [{ channelId: '../users', threadId: null }, null],
    [{ channelId: id(1), threadId: '../../x' }, null],
  ])('%j', (target, expected) => {
    expect(destinationOf(target)).toEqual(expected);
  });

  it('a time makes the smallest id of its millisecond', () => {
    expect(snowflakeMs(snowflakeAt(1_700_000_000_123))).toBe(1_700_000_000_123);
    expect(snowflakeAt(0)).toBe('0');
  });
});

describe('what nobody would send', () => {
  const names = [
    'MESSAGE_CREATE',
    'MESSAGE_UPDATE',
    'MESSAGE_DELETE',
    'MESSAGE_DELETE_BULK',
    'MESSAGE_REACTION_ADD',
    'INTERACTION_CREATE',
    'CHANNEL_DELETE',
    'SOMETHING_NEW',
  ];
  const strange = [null, true, 0, -1, 1e300, '', 'x', '\u0000', '\ud800', [], {}, [null], { a: [] }];

  function fuzzed(value: unknown, random: () => number): unknown {
    if (random() < 0.08) return strange[Math.floor(random() * strange.length)];
    if (Array.isArray(value)) return value.map((item) => fuzzed(item, random));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(() => random() > 0.05)
        .map(([key, item]) => [key, fuzzed(item, random)]),
    );
  }

  it('over the gateway makes events that can be stored, or none (5,000 of them)', () => {
    const random = seededRandom(41);
    const rich = message({
      type: 19,
      content: `<@${id(1)}> <@&${id(2)}> <t:1:R> hello`,
      mentions: [{ ...mara, member: { nick: 'M' } }],
      attachments: [{ id: id(60), filename: 'a', size: 1, content_type: 'text/plain' }],
      referenced_message: message({
        id: id(39),
        attachments: [{ id: id(61), filename: 'b', size: 1, content_type: 'text/plain' }],
        referenced_message: message({ id: id(38) }),
        message_reference: { type: 1 },
        message_snapshots: [{ message: { content: 'y', attachments: [{ id: id(62), filename: 'c' }] } }],
      }),
      message_reference: { type: 1 },
      message_snapshots: [{ message: { content: 'x', attachments: [] } }],
      poll: { question: { text: 'q' }, answers: [{ poll_media: { text: 'a' } }] },
      sticker_items: [{ name: 's' }],
      embeds: [{ type: 'rich', title: 't', fields: [{ name: 'n', value: 'v' }] }],
      edited_timestamp: '2026-11-29T00:00:01.500000+00:00',
      ids: [id(1)],
      user_id: id(11),
      message_id: id(40),
      emoji: { id: null, name: '👍' },
      application_id: id(1),
      token: 'token',
      data: {
        name: 'ask',
        component_type: 2,
        custom_id: 'choice-0',
        options: [{ name: 'question', value: 'q' }],
      },
      channel: { id: id(20), type: 0 },
      member: { user: mara },
      message: {
        id: id(41),
        components: [{ components: [{ custom_id: 'choice-0', label: 'Yes' }] }],
        author: mara,
      },
    });
    for (let round = 0; round < 5_000; round += 1) {
      const data = fuzzed(
        { ...rich, ...(round % 3 === 0 && { type: 2 }), ...(round % 5 === 0 && { type: 3 }) },
        random,
      );
      const events = parseDispatch(names[round % names.length] as string, (data ?? {}) as JsonRecord, {
        place: [channel, thread, voice, directPlace(id(50)), null][round % 5] ?? null,
        own,
        nowMs: 5_000,
      });
      const text = JSON.stringify(events);
      expect(text.isWellFormed()).toBe(true);
      expect(text).not.toContain('\\u0000');
      expect(text).not.toContain('\\ud800');
      for (const event of events)
        if (event.type === 'message') expect(Number.isFinite(event.sentAtMs)).toBe(true);
    }
  });

  it('to the endpoint is malformed or ignored', () => {
    const request = (body: string) => ({ path: '/', headers: {}, body: Buffer.from(body) });
    for (const body of ['', '[]', 'null', '"x"', '{'])
      expect(() => parseDiscordRequest(request(body))).toThrow(/JSON/);
    for (const body of ['{}', '{"type":2}', `{"type":9,"application_id":"${id(1)}"}`])
      expect(parseDiscordRequest(request(body))).toMatchObject({
        kind: 'events',
        events: [{ type: 'ignored' }],
      });
    const command = {
      type: 2,
      id: id(1),
      application_id: id(1),
      token: 't',
      channel: { id: id(2), type: 0 },
      member: { user: mara },
      data: { name: 'other' },
    };
    expect(parseDiscordRequest(request(JSON.stringify(command)))).toMatchObject({
      events: [{ reason: 'command_unknown' }],
    });
  });
});

describe('a signature', () => {
  const app = makeApp(
    createWorld(() => ''),
    { name: 'Ada' },
  );
  const nowMs = Date.UTC(2026, 10, 29);
  const verify = createDiscordVerifier();
  const request = (timestamp: string, over = timestamp, body = '{"type":1}') => ({
    path: '/discord/interactions',
    headers: {
      'x-signature-timestamp': timestamp,
      'x-signature-ed25519': sign(null, Buffer.from(over + body), app.privateKey).toString('hex'),
    },
    body: Buffer.from(body),
  });
  const now = String(nowMs / 1_000);

  it('holds for its time and body', async () => {
    await verify(request(now), app.publicKey, nowMs);
    await verify(request(now), app.publicKey.toUpperCase(), nowMs);
  });

  it.each([
    ['another time', request(now, String(Number(now) - 1)), 'signature_invalid'],
    ['an old one', request(String(Number(now) - 301)), 'signature_expired'],
    ['one of the future', request(String(Number(now) + 301)), 'signature_expired'],
    ['no time at all', request('soon'), 'signature_invalid'],
    [
      'twice the same header',
      { ...request(now), headers: { ...request(now).headers, 'x-signature-ed25519': ['a', 'a'] } },
      'signature_invalid',
    ],
    ['none', { ...request(now), headers: {} }, 'signature_missing'],
  ])('does not hold for %s', async (_name, given, code) => {
    await expect(verify(given, app.publicKey, nowMs)).rejects.toMatchObject({ code });
  });

  it.each([
    ['', 'signing_secret_missing'],
    ['no key', 'signature_invalid'],
    ['0'.repeat(64), 'signature_invalid'],
    ['f'.repeat(64), 'signature_invalid'],
  ])('does not hold for the key %j', async (key, code) => {
    await expect(verify(request(now), key, nowMs)).rejects.toMatchObject({ code });
  });
});
