import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../test/support/seeded-random.ts';
import type { ChannelRequest } from '../../core/channel.ts';
import { isKonstructError } from '../../core/errors.ts';
import { choiceAttachments, pressKey } from './choices.ts';
import { normaliseText } from './normalise-text.ts';
import { parseMattermostRequest } from './parse.ts';
import { parseDeletedPost, parseEditedPost, parsePost } from './parse-post.ts';
import { parseReaction } from './parse-reaction.ts';
import { connectionSecret, verifyMattermostRequest } from './verify.ts';

const id = (letter: string) => letter.repeat(26);
const setting = { scope: 'channel', ownUserId: id('a') } as const;
const post = {
  id: id('p'),
  create_at: 1_700_000_000_123,
  update_at: 1_700_000_000_123,
  edit_at: 0,
  delete_at: 0,
  user_id: id('m'),
  channel_id: id('c'),
  root_id: '',
  message: 'hello',
  type: '',
  props: {},
  file_ids: null,
  metadata: {},
};

describe('a post', () => {
  it('says who wrote what, where and when', () => {
    expect(parsePost({ ...post, root_id: id('r') }, setting)).toEqual({
      type: 'message',
      account: { externalIds: [], appId: null, agentUserId: null },
      eventId: null,
      channelId: id('c'),
      messageId: id('p'),
      threadId: id('r'),
      scope: 'channel',
      sender: { externalId: id('m'), name: null },
      text: 'hello',
      mentions: [],
      addressee: null,
      mentionsAgent: false,
      attachments: [],
      sentAtMs: 1_700_000_000_123,
      channelMetadata: {},
    });
  });

  it('of a direct conversation is answered beside it, a reply in its thread', () => {
    const direct = { ...setting, scope: 'direct' } as const;
    expect(parsePost(post, direct)).toMatchObject({ threadId: null, chain: { answerAt: '' } });
    expect(parsePost({ ...post, root_id: id('r') }, direct)).not.toHaveProperty('chain');
  });

  it.each([
    ['our own', { user_id: id('a') }, 'own_message'],
    ['a bot', { props: { from_bot: 'true' } }, 'bot_message'],
    ['an incoming webhook', { props: { from_webhook: true } }, 'bot_message'],
    ['a plugin', { props: { from_plugin: 'true' } }, 'bot_message'],
    ['the system', { type: 'system_join_channel' }, 'post_type:system_join_channel'],
    ['nobody knows what', { type: 7 }, 'post_type:number'],
    ['somebody without words', { message: ' \n' }, 'post_empty'],
    ['something without an id', { id: 'short' }, 'post_incomplete'],
  ])('of %s is nothing for us', (_who, changed, reason) => {
    expect(parsePost({ ...post, ...changed }, setting)).toMatchObject({ type: 'ignored', reason });
  });

  it('has files, by name and type where the server says them', () => {
    const file = { id: id('f'), name: 'a.png', mime_type: 'image/png', size: 9 };
    const described = { ...post, message: '', file_ids: [id('f')], metadata: { files: [file] } };
    expect(parsePost(described, setting)).toMatchObject({
      attachments: [{ name: 'a.png', mediaType: 'image/png', sizeBytes: 9, externalId: id('f') }],
    });
    expect(parsePost({ ...post, file_ids: [id('f'), '../x'] }, setting)).toMatchObject({
      attachments: [
        { name: 'file', mediaType: 'application/octet-stream', sizeBytes: null, externalId: id('f') },
      ],
    });
  });

  const shown = (message: string, more: object = {}) => ({
    type: 'permalink',
    url: '',
    data: { post_id: id('q'), post: { ...post, id: id('q'), message, ...more }, channel_id: id('d') },
  });

  it('that names another post by its address quotes it and brings its files, a new one and an edited one', () => {
    const file = { id: id('f'), name: 'plan\n.pdf', mime_type: 'application/pdf', size: 9 };
    const link = 'https://chat.example/acme/pl/qqq @ada what is this?';
    const quoting = {
      ...post,
      message: link,
      metadata: { embeds: [{ type: 'link', url: 'x' }, shown('See\n@BO', { metadata: { files: [file] } })] },
    };
    const text = `> See\n> @bo\n> [attached: plan .pdf]\n\n${link}`;
    expect(parsePost(quoting, setting)).toMatchObject({
      text,
      mentions: [{ externalId: 'ada' }],
      attachments: [{ externalId: id('f') }],
    });
    const edited = { ...quoting, edit_at: 2_000, update_at: 2_001 };
    expect(parseEditedPost(edited, setting)).toMatchObject({ type: 'edit', text });
  });

  it('quotes no more than a part of what is long, and never fails at what nobody would send (2,000 of them)', () => {
    const long = parsePost({ ...post, metadata: { embeds: [shown('x'.repeat(9_000))] } }, setting);
    expect(long).toMatchObject({ text: `> ${'x'.repeat(1_000)}…\n\nhello` });
    const random = seededRandom(29);
    const strange = [null, [], {}, 0, 'x', '\ud800', { post: null }, [[]], { embeds: 1 }];
    const spoilt = (value: unknown): unknown => {
      if (random() < 0.08) return strange[Math.floor(random() * strange.length)];
      if (Array.isArray(value)) return value.map(spoilt);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, spoilt(item)]));
    };
    let nested: object = shown('deep');
    for (let depth = 0; depth < 20; depth += 1) nested = shown('deeper', { metadata: { embeds: [nested] } });
    const files = Array.from({ length: 30 }, () => ({ id: id('f'), name: 'a' }));
    const rich = {
      ...post,
      metadata: {
        embeds: [nested, shown('y'.repeat(2_000), { metadata: { files } }), nested, nested, nested],
      },
    };
    for (let round = 0; round < 2_000; round += 1) {
      const read = parsePost({ ...post, metadata: spoilt(rich.metadata) }, setting);
      if (read.type !== 'message') continue;
      expect(read.text.length).toBeLessThan(4_000);
      expect(read.text.isWellFormed()).toBe(true);
      expect(read.attachments.length).toBeLessThanOrEqual(40);
    }
  });

  it('is edited when its text was, and not when it was only touched', () => {
    const edited = { ...post, edit_at: 2_000, update_at: 2_001, message: 'hello there' };
    expect(parseEditedPost(edited, setting)).toMatchObject({
      type: 'edit',
      text: 'hello there',
      editedAtMs: 2_000,
    });
    expect(parseEditedPost({ ...edited, update_at: 60_000 }, setting)).toMatchObject({
      reason: 'not_edited',
    });
    expect(parseEditedPost(post, setting)).toMatchObject({ reason: 'not_edited' });
  });

  it('is gone when it says so, or now', () => {
    expect(parseDeletedPost({ ...post, delete_at: 5 }, 9)).toMatchObject({
      type: 'deletion',
      deletedAtMs: 5,
    });
    expect(parseDeletedPost(post, 9)).toMatchObject({ deletedAtMs: 9 });
  });
});

