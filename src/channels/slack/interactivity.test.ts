import { describe, expect, it } from 'vitest';
import type { ChannelEvent } from '../../core/channel-event.ts';
import { answeredBlocks, MAX_CHOICE_CHARACTERS, textArguments } from './choices.ts';
import { parseSlackRequest } from './parse.ts';

const form = 'application/x-www-form-urlencoded';

function parseForm(fields: Record<string, string>, headers: Record<string, string> = {}): ChannelEvent {
  const parsed = parseSlackRequest({
    path: '/slack/interactions',
    headers: { 'content-type': form, ...headers },
    body: Buffer.from(new URLSearchParams(fields).toString()),
  });
  const [event] = parsed.kind === 'events' ? parsed.events : [];
  if (event === undefined) throw new Error('Nothing was parsed.');
  return event;
}

/** As Slack sends it, shortened to what is read and some of what is not. */
const press = {
  type: 'block_actions',
  user: { id: 'U1', username: 'mara', name: 'mara', team_id: 'T1' },
  api_app_id: 'A1',
  token: 'verification',
  container: {
    type: 'message',
    message_ts: '1712345678.000200',
    channel_id: 'C1',
    is_ephemeral: false,
    thread_ts: '1712345678.000100',
  },
  trigger_id: '12.34.abc',
  team: { id: 'T1', domain: 'acme' },
  enterprise: null,
  is_enterprise_install: false,
  channel: { id: 'C1', name: 'general' },
  message: {
    type: 'message',
    ts: '1712345678.000200',
    thread_ts: '1712345678.000100',
    text: 'Which?',
    blocks: [],
  },
  state: { values: {} },
  response_url: 'https://hooks.slack.com/actions/T1/1/x',
  actions: [
    {
      action_id: 'konstruct_choice_1',
      block_id: 'konstruct_choices',
      text: { type: 'plain_text', text: 'Two', emoji: true },
      value: 'Two',
      type: 'button',
      action_ts: '1712345680.123456',
    },
  ],
};
const parsePress = (change: object = {}) => parseForm({ payload: JSON.stringify({ ...press, ...change }) });

const command = {
  token: 'verification',
  team_id: 'T1',
  team_domain: 'acme',
  channel_id: 'C1',
  channel_name: 'general',
  user_id: 'U1',
  user_name: 'mara',
  command: '/ada',
  text: ' how do <@U2|tomas> &amp; I get refunds? ',
  api_app_id: 'A1',
  is_enterprise_install: 'false',
  response_url: 'https://hooks.slack.com/commands/T1/1/x',
  trigger_id: '12.34.abc',
};

describe('a press of one of our buttons', () => {
  it('is an action in the thread of its message', () => {
    expect(parsePress()).toMatchObject({
      type: 'action',
      account: { externalIds: ['T1'], appId: 'A1' },
      channelId: 'C1',
      messageId: '1712345678.000200',
      threadId: '1712345678.000100',
      scope: 'channel',
      sender: { externalId: 'U1' },
      choice: 'Two',
      pressedAtMs: 1_712_345_680_123,
    });
  });

  it('has one id however often it comes, and another when it is pressed by somebody else or again', () => {
    const id = (change: object = {}) => {
      const event = parsePress(change);
      return event.type === 'action' ? event.actionId : null;
    };
    const [action] = press.actions;
    const again = { actions: [{ ...action, action_ts: '1712345681.000000' }] };
    expect(id()).toBe(id({ trigger_id: 'other' }));
    expect(new Set([id(), id({ user: { id: 'U2' } }), id(again)]).size).toBe(3);
  });

  it('is understood where fields are missing that the container or the message has too', () => {
    for (const missing of ['channel', 'message', 'enterprise', 'state', 'trigger_id', 'response_url'])
      expect(parsePress({ [missing]: undefined }), missing).toMatchObject({
        type: 'action',
        channelId: 'C1',
      });
    expect(parsePress({ container: undefined })).toMatchObject({ threadId: '1712345678.000100' });
  });

  it('belongs to the organisation where the app is installed on all of it', () => {
    const event = parsePress({ team: null, enterprise: { id: 'E1' }, is_enterprise_install: true });
    expect(event.account.externalIds).toEqual(['E1']);
  });

  it.each([
    [{ type: 'view_submission' }, 'interaction:view_submission'],
    [{ actions: [{ ...press.actions[0], action_id: 'other' }] }, 'interaction:other_action'],
    [{ actions: [{ ...press.actions[0], type: 'overflow' }] }, 'interaction:other_action'],
    [{ actions: [{ ...press.actions[0], value: '' }] }, 'interaction:other_action'],
    [{ actions: 'x' }, 'interaction:other_action'],
    [{ user: null }, 'interaction_incomplete'],
    [{ actions: [{ ...press.actions[0], action_ts: 'x' }] }, 'interaction_incomplete'],
  ])('is nothing for us otherwise: %o', (change, reason) => {
    expect(parsePress(change)).toMatchObject({ type: 'ignored', reason });
  });
});

