import { describe, expect, it } from 'vitest';
import { createConversation } from './conversation.ts';

const said = (id: string, position: number, more = {}) =>
  ({ id, from: 'agent', text: id, position, atMs: 0, ...more }) as const;

describe('a conversation', () => {
  it('stands in the server’s order, and each message once, however often it comes', () => {
    const conversation = createConversation();
    conversation.addOwn('v-1', 'hello', 5);
    expect(conversation.entries()).toMatchObject([{ id: 'v-1', state: 'sending' }]);
    conversation.take(said('8', 8));
    conversation.take({ ...said('v-1', 7), from: 'visitor', text: 'hello' });
    conversation.take(said('8', 8, { text: 'hi' }));
    expect(conversation.entries().map(({ id, text, state }) => [id, text, state])).toEqual([
      ['v-1', 'hello', 'sent'],
      ['8', 'hi', 'sent'],
    ]);
    conversation.take(said('8', 8, { removed: true }));
    expect(conversation.find('8')).toBeUndefined();
  });

  it('keeps what the visitor writes last until the server has it, in the order of writing', () => {
    const conversation = createConversation();
    conversation.addOwn('v-1', 'one', 0);
    conversation.addOwn('v-2', 'two', 0);
    conversation.take(said('9', 9));
    expect(conversation.entries().map(({ id }) => id)).toEqual(['9', 'v-1', 'v-2']);
    conversation.setState('v-1', 'failed', 'offline');
    expect(conversation.find('v-1')).toMatchObject({ state: 'failed', reason: 'offline' });
    conversation.setState('v-1', 'sending');
    expect(conversation.find('v-1')).not.toHaveProperty('reason');
    conversation.take({ ...said('v-1', 10), from: 'visitor' });
    conversation.setState('v-1', 'failed', 'the ack was lost');
    expect(conversation.find('v-1')?.state).toBe('sent');
  });

  it('shows what is written of an answer, also when it comes before the placeholder, and never after the answer', () => {
    const conversation = createConversation();
    conversation.takeGlimpse({ id: '3', from: 0, text: 'It ', length: 3 });
    expect(conversation.entries()).toEqual([]);
    conversation.take(said('3', 3, { text: 'Thinking…', provisional: true }));
    conversation.takeGlimpse({ id: '3', from: 3, text: 'is', length: 5 });
    conversation.takeGlimpse({ id: '3', from: 9, text: 'lost', length: 13 });
    expect(conversation.entries()).toMatchObject([{ text: 'Thinking…', written: 'It is' }]);
    conversation.take(said('3', 3, { text: 'It is done.' }));
    conversation.takeGlimpse({ id: '3', from: 0, text: 'late', length: 4 });
    expect(conversation.entries()[0]).toMatchObject({ text: 'It is done.' });
    expect(conversation.entries()[0]).not.toHaveProperty('written');
  });
});
