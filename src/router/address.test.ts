import { describe, expect, it } from 'vitest';
import type { EditEvent, MessageEvent } from '../core/channel-event.ts';
import { address, mayConcern } from './address.ts';

const event = (overrides: Partial<MessageEvent>): MessageEvent => ({
  type: 'message',
  account: { externalIds: ['T1'], appId: null, agentUserId: null },
  eventId: null,
  channelId: 'C1',
  messageId: '2.0',
  threadId: null,
  scope: 'channel',
  sender: { externalId: 'U1', name: null },
  text: 'hello',
  mentions: [],
  addressee: null,
  mentionsAgent: false,
  attachments: [],
  sentAtMs: 0,
  channelMetadata: {},
  ...overrides,
});
const agent = new Set(['UAGENT']);
const mentions = (...ids: string[]) => ids.map((externalId) => ({ externalId, name: null }));

describe('address', () => {
  it.each([
    ['a DM', { scope: 'direct' }, 'yes'],
    ['what the platform calls a mention', { mentionsAgent: true }, 'yes'],
    ['a text that holds the agent’s mention', { mentions: mentions('U2', 'UAGENT') }, 'yes'],
    ['a message in a channel', {}, 'no'],
    ['a message in a group DM', { scope: 'group' }, 'no'],
    ['the first message of a thread', { threadId: '2.0' }, 'no'],
    ['a reply in a thread', { threadId: '1.0' }, 'if_engaged'],
    [
      'a reply that mentions somebody further on',
      { threadId: '1.0', mentions: mentions('U2') },
      'if_engaged',
    ],
    [
      'a reply that mentions another agent further on',
      { threadId: '1.0', mentions: mentions('U2', 'UCOLLEAGUE') },
      'context',
    ],
    [
      'a reply that mentions the agent and another',
      { threadId: '1.0', mentions: mentions('UCOLLEAGUE', 'UAGENT') },
      'yes',
    ],
    [
      'an answer to what the agent wrote that mentions another agent',
      {
        threadId: '1.0',
        mentions: mentions('UCOLLEAGUE'),
        chain: { repliesTo: { messageId: '1.0', senderId: 'UAGENT' }, isPart: false, answerAt: '1.0' },
      },
      'yes',
    ],
    [
      'a reply that begins by addressing somebody else',
      { threadId: '1.0', mentions: mentions('U2'), addressee: 'U2' },
      'context',
    ],
    [
      'a reply that addresses somebody else and mentions the agent',
      { threadId: '1.0', mentions: mentions('U2', 'UAGENT'), addressee: 'U2' },
      'yes',
    ],
  ] as const)('takes %s for: %s', (_name, overrides, expected) => {
    expect(address(event(overrides), agent, ['UCOLLEAGUE'])).toBe(expected);
  });
});

describe('mayConcern', () => {
  it.each([
    ['in a DM', { scope: 'direct' }, 'yes'],
    ['that mentions the agent', { mentions: mentions('UAGENT') }, 'yes'],
    ['of a reply in a thread', { threadId: '1.0' }, 'in_thread'],
    ['of what people say among themselves', {}, 'no'],
  ] as const)('is told of an edit %s', (_name, overrides, expected) => {
    const edit = { ...event({}), type: 'edit', editedAtMs: 0, ...overrides } as unknown as EditEvent;
    expect(mayConcern(edit, agent)).toBe(expected);
  });
});
