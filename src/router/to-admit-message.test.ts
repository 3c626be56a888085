import { describe, expect, it } from 'vitest';
import { withoutMentions } from './to-admit-message.ts';

describe('withoutMentions', () => {
  const agent = new Set(['U0ADA']);
  it.each([
    ['@U0ADA can you check?', 'can you check?'],
    ['@U0ADA, can you check?', 'can you check?'],
    ['@U0ADA: can you check?', 'can you check?'],
    ['can you check, @U0ADA?', 'can you check, ?'],
    ['@U0ADA', ''],
    ['ask @U0ADAM about it', 'ask @U0ADAM about it'],
    ['ask @U0ADA.M and @U0ADA-M, @U0ADA. Or not', 'ask @U0ADA.M and @U0ADA-M, . Or not'],
    ['line\n@U0ADA\nline', 'line\n\nline'],
  ])('%j becomes %j', (text, expected) => {
    expect(withoutMentions(text, agent)).toBe(expected);
  });

  it('leaves a text alone when nobody knows who the agent is', () => {
    expect(withoutMentions('@U0ADA hello', new Set(['']))).toBe('@U0ADA hello');
  });
});
