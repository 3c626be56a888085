import { describe, expect, it } from 'vitest';
import { signIdentity } from './identity-token.ts';
import { parseWidgetRequest } from './parse.ts';

const identity = { subject: 'mara', name: ' Mara K. ', isAnonymous: false, expiresAtMs: 2e12 };
const authorization = `Bearer ${signIdentity(identity, 'x'.repeat(32))}`;
const parse = (body: unknown, headers: Record<string, string> = { authorization }) =>
  parseWidgetRequest({
    path: '/widget',
    headers,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    receivedAtMs: 1_800_000_000_000,
  });
const id = 'abcdefgh';

describe('what a visitor’s browser sends', () => {
  it('is a direct message of the visitor whom the token names', () => {
    expect(parse({ id, text: '  Where is my order?\0 ', unknown: true })).toMatchObject({
      kind: 'events',
      answer: { body: '{}' },
      events: [
        {
          type: 'message',
          channelId: 'v:mara',
          messageId: 'v-abcdefgh',
          threadId: null,
          scope: 'direct',
          sender: { externalId: 'v:mara', name: 'Mara K.' },
          text: 'Where is my order?',
          sentAtMs: 1_800_000_000_000,
        },
      ],
    });
  });

  it('is a pressed button, under a message of the agent’s', () => {
    expect(parse({ id, messageId: '12', choice: 'Yes' })).toMatchObject({
      events: [{ type: 'action', messageId: '12', actionId: 'v-abcdefgh', choice: 'Yes' }],
    });
  });

  it('is the wish that the agent stops, on what it says at the moment', () => {
    expect(parse({ id, messageId: '12', stop: true })).toMatchObject({
      events: [{ type: 'reaction', messageId: '12', senderId: 'v:mara', emoji: '🛑', present: true }],
    });
  });

  it('is what somebody thinks of an answer: one opinion, so the other is taken off, behind it', () => {
    const thumbs = (rating: unknown) => {
      const { events } = parse({ id, messageId: '12', rating }) as { events: readonly object[] };
      expect(new Set(events.map((event) => (event as { eventId: string }).eventId)).size).toBe(2);
      return events;
    };
    const thumb = (emoji: string, present: boolean) =>
      expect.objectContaining({ type: 'reaction', messageId: '12', senderId: 'v:mara', emoji, present });
    expect(thumbs('up')).toEqual([thumb('👍', true), thumb('👎', false)]);
    expect(thumbs('down')).toEqual([thumb('👎', true), thumb('👍', false)]);
    expect(thumbs(null)).toEqual([thumb('👍', false), thumb('👎', false)]);
  });

  it.each([
    ['a rating of a message of the visitor', { id, rating: 'up', messageId: 'v-abcdefgh' }],
    ['a rating that is none', { id, rating: 'great', messageId: '12' }],
    ['a stop of a message of the visitor', { id, stop: true, messageId: 'v-abcdefgh' }],
    ['no JSON', '{"id":'],
    ['no object', []],
    ['no id', { text: 'x' }],
    ['an id of the agent’s kind', { id: '12', text: 'x' }],
    ['an id with spaces', { id: 'abcd efgh', text: 'x' }],
    ['no text', { id }],
    ['an empty text', { id, text: ' \n' }],
    ['a text that is too long', { id, text: 'x'.repeat(8_001) }],
    ['a choice under a message of the visitor', { id, choice: 'x', messageId: 'v-abcdefgh' }],
    ['an empty choice', { id, choice: '', messageId: '12' }],
  ])('is malformed with %s', (_what, body) => {
    expect(() => parse(body)).toThrow(expect.objectContaining({ code: 'body_malformed' }));
  });

  it('is malformed without a word of who sends it', () => {
    expect(() => parse({ id, text: 'x' }, {})).toThrow(expect.objectContaining({ code: 'body_malformed' }));
  });
});