describe('a mention', () => {
  it.each([
    ['@Ada, hi', '@ada, hi', ['ada'], 'ada'],
    ['👋 **@ada** hi', '👋 **@ada** hi', ['ada'], 'ada'],
    ['ask @ada.', 'ask @ada.', ['ada'], null],
    ['@ada.lovelace- and @bo_x', '@ada.lovelace- and @bo_x', ['ada.lovelace', 'bo_x'], 'ada.lovelace'],
    ['@channel @ALL @here', '@channel @ALL @here', [], null],
    ['mail ada@acme.example', 'mail ada@acme.example', [], null],
    ['`@ada` and ``@ada ` x``', '`@ada` and ``@ada ` x``', [], null],
    ['a ` tick and @ada', 'a ` tick and @ada', ['ada'], null],
    ['```\n@ada\n```\n@bo', '```\n@ada\n```\n@bo', ['bo'], null],
    ['~~~\n@ada', '~~~\n@ada', [], null],
  ])('%j', (written, text, mentions, addressee) => {
    const read = normaliseText(written);
    expect([read.text, read.mentions.map(({ externalId }) => externalId), read.addressee]).toEqual([
      text,
      mentions,
      addressee,
    ]);
  });
});

describe('a reaction', () => {
  const given = { channelId: id('c'), present: true, ownUserId: id('a'), nowMs: 9 };
  const reaction = { user_id: id('m'), post_id: id('p'), emoji_name: '+1', create_at: 5 };

  it.each([
    ['+1', '👍'],
    ['thumbsdown', '👎'],
    ['+1_medium_dark_skin_tone', '👍'],
    ['octagonal_sign', '🛑'],
    ['mute', '🔇'],
  ])('%s is %s', (emoji_name, emoji) => {
    expect(parseReaction({ ...reaction, emoji_name }, given)).toMatchObject({
      emoji,
      present: true,
      reactedAtMs: 5,
    });
  });

  it('that was taken off was taken off now; one of ours, or one that says nothing, is nothing', () => {
    expect(parseReaction(reaction, { ...given, present: false })).toMatchObject({ reactedAtMs: 9 });
    expect(parseReaction({ ...reaction, user_id: id('a') }, given)).toMatchObject({ reason: 'own_reaction' });
    expect(parseReaction({ ...reaction, emoji_name: 'toString' }, given)).toMatchObject({ type: 'ignored' });
  });
});

