import { describe, expect, it } from 'vitest';
import type { ChannelEvent } from '../../core/channel-event.ts';
import { parseTelegramRequest, parseUpdate } from './parse.ts';

const mara = {
  id: 11,
  is_bot: false,
  first_name: 'Mara',
  last_name: 'K',
  username: 'Mara_K',
  language_code: 'en',
};
const bot = { id: 700001, is_bot: true, first_name: 'Ada', username: 'Ada_Bot' };
const group = { id: -1001, type: 'supergroup', title: 'Acme' };
const person = { id: 11, type: 'private', first_name: 'Mara' };

function parse(message: object, kind = 'message'): ChannelEvent | undefined {
  return parseUpdate({
    update_id: 9,
    [kind]: { message_id: 5, date: 1_700_000_000, from: mara, chat: group, ...message },
  })[0];
}

describe('a message', () => {
  it('says who wrote what, where and when', () => {
    expect(parse({ text: 'hello' })).toEqual({
      type: 'message',
      account: { externalIds: [], appId: null, agentUserId: null },
      eventId: '9',
      channelId: '-1001',
      messageId: '5',
      threadId: null,
      chain: { repliesTo: null, answerAt: '5', isPart: false },
      scope: 'channel',
      sender: { externalId: '11', name: 'Mara K' },
      text: 'hello',
      mentions: [],
      addressee: null,
      mentionsAgent: false,
      attachments: [],
      sentAtMs: 1_700_000_000_000,
      channelMetadata: { language: 'en' },
    });
  });

  it.each([
    [
      '👩‍👩‍👧 @Ada_Bot hi',
      [{ type: 'mention', offset: 9, length: 8 }],
      '👩‍👩‍👧 @ada_bot hi',
      ['ada_bot'],
      'ada_bot',
    ],
    ['hi @Ada_Bot', [{ type: 'mention', offset: 3, length: 8 }], 'hi @ada_bot', ['ada_bot'], null],
    [
      'Bo, look',
      [{ type: 'text_mention', offset: 0, length: 2, user: { id: 12, first_name: 'Bo' } }],
      '@12, look',
      ['12'],
      '12',
    ],
    [
      'see docs',
      [{ type: 'text_link', offset: 4, length: 4, url: 'https://e.x' }],
      'see docs (https://e.x)',
      [],
      null,
    ],
    [
      '/ask@Ada_Bot why',
      [{ type: 'bot_command', offset: 0, length: 12 }],
      '/ask why',
      ['ada_bot'],
      'ada_bot',
    ],
    ['/ask why', [{ type: 'bot_command', offset: 0, length: 4 }], '/ask why', [], null],
    [
      'short',
      [
        { type: 'mention', offset: 3, length: 99 },
        { type: 'mention', offset: -1, length: 2 },
      ],
      'short',
      [],
      null,
    ],
  ])('%j is read by its entities', (text, entities, shown, mentioned, addressee) => {
    const event = parse({ text, entities });
    expect(event).toMatchObject({ text: shown, addressee });
    expect(event?.type === 'message' && event.mentions.map(({ externalId }) => externalId)).toEqual(
      mentioned,
    );
  });

  it('in a private chat is part of the one conversation, also as a reply', () => {
    const reply = { message_id: 4, from: bot, chat: person, text: 'earlier' };
    expect(parse({ chat: person, text: 'hi', reply_to_message: reply })).toMatchObject({
      quotes: { senderId: 'ada_bot', text: 'earlier' },
      scope: 'direct',
      channelId: '11',
      threadId: null,
      chain: { repliesTo: null },
    });
  });

  it('that replies names what it replies to and who wrote that, and quotes a person', () => {
    const ofBot = { message_id: 4, from: bot, chat: group, text: 'earlier' };
    expect(parse({ text: 'go on', reply_to_message: ofBot })).toMatchObject({
      threadId: '4',
      chain: { repliesTo: { messageId: '4', senderId: 'ada_bot' } },
      text: 'go on',
    });
    const ofPerson = { message_id: 3, from: { id: 12, first_name: 'Bo' }, chat: group, text: 'one\ntwo' };
    expect(parse({ text: 'this', reply_to_message: ofPerson })).toMatchObject({
      text: 'this',
      quotes: { messageId: '3', senderId: '12', name: 'Bo', text: 'one\ntwo', attachments: [] },
    });
  });

  it('brings along the files of what it replies to, also of another chat, and only once for an album', () => {
    const file = { document: { file_id: 'd', file_unique_id: 'd', file_name: 'plan.pdf' } };
    const replied = { message_id: 3, from: { id: 12, first_name: 'Bo' }, chat: group, ...file };
    const attachments = [{ name: 'plan.pdf', externalId: 'd' }];
    expect(parse({ text: 'summarise', reply_to_message: replied })).toMatchObject({
      attachments: [],
      quotes: { messageId: '3', name: 'Bo', text: '', attachments },
    });
    const origin = {
      type: 'channel',
      chat: { id: -9, type: 'channel', title: 'News' },
      message_id: 1,
      date: 1,
    };
    expect(
      parse({
        chat: person,
        text: 'summarise',
        external_reply: { origin, ...file },
        quote: { text: 'part' },
      }),
    ).toMatchObject({ quotes: { messageId: null, senderId: null, name: 'News', text: 'part', attachments } });
    const photo = [{ file_id: 'p', file_unique_id: 'p' }];
    const album = { media_group_id: '7', photo, reply_to_message: replied };
    expect(parse(album)).not.toHaveProperty('quotes');
    expect(parse({ ...album, caption: 'as there' })).toMatchObject({ quotes: { attachments } });
  });

  it('quotes what is no text by what it is, and a marked part whoever wrote it', () => {
    const from = { id: 12, first_name: 'Bo' };
    const quotes = (fields: object, reply: object = {}) =>
      parse({ text: 'this?', reply_to_message: { message_id: 3, from, chat: group, ...fields }, ...reply });
    const blocks = [{ type: 'paragraph', text: 'rich' }];
    expect(quotes({ rich_message: { blocks } })).toMatchObject({ quotes: { name: 'Bo', text: 'rich' } });
    expect(quotes({ location: { latitude: 1, longitude: 2 } })).toMatchObject({
      quotes: { text: '[location: 1, 2]' },
    });
    expect(quotes({ from: bot, text: 'all of it' }, { quote: { text: 'part' } })).toMatchObject({
      quotes: { senderId: null, name: null, text: 'part' },
    });
    expect(
      parse({ text: 'nice', reply_to_story: { id: 1, chat: { id: 12, first_name: 'Bo' } } }),
    ).toMatchObject({
      quotes: { text: '[story of Bo]' },
    });
    const topic = { is_topic_message: true, message_thread_id: 2 };
    const beginning = { message_id: 2, from, chat: group, text: 'what the topic began with' };
    expect(parse({ ...topic, text: 'hi', reply_to_message: beginning })).not.toHaveProperty('quotes');
  });

  it('of an administrator who writes as the group is a person’s, of a bot or a linked channel nobody’s', () => {
    const anonymous = { from: { id: 1087968824, is_bot: true }, sender_chat: group };
    expect(parse({ ...anonymous, text: 'hi' })).toMatchObject({
      type: 'message',
      sender: { externalId: '-1001', name: 'Acme' },
    });
    expect(parse({ from: bot, text: 'hi' })).toMatchObject({ type: 'ignored', reason: 'bot_message' });
    expect(parse({ via_bot: bot, text: 'hi' })).toMatchObject({
      type: 'message',
      sender: { externalId: '11' },
    });
    const forwarded = { sender_chat: { id: -5, type: 'channel' }, is_automatic_forward: true };
    expect(parse({ ...forwarded, text: 'hi' })).toMatchObject({ type: 'ignored', reason: 'channel_post' });
  });

  it.each([
    [
      {
        photo: [
          { file_id: 'a', file_unique_id: 's' },
          { file_id: 'b', file_unique_id: 'l', file_size: 9 },
        ],
      },
      'photo.jpg',
      'image/jpeg',
      9,
    ],
    [
      {
        document: { file_id: 'd', file_unique_id: 'd', file_name: 'plan.pdf', mime_type: 'application/pdf' },
      },
      'plan.pdf',
      'application/pdf',
      null,
    ],
    [
      { voice: { file_id: 'v', file_unique_id: 'v', duration: 3, mime_type: 'audio/ogg' } },
      'voice message.ogg',
      'audio/ogg',
      null,
    ],
  ])('carries a file by name and type', (fields, name, mediaType, sizeBytes) => {
    expect(parse({ ...fields, caption: 'look' })).toMatchObject({
      text: 'look',
      attachments: [{ name, mediaType, sizeBytes }],
    });
  });

  it('that is rich is read like one with a text, and so is its edit', () => {
    const mention = { type: 'mention', text: '@Ada_Bot', username: 'Ada_Bot' };
    const rich_message = { blocks: [{ type: 'paragraph', text: [mention, ' sum this up'] }] };
    const said = { text: '@ada_bot sum this up', mentions: [{ externalId: 'ada_bot' }] };
    expect(parse({ rich_message })).toMatchObject({ type: 'message', addressee: 'ada_bot', ...said });
    expect(parse({ rich_message, edit_date: 1_700_000_050 }, 'edited_message')).toMatchObject({
      type: 'edit',
      ...said,
    });
  });

  it.each([
    [
      {
        checklist: {
          title: 'Trip',
          tasks: [
            { id: 1, text: 'book', completion_date: 1_700_000_000 },
            { id: 2, text: 'pack', completion_date: 0 },
          ],
        },
      },
      '[checklist: Trip]\n- [x] book\n- [ ] pack',
      [],
    ],
    [
      { paid_media: { star_count: 5, paid_media: [{ type: 'photo', photo: [{ file_id: 'p' }] }] } },
      '[media that costs 5 Telegram Stars]',
      ['photo.jpg'],
    ],
    [{ paid_media: { star_count: 5, paid_media: [{ type: 'preview' }] }, caption: 'Look' }, 'Look', []],
    [{ live_photo: { file_id: 'v', photo: [{ file_id: 'p' }] } }, '', ['photo.jpg']],
    [{ live_photo: { file_id: 'v' }, photo: [{ file_id: 'p' }], caption: 'us' }, 'us', ['photo.jpg']],
    [{ story: { id: 1, chat: { id: 12, type: 'private', first_name: 'Bo' } } }, '[story of Bo]', []],
  ])('of a kind without a text is told by what it is: %j', (fields, text, files) => {
    const event = parse({ chat: person, ...fields });
    expect(event).toMatchObject({ type: 'message', scope: 'direct', text });
    expect(event?.type === 'message' && event.attachments.map(({ name }) => name)).toEqual(files);
  });

  it('that nobody else sees is a command of its own, also when its number is used again', () => {
    const whisper = { message_id: 0, ephemeral_message_id: 7, receiver_user: bot, text: '/ask@Ada_Bot why' };
    const entities = [{ type: 'bot_command', offset: 0, length: 12 }];
    const command = parse({ ...whisper, entities });
    expect(command).toMatchObject({
      type: 'command',
      channelId: '-1001',
      scope: 'channel',
      sender: { externalId: '11' },
      text: '/ask why',
      reply: { ephemeralId: 7 },
    });
    const ids = [
      {},
      {},
      { date: 1_700_000_900 },
      { from: { ...mara, id: 12 } },
      { ephemeral_message_id: 8 },
    ].map((other) => {
      const event = parse({ ...whisper, ...other });
      return event?.type === 'command' ? event.commandId : null;
    });
    expect(ids[0]).toBe(ids[1]);
    expect(new Set(ids).size).toBe(4);
  });

  it.each([
    [{ new_chat_members: [mara] }, 'service:new_chat_members'],
    [{ migrate_to_chat_id: -100 }, 'service:migrate_to_chat_id'],
    [{}, 'message_empty'],
    [{ chat: { id: -7, type: 'channel' }, text: 'x' }, 'message_incomplete'],
  ])('that says nothing is ignored, with the reason', (fields, reason) => {
    expect(parse(fields)).toMatchObject({ type: 'ignored', reason });
  });
});