describe('a slash command', () => {
  it('is what was written behind it, with the people it names', () => {
    expect(parseForm(command)).toEqual({
      type: 'command',
      account: { externalIds: ['T1'], appId: 'A1', agentUserId: null },
      eventId: null,
      channelId: 'C1',
      scope: 'channel',
      commandId: '12.34.abc',
      sender: { externalId: 'U1', name: null },
      text: 'how do @U2 & I get refunds?',
      mentions: [{ externalId: 'U2', name: 'tomas' }],
      reply: { command: '/ada', responseUrl: command.response_url, isRepeated: false },
    });
    expect(parseForm(command, { 'x-slack-retry-num': '1' })).toMatchObject({ reply: { isRepeated: true } });
  });

  it('that lacks what it takes to answer is nothing for us, and so is a certificate check', () => {
    for (const missing of ['channel_id', 'user_id', 'trigger_id'])
      expect(parseForm({ ...command, [missing]: '' })).toMatchObject({ reason: 'command_incomplete' });
    expect(parseForm({ ssl_check: '1', token: 't' })).toMatchObject({ reason: 'ssl_check' });
  });
});

describe('a table', () => {
  const table = ['| Item | Count |', '|------|------:|', '| a <@U1> | 7 |'].join('\n');

  it('is shown by a block, with the text for notifications beside it', () => {
    const text = `Here:\n\n${table}`;
    expect(textArguments(text)).toEqual({
      text: text.replace('<@U1>', '@\u200bU1'),
      blocks: [{ type: 'markdown', text: text.replace('<@U1>', '@\u200bU1') }],
    });
  });

  it.each([
    ['a | b\n--- | :---:\n1 | 2', true],
    ['> | a |\n> | - |', true],
    ['a | b', false],
    ['a\n---\nb', false],
    ['a or b\n|---|', false],
    ['|---|', false],
    [`${'|'.repeat(50_000)}\n${'-|'.repeat(50_000)}x`, false],
  ])('is told from what is none: %#', (text, isTable) => {
    expect('blocks' in textArguments(text)).toBe(isTable);
  });
});

describe('choices', () => {
  it('are buttons below the text; without any it is the text alone', () => {
    expect(textArguments('**Hi**')).toEqual({ markdown_text: '**Hi**' });
    expect(textArguments('Which <@U1>?', ['One', 'Two'])).toEqual({
      text: 'Which @\u200bU1?',
      blocks: [
        { type: 'markdown', text: 'Which @\u200bU1?' },
        {
          type: 'actions',
          block_id: 'konstruct_choices',
          elements: ['One', 'Two'].map((text, index) => ({
            type: 'button',
            action_id: `konstruct_choice_${index}`,
            text: { type: 'plain_text', text, emoji: true },
            value: text,
          })),
        },
      ],
    });
  });

  it('are cut to what Slack takes, and nothing is cut in the middle of a character', () => {
    const { blocks } = textArguments('x', [
      '😀'.repeat(60),
      ...Array.from({ length: 30 }, (_, at) => `${at}`),
    ]);
    const [, { elements }] = blocks as [unknown, { elements: { text: { text: string }; value: string }[] }];
    expect(elements).toHaveLength(25);
    const shown = elements[0]?.text.text ?? '';
    expect(shown.length).toBeLessThanOrEqual(MAX_CHOICE_CHARACTERS);
    expect(shown.isWellFormed()).toBe(true);
    expect(elements[0]?.value).toBe('😀'.repeat(60));
  });

  it('give way to who has chosen what', () => {
    const { blocks } = textArguments('Which?', ['A & <B>']);
    expect(answeredBlocks(blocks, 'A & <B>', 'U1')).toEqual([
      { type: 'markdown', text: 'Which?' },
      { type: 'context', elements: [{ type: 'mrkdwn', text: '✓ A &amp; &lt;B&gt; · <@U1>' }] },
    ]);
    expect(answeredBlocks([{ type: 'markdown', text: 'Which?' }], 'A', 'U1')).toBeNull();
    expect(answeredBlocks(undefined, 'A', 'U1')).toBeNull();
  });
});