describe('a request', () => {
  const credentials = { botToken: 'b'.repeat(26), webhookToken: `${id('t')}, ${id('u')}` };
  const secret = connectionSecret('c1', credentials) ?? '';
  const fields = {
    token: id('t'),
    team_id: id('e'),
    channel_id: id('c'),
    timestamp: '1700000000',
    user_id: id('m'),
    post_id: id('p'),
    text: '@ada hello & good morning',
    trigger_word: '@ada',
    file_ids: '',
  };
  const form = (given: Readonly<Record<string, string>>): ChannelRequest => ({
    path: '/mattermost',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(new URLSearchParams(given).toString()),
  });
  const json = (given: unknown): ChannelRequest => ({
    path: '/mattermost',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(given)),
  });
  const where = { channelId: id('c'), threadId: id('r'), scope: 'channel' } as const;
  const press = () => {
    const [attachment] = choiceAttachments(['Yes', 'No'], where, 'https://k', pressKey(credentials, 'c1'));
    const actions = attachment?.actions as readonly {
      integration: { context: Readonly<Record<string, unknown>> };
    }[];
    const { context } = (actions[1] as (typeof actions)[number]).integration;
    return { user_id: id('m'), channel_id: id('c'), post_id: id('p'), type: 'button', context };
  };
  const refusal = (request: ChannelRequest, against = secret): string | null => {
    try {
      verifyMattermostRequest(request, against);
      return null;
    } catch (error) {
      return isKonstructError(error) && error.status === 401 ? error.code : 'something else';
    }
  };

  it('of an outgoing webhook is the same as a form and as JSON', () => {
    for (const request of [form(fields), json({ ...fields, timestamp: 1_700_000_000_000 })]) {
      expect(refusal(request)).toBeNull();
      expect(parseMattermostRequest(request)).toMatchObject({
        events: [
          {
            type: 'command',
            channelId: id('c'),
            commandId: id('p'),
            sender: { externalId: id('m') },
            text: '@ada hello & good morning',
            reply: { triggerWord: '@ada' },
          },
        ],
      });
    }
  });

  it('is believed with any token of the connection, and with none of its beginnings', () => {
    expect(refusal(form({ ...fields, token: id('u') }))).toBeNull();
    expect(refusal(form({ ...fields, token: id('t').slice(1) }))).toBe('signature_invalid');
    expect(refusal(form({ ...fields, token: `${id('t')} ` }))).toBe('signature_invalid');
    expect(refusal(form({ ...fields, token: '' }))).toBe('signature_missing');
    const twice = Buffer.from(`token=${id('t')}&${new URLSearchParams(fields)}`);
    expect(refusal({ ...form(fields), body: twice })).toBe('signature_missing');
    expect(refusal(form(fields), connectionSecret('c1', { botToken: 'b'.repeat(26) }) ?? '')).toBe(
      'signature_invalid',
    );
    expect(connectionSecret('c1', {})).toBeNull();
  });

  it('of a button that was pressed says which, where and by whom', () => {
    const request = json(press());
    expect(refusal(request)).toBeNull();
    expect(parseMattermostRequest(request)).toMatchObject({
      events: [
        {
          type: 'action',
          channelId: id('c'),
          messageId: id('p'),
          threadId: id('r'),
          scope: 'channel',
          actionId: `${id('p')}.1.${id('m')}`,
          choice: 'No',
          sender: { externalId: id('m') },
        },
      ],
    });
  });

  it('with a press in it is refused with another connection’s key, and with the token of a webhook is no press', () => {
    expect(refusal(json(press()), connectionSecret('c2', credentials) ?? '')).toBe('signature_invalid');
    const both = json({ ...press(), token: id('t'), text: 'x' });
    expect(refusal(both)).toBeNull();
    expect(parseMattermostRequest(both)).toMatchObject({ events: [{ type: 'command' }] });
  });

  it('with a press is refused after any of 1,000 changes to what it stands for', () => {
    const random = seededRandom(3);
    const original = press();
    const changeable = ['choice', 'thread', 'type', 'place', 'proof'];
    for (let round = 0; round < 1_000; round += 1) {
      const name = changeable[Math.floor(random() * changeable.length)] as string;
      const value = String(original.context[name]);
      const at = Math.floor(random() * (value.length + 1));
      const letter = String.fromCharCode(33 + Math.floor(random() * 90));
      const cut = random() < 0.3 ? 1 : 0;
      const text = value.slice(0, at) + (cut ? '' : letter) + value.slice(at + cut);
      if (text === value || (name === 'place' && Number(text) === Number(value))) continue;
      const changed = { ...original.context, [name]: name === 'place' ? Number(text) : text };
      expect(refusal(json({ ...original, context: changed })), JSON.stringify(changed)).not.toBeNull();
    }
    expect(refusal(json({ ...original, channel_id: id('d') }))).toBe('signature_invalid');
  });

  it.each([
    ['no JSON', '{"token":'],
    ['a list', '[]'],
    ['nothing', ''],
  ])('with %s is malformed', (_what, body) => {
    const request = { ...json({}), body: Buffer.from(body) };
    expect(() => parseMattermostRequest(request)).toThrow(
      expect.objectContaining({ code: 'body_malformed' }),
    );
    expect(refusal(request)).toBe('signature_missing');
  });

  it('with anything else in it is nothing', () => {
    for (const strange of [
      {},
      { context: 1 },
      { ...press(), context: { choice: 'x' } },
      { token: 'x', post_id: 'y' },
    ])
      expect(parseMattermostRequest(json(strange))).toMatchObject({ events: [{ type: 'ignored' }] });
  });
});
