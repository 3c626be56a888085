import type { WireBody } from './wire-body.ts';

const id = (number: number) => String(1_100_000_000_000_000_000n + BigInt(number));
const mara = { id: id(11), username: 'mara', global_name: 'Mara K', discriminator: '0' };
const channel = { id: id(20), type: 0, guild_id: id(9) };
const file = {
  id: id(60),
  filename: 'a.pdf',
  content_type: 'application/pdf; x',
  size: 12,
  url: 'https://a.example',
};
const poll = { question: { text: 'Which?' }, answers: [{ answer_id: 1, poll_media: { text: 'a' } }] };
const embed = { type: 'rich', title: 't', description: 'd', fields: [{ name: 'n', value: 'v' }] };
const said = {
  id: id(40),
  channel_id: id(20),
  guild_id: id(9),
  type: 19,
  author: { ...mara, bot: false },
  member: { nick: 'Mar', roles: [] },
  content: `<@${id(1)}> look <#${id(20)}> <:x:${id(3)}> <t:1700000000:R> </ask:${id(4)}> <@&${id(2)}>`,
  edited_timestamp: '2026-11-29T00:00:00.000000+00:00',
  mentions: [{ ...mara, id: id(1), member: { nick: 'Ada' } }],
  mention_channels: [{ id: id(20), name: 'general' }],
  attachments: [file],
  embeds: [embed],
  sticker_items: [{ id: id(5), name: 'hi' }],
  poll,
};
const message = {
  ...said,
  referenced_message: { ...said, id: id(39), author: mara, type: 0 },
  message_reference: { type: 1, message_id: id(38), channel_id: id(20) },
  message_snapshots: [{ message: { content: 'passed on', embeds: [embed], attachments: [file] } }],
};
const interaction = {
  id: id(70),
  application_id: id(1),
  token: 'aW50ZXJhY3Rpb24',
  version: 1,
  channel,
  channel_id: id(20),
  guild_id: id(9),
  member: { user: mara, nick: 'Mar', roles: [] },
  app_permissions: '2248473465835073',
};
const options = [{ name: 'question', type: 3, value: `why <@${id(11)}>?` }];
const command = {
  ...interaction,
  type: 2,
  data: { id: '1', name: 'ask', type: 1, options, resolved: { users: { [id(11)]: mara } } },
};
const press = {
  ...interaction,
  type: 3,
  context: 1,
  data: { component_type: 2, custom_id: 'choice-0' },
  message: {
    id: id(41),
    author: { ...mara, id: id(1), bot: true },
    components: [{ type: 1, components: [{ type: 2, style: 2, label: 'Yes', custom_id: 'choice-0' }] }],
  },
};

export const discordBodies: readonly WireBody[] = [
  { kind: 'ping', sample: { id: id(70), application_id: id(1), type: 1, token: 't', version: 1 } },
  { kind: 'command', sample: command },
  { kind: 'press', sample: press },
  {
    kind: 'press of a person',
    sample: { ...press, member: undefined, user: mara, channel: { id: id(50), type: 1 } },
  },
];

/** What comes over the gateway, with the name of its event. */
export const discordDispatches: readonly WireBody[] = [
  { kind: 'MESSAGE_CREATE', sample: message },
  { kind: 'MESSAGE_CREATE', sample: { ...message, type: 0, content: '', referenced_message: undefined } },
  { kind: 'MESSAGE_UPDATE', sample: message },
  { kind: 'MESSAGE_DELETE', sample: { id: id(40), channel_id: id(20), guild_id: id(9) } },
  { kind: 'MESSAGE_DELETE_BULK', sample: { ids: [id(40), id(41)], channel_id: id(20), guild_id: id(9) } },
  {
    kind: 'MESSAGE_REACTION_ADD',
    sample: {
      user_id: id(11),
      channel_id: id(20),
      message_id: id(40),
      guild_id: id(9),
      member: { user: mara },
      emoji: { id: null, name: '👍🏽' },
    },
  },
  {
    kind: 'MESSAGE_REACTION_REMOVE',
    sample: { user_id: id(11), channel_id: id(20), message_id: id(40), emoji: { id: id(3), name: 'x' } },
  },
  { kind: 'CHANNEL_DELETE', sample: channel },
  { kind: 'INTERACTION_CREATE', sample: command },
  { kind: 'INTERACTION_CREATE', sample: press },
];
