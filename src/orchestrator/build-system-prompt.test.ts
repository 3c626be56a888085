import { describe, expect, it } from 'vitest';
import { buildSystemPrompt, type SystemPromptContext } from './build-system-prompt.ts';

const context: SystemPromptContext = {
  agent: { name: 'Ada', role: 'Support engineer', persona: 'Calm.', instructions: 'Refunds: 14 days.' },
  tenantName: 'Acme Ltd',
  channelName: 'Slack',
  scope: 'channel',
  now: new Date('2026-03-05T23:30:00Z'),
};

describe('buildSystemPrompt', () => {
  it('says who the agent is, how it is, what it knows, where it speaks and what day it is', () => {
    const prompt = buildSystemPrompt(context);
    expect(prompt).toMatch(/^You are Ada, Support engineer at Acme Ltd\./);
    expect(prompt).toContain('## Persona\nCalm.');
    expect(prompt).toContain('## Instructions\nRefunds: 14 days.');
    expect(prompt).toContain('thread of a channel on Slack');
    expect(prompt).toMatch(/Today is Thursday,? 5 March 2026\./);
  });

  it('leaves out what is empty', () => {
    const prompt = buildSystemPrompt({
      ...context,
      agent: { ...context.agent, role: '', persona: '', instructions: '' },
    });
    expect(prompt).toMatch(/^You are Ada at Acme Ltd\./);
    expect(prompt).not.toMatch(/## Persona|## Instructions|\n\n\n/);
  });

  it('begins the same all day long, so that providers can cache it', () => {
    const later = buildSystemPrompt({ ...context, now: new Date('2026-03-06T00:30:00Z') });
    const prompt = buildSystemPrompt(context);
    const common = [...prompt].findIndex((character, index) => character !== later[index]);
    expect(common).toBeGreaterThan(prompt.lastIndexOf('Today is'));
  });

  it.each([
    ['direct', 'direct conversation with one person'],
    ['group', 'group conversation'],
    ['channel', 'thread of a channel'],
  ] as const)('knows that it is in a %s conversation', (scope, words) => {
    expect(buildSystemPrompt({ ...context, scope })).toContain(words);
  });
});