describe('an edit', () => {
  it('has the same id, and the time of the edit', () => {
    expect(parse({ text: 'better', edit_date: 1_700_000_050 }, 'edited_message')).toMatchObject({
      type: 'edit',
      messageId: '5',
      text: 'better',
      editedAtMs: 1_700_000_050_000,
    });
    expect(parse({ location: { latitude: 1, longitude: 2 } }, 'edited_message')).toMatchObject({
      type: 'ignored',
    });
  });
});

describe('a reaction', () => {
  it('is one event for each emoji that came or went', () => {
    const emoji = (text: string) => ({ type: 'emoji', emoji: text });
    const change = {
      chat: group,
      message_id: 5,
      user: mara,
      date: 1,
      old_reaction: [emoji('👍🏽'), emoji('🔇')],
      new_reaction: [emoji('👍'), emoji('🛑')],
    };
    expect(parseUpdate({ update_id: 1, message_reaction: change })).toMatchObject([
      { type: 'reaction', emoji: '🔇', present: false, messageId: '5', senderId: '11' },
      { type: 'reaction', emoji: '🛑', present: true },
    ]);
  });
});

describe('what is no update', () => {
  it.each(['', 'x', '[]', 'null', '{}', '{"update_id":"1"}'])('%j is malformed', (body) => {
    const request = { path: '/telegram', headers: {}, body: Buffer.from(body) };
    expect(() => parseTelegramRequest(request)).toThrow(expect.objectContaining({ code: 'body_malformed' }));
  });

  it('of a kind that is not known is ignored by name', () => {
    expect(parseUpdate({ update_id: 1, business_connection: {} })).toMatchObject([
      { reason: 'update:business_connection' },
    ]);
  });
});

