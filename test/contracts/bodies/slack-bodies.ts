import { slackFixture, slackFixtureNames } from '../../support/slack-request.ts';
import type { WireBody } from './wire-body.ts';

const buttons = {
  type: 'actions',
  block_id: 'konstruct_choices',
  elements: [
    {
      type: 'button',
      action_id: 'konstruct_choice_0',
      text: { type: 'plain_text', text: 'Yes', emoji: true },
      value: 'Yes',
    },
  ],
};

const press = {
  type: 'block_actions',
  team: { id: 'T0ACME0001', domain: 'acme' },
  enterprise: { id: 'E0ACME0001' },
  api_app_id: 'A0KONSTR01',
  user: { id: 'U0PERSON01', username: 'mara', team_id: 'T0ACME0001' },
  trigger_id: '1.2.abc',
  container: {
    type: 'message',
    message_ts: '1760440341.944969',
    channel_id: 'C0GENERAL1',
    thread_ts: '1760440340.000100',
  },
  channel: { id: 'C0GENERAL1', name: 'general' },
  message: {
    type: 'message',
    ts: '1760440341.944969',
    thread_ts: '1760440340.000100',
    text: 'Shall I?',
    blocks: [{ type: 'markdown', text: 'Shall I?' }, buttons],
    metadata: { event_type: 'konstruct_delivery', event_payload: { delivery_id: '7' } },
  },
  response_url: 'https://hooks.slack.com/actions/T/1/x',
  actions: [
    {
      type: 'button',
      action_id: 'konstruct_choice_0',
      block_id: 'konstruct_choices',
      value: 'Yes',
      action_ts: '1760440350.000100',
    },
  ],
};

const command = {
  token: 'x',
  team_id: 'T0ACME0001',
  team_domain: 'acme',
  enterprise_id: 'E0ACME0001',
  channel_id: 'C0GENERAL1',
  channel_name: 'general',
  user_id: 'U0PERSON01',
  user_name: 'mara',
  command: '/ask',
  text: 'where is <@U0PERSON02|tom> & <#C0GENERAL1|general>?',
  api_app_id: 'A0KONSTR01',
  is_enterprise_install: 'false',
  response_url: 'https://hooks.slack.com/commands/T/1/x',
  trigger_id: '13345224609.738474920.8088930838d88f008e0',
};

/** What people paste, share and attach, in blocks of every kind. */
const everything = {
  type: 'event_callback',
  team_id: 'T0ACME0001',
  context_team_id: 'T0ACME0001',
  context_enterprise_id: 'E0ACME0001',
  enterprise_id: 'E0ACME0001',
  api_app_id: 'A0KONSTR01',
  event_id: 'Ev0AAAA0099',
  event_time: 1760440343,
  is_ext_shared_channel: true,
  authorizations: [
    { enterprise_id: null, team_id: 'T0ACME0001', user_id: 'U0ADABOT01', is_bot: true },
    { enterprise_id: null, team_id: 'T0ACME0002', user_id: 'U0ADABOT02', is_bot: true },
  ],
  event: {
    type: 'message',
    user: 'U0PERSON01',
    user_team: 'T0ACME0002',
    client_msg_id: 'b5908b46',
    ts: '1760440400.000100',
    event_ts: '1760440400.000100',
    channel: 'C0GENERAL1',
    channel_type: 'channel',
    text: '',
    blocks: [
      {
        type: 'rich_text',
        elements: [
          {
            type: 'rich_text_list',
            elements: [
              {
                type: 'rich_text_section',
                elements: [
                  { type: 'text', text: 'see' },
                  { type: 'user', user_id: 'U0ADABOT01' },
                  { type: 'channel', channel_id: 'C0GENERAL1' },
                  { type: 'usergroup', usergroup_id: 'S1' },
                  { type: 'broadcast', range: 'here' },
                  { type: 'link', url: 'https://a.example', text: 'a' },
                  { type: 'emoji', name: 'wave' },
                  { type: 'date', timestamp: 1760440400, fallback: 'today' },
                ],
              },
            ],
          },
        ],
      },
      { type: 'section', text: { type: 'mrkdwn', text: '*b*' }, fields: [{ type: 'plain_text', text: 'f' }] },
      { type: 'context', elements: [{ type: 'mrkdwn', text: 'c' }] },
      { type: 'image', title: { type: 'plain_text', text: 'i' }, alt_text: 'alt' },
      {
        type: 'table',
        rows: [
          [
            { type: 'raw_text', text: 'a' },
            { type: 'rich_text', elements: [{ type: 'rich_text_section', elements: [] }] },
          ],
        ],
        column_settings: [{ align: 'right', is_wrapped: true }],
      },
    ],
    files: [
      { id: 'F0FILE0001', name: 'a.pdf', title: 'A', mimetype: 'application/pdf', size: 12, mode: 'hosted' },
    ],
    attachments: [
      {
        is_share: true,
        is_msg_unfurl: true,
        author_name: 'Grace',
        author_subname: 'grace',
        text: '',
        fallback: 'f',
        files: [{ id: 'F0FILE0002', name: 'b.png', mimetype: 'image/png', size: 3 }],
        message_blocks: [
          { message: { blocks: [{ type: 'section', text: { type: 'mrkdwn', text: 'shared' } }] } },
        ],
        blocks: [{ type: 'table', rows: [[{ type: 'raw_text', text: 'x' }]] }],
      },
    ],
  },
};

const events: readonly WireBody[] = [
  { kind: 'everything', sample: everything },
  ...slackFixtureNames().map((kind) => ({ kind, sample: JSON.parse(slackFixture(kind)) as unknown })),
];

export const slackBodies: readonly WireBody[] = [
  ...events,
  { kind: 'press', sample: press, path: '/slack/interactions', form: 'payload' },
  { kind: 'command', sample: command, path: '/slack/commands', form: 'fields' },
  {
    kind: 'certificate check',
    sample: { ssl_check: '1', token: 'x' },
    path: '/slack/commands',
    form: 'fields',
  },
];

const enveloped = {
  envelope_id: 'e-1',
  retry_attempt: 1,
  retry_reason: 'timeout',
  accepts_response_payload: true,
};

/** What comes over a socket. */
export const slackEnvelopes: readonly WireBody[] = [
  {
    kind: 'hello',
    sample: {
      type: 'hello',
      num_connections: 1,
      connection_info: { app_id: 'A0KONSTR01' },
      debug_info: { host: 'h', approximate_connection_time: 18_060 },
    },
  },
  { kind: 'disconnect', sample: { type: 'disconnect', reason: 'warning', debug_info: { host: 'h' } } },
  { kind: 'event', sample: { type: 'events_api', ...enveloped, payload: everything } },
  { kind: 'press', sample: { type: 'interactive', ...enveloped, payload: press } },
  { kind: 'command', sample: { type: 'slash_commands', ...enveloped, payload: command } },
];
