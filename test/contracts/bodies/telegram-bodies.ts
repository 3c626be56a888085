import type { WireBody } from './wire-body.ts';

const mara = {
  id: 11,
  is_bot: false,
  first_name: 'Mara',
  last_name: 'K',
  username: 'Mara_K',
  language_code: 'en',
};
const bot = { id: 700001, is_bot: true, first_name: 'Ada', username: 'Ada_Bot' };
const chat = { id: -1001, type: 'supergroup', title: 'Acme', is_forum: true };
const date = 1_700_000_000;
const photo = [{ file_id: 'AgACAgIAAx', file_unique_id: 'AQ', file_size: 1200, width: 90, height: 90 }];
const document = {
  file_id: 'BQACAgIAAx',
  file_unique_id: 'AQ',
  file_name: 'a.pdf',
  mime_type: 'application/pdf',
  file_size: 9,
};
const common = { message_id: 5, date, from: mara, chat, message_thread_id: 3, is_topic_message: true };
const replied = { message_id: 4, date, from: bot, chat, text: 'before', photo };
const entities = [
  { type: 'mention', offset: 0, length: 8 },
  { type: 'text_mention', offset: 9, length: 2, user: { id: 12, first_name: 'Bo' } },
  { type: 'text_link', offset: 12, length: 4, url: 'https://a.example' },
  { type: 'bot_command', offset: 17, length: 12 },
];
const text = '@Ada_Bot Bo docs /ask@Ada_Bot';

const message = (kind: string, content: object): WireBody => ({
  kind,
  sample: { update_id: 9, message: { ...common, ...content } },
});

export const telegramBodies: readonly WireBody[] = [
  message('text', {
    text,
    entities,
    reply_to_message: replied,
    quote: { text: 'bef', position: 0 },
    forward_origin: { type: 'user', sender_user: mara, date },
  }),
  message('reply elsewhere', {
    text: 'hm',
    external_reply: {
      origin: { type: 'hidden_user', sender_user_name: 'Somebody', chat, date },
      chat,
      message_id: 3,
      photo,
    },
    reply_to_story: { chat, id: 1 },
  }),
  message('album', { media_group_id: '13', photo, caption: text, caption_entities: entities }),
  message('files', {
    document,
    voice: { ...document, duration: 3 },
    video_note: document,
    sticker: { ...document, emoji: '👍' },
    live_photo: { photo },
  }),
  message('paid media', { paid_media: { star_count: 5, paid_media: [{ type: 'photo', photo }] } }),
  message('place', {
    location: { latitude: 1.5, longitude: 2.5 },
    venue: { location: { latitude: 1.5, longitude: 2.5 }, title: 'Office', address: 'A' },
  }),
  message('position', { location: { latitude: 1.5, longitude: 2.5 } }),
  message('contact', { contact: { phone_number: '1', first_name: 'Bo', last_name: 'B' } }),
  message('poll', { poll: { question: 'Which?', options: [{ text: 'a', voter_count: 0 }] } }),
  message('checklist', { checklist: { title: 'T', tasks: [{ id: 1, text: 't', completion_date: date }] } }),
  message('story', { story: { chat: { ...chat, title: 'S' }, id: 1 } }),
  message('dice', { dice: { emoji: '🎲', value: 3 } }),
  message('in the name of a group', {
    text: 'hi',
    sender_chat: { id: -1002, type: 'channel', title: 'News' },
  }),
  message('command for one', {
    text: '/ask why',
    entities: [{ type: 'bot_command', offset: 0, length: 4 }],
    ephemeral_message_id: 4,
  }),
  message('member', { new_chat_members: [mara] }),
  message('rich text', {
    rich_message: {
      blocks: [
        { type: 'heading', size: 2, text: 'T' },
        { type: 'paragraph', text: [{ type: 'bold', text: ['b', { type: 'italic', text: 'i' }] }, 'x'] },
        { type: 'pre', language: 'js', text: 'x' },
        {
          type: 'list',
          items: [
            { label: '1.', has_checkbox: true, is_checked: true, blocks: [{ type: 'paragraph', text: 'a' }] },
          ],
        },
        { type: 'blockquote', blocks: [{ type: 'paragraph', text: 'q' }], credit: 'c' },
        {
          type: 'table',
          caption: 'c',
          cells: [[{ text: 'a' }, { text: { type: 'url', url: 'https://a.example', text: 'u' } }]],
        },
        { type: 'map', location: { latitude: 1.5, longitude: 2.5 }, caption: { text: 'here', credit: 'me' } },
        { type: 'buttons', buttons: [{ text: 'b' }] },
        { type: 'photo', photo },
        {
          type: 'paragraph',
          text: [
            { type: 'mention', username: '@Ada_Bot' },
            { type: 'text_mention', user: mara, text: 'Mara' },
            { type: 'custom_emoji', alternative_text: '👍' },
            { type: 'mathematical_expression', expression: 'x' },
            { type: 'button', button: { text: 'b' } },
            { type: 'bot_command', text: '/ask' },
          ],
        },
      ],
    },
  }),
  {
    kind: 'edit',
    sample: { update_id: 9, edited_message: { ...common, text, entities, edit_date: date + 5 } },
  },
  {
    kind: 'membership',
    sample: {
      update_id: 9,
      my_chat_member: {
        chat,
        from: mara,
        date,
        old_chat_member: { status: 'member', user: bot },
        new_chat_member: { status: 'restricted', is_member: false, user: bot },
      },
    },
  },
  {
    kind: 'reaction',
    sample: {
      update_id: 9,
      message_reaction: {
        chat,
        message_id: 5,
        user: mara,
        date,
        old_reaction: [{ type: 'emoji', emoji: '👍' }],
        new_reaction: [
          { type: 'emoji', emoji: '👎🏽' },
          { type: 'custom_emoji', custom_emoji_id: '1' },
        ],
      },
    },
  },
  {
    kind: 'press',
    sample: {
      update_id: 9,
      callback_query: {
        id: '4382bfdwdsb323b2d9',
        from: mara,
        chat_instance: '1',
        data: '#0',
        message: {
          ...common,
          from: bot,
          reply_to_message: replied,
          reply_markup: { inline_keyboard: [[{ text: 'Yes', callback_data: '#0' }]] },
        },
      },
    },
  },
];