describe('a press of a button', () => {
  const carrier = {
    message_id: 6,
    date: 1_700_000_000,
    from: bot,
    chat: group,
    text: 'Which?',
    reply_to_message: { message_id: 5, from: mara, chat: group, date: 1 },
    reply_markup: {
      inline_keyboard: [
        [{ text: 'A long one', callback_data: '#0' }],
        [{ text: 'No', callback_data: '=No' }],
      ],
    },
  };
  const press = (data: unknown, message: object = carrier, from: object = mara) =>
    parseUpdate({ update_id: 9, callback_query: { id: '77', from, message, chat_instance: '1', data } })[0];

  it('says what stands on the button, in the conversation of its message', () => {
    expect(press('=No')).toEqual({
      type: 'action',
      account: { externalIds: [], appId: null, agentUserId: null },
      eventId: '9',
      channelId: '-1001',
      messageId: '6',
      threadId: '5',
      chain: { repliesTo: { messageId: '6', senderId: 'ada_bot' }, answerAt: '6', isPart: false },
      scope: 'channel',
      actionId: '77',
      sender: { externalId: '11', name: 'Mara K' },
      choice: 'No',
      pressedAtMs: null,
      reply: {},
    });
    expect(press('#0')).toMatchObject({ choice: 'A long one' });
  });

  it('in private is said in the chat', () => {
    expect(press('=No', { ...carrier, chat: person })).toMatchObject({
      scope: 'direct',
      threadId: null,
      chain: { repliesTo: null, answerAt: '6' },
    });
  });

  it('below a message that the bot cannot see any more still says what it means, if the button does', () => {
    const old = { message_id: 6, date: 0, chat: group };
    expect(press('=No', old)).toMatchObject({ choice: 'No', threadId: null });
    expect(press('#0', old)).toMatchObject({ type: 'ignored', reason: 'press_unknown' });
  });

  it.each([
    ['=No', {}, mara, 'press_incomplete'],
    ['=No', carrier, bot, 'bot_message'],
    ['#7', carrier, mara, 'press_unknown'],
    [undefined, carrier, mara, 'press_unknown'],
    ['', carrier, mara, 'press_unknown'],
  ])('%j below %j is ignored as %s', (data, message, from, reason) => {
    expect(press(data, message, from)).toMatchObject({ type: 'ignored', reason });
  });
});
