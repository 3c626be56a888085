import { describe, expect, it } from 'vitest';
import type { ReactionEvent } from '../core/channel-event.ts';
import { connectionDefaults } from '../core/tenant.ts';
import { wishOfMessage, wishOfReaction } from './etiquette.ts';

const words = connectionDefaults.stopWords;
const plain = { attachments: [] };

describe('a message that consists of one word', () => {
  it.each([
    'stop',
    'Stop',
    'STOP!!',
    '“stop”',
    ' stop… ',
    'arrêt',
    'Arrete',
    'para',
    '¡Detente!',
    'стоп',
    '停止',
  ])('stops the agent: %s', (text) => {
    expect(wishOfMessage(plain, text, false, words)).toBe('stop');
  });

  it.each(['stop it', 'stop the server', 'nonstop', '', '!!!', 'para mí', 'stop\nstop'])(
    'is for the agent to read: %j',
    (text) => {
      expect(wishOfMessage(plain, text, true, words)).toBeNull();
    },
  );

  it('is read when it comes with a file', () => {
    const file = { name: 'a.txt', mediaType: 'text/plain', sizeBytes: 1, externalId: 'F1' };
    expect(wishOfMessage({ attachments: [file] }, 'stop', true, words)).toBeNull();
  });

  it.each(['> Ada: Thinking…\n> a long\n\nStop!', '>\n\nstop', `> ${'x'.repeat(500)}\n\nstop`])(
    'stops the agent below what it replies to: %j',
    (text) => {
      expect(wishOfMessage(plain, text, false, words)).toBe('stop');
    },
  );

  it.each(['> stop', '> Bo: stop\n\ngo on', '> stop\n> stop\n'])('is not what is quoted: %j', (text) => {
    expect(wishOfMessage(plain, text, true, words)).toBeNull();
  });

  it('ends a mute only when it is for the agent', () => {
    expect(wishOfMessage(plain, 'Unmute.', true, words)).toBe('unmute');
    expect(wishOfMessage(plain, 'Unmute.', false, words)).toBeNull();
  });

  it('stops with the words of the connection, and then with no others', () => {
    expect(wishOfMessage(plain, 'Schluss!', false, ['schluss'])).toBe('stop');
    expect(wishOfMessage(plain, 'stop', false, ['schluss'])).toBeNull();
  });
});

describe('a reaction', () => {
  it.each([
    ['🛑', true, 'stop'],
    ['🛑', false, null],
    ['⛔', true, 'stop'],
    ['🔇', true, 'mute'],
    ['🔇', false, 'unmute'],
    ['👍', true, null],
  ] as const)('%s (put on: %s) says %s', (emoji, present, wish) => {
    expect(wishOfReaction({ emoji, present } as ReactionEvent)).toBe(wish);
  });
});
