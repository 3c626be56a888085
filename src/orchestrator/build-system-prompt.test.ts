import { describe, expect, it } from 'vitest';
import { buildPromptContext, buildSystemPrompt, type SystemPromptContext } from './build-system-prompt.ts';

const context: SystemPromptContext = {
  agent: { name: 'Ada', role: 'Support engineer', persona: 'Calm.', instructions: 'Refunds: 14 days.' },
  tenantName: 'Acme Ltd',
  channelName: 'Slack',
  scope: 'channel',
};

describe('buildSystemPrompt', () => {
  it('says who the agent is, how it is, what it knows and where it speaks', () => {
    const prompt = buildSystemPrompt(context);
    expect(prompt).toMatch(/^You are Ada, Support engineer at Acme Ltd\./);
    expect(prompt).toContain('## Persona\nCalm.');
    expect(prompt).toContain('## Instructions\nRefunds: 14 days.');
    expect(prompt).toContain('thread of a channel on Slack');
  });

  it('leaves out what is empty', () => {
    const prompt = buildSystemPrompt({
      ...context,
      agent: { ...context.agent, role: '', persona: '', instructions: '' },
    });
    expect(prompt).toMatch(/^You are Ada at Acme Ltd\./);
    expect(prompt).not.toMatch(/## Persona|## Instructions|\n\n\n/);
  });

  it('leaves what day it is to the part that changes', () => {
    expect(buildSystemPrompt(context)).not.toMatch(/Today|2026/);
    const noon = buildPromptContext(new Date('2026-03-05T12:00:00Z'));
    expect(noon).toMatch(/^Today is Thursday,? 5 March 2026\.$/);
    expect(buildPromptContext(new Date('2026-03-05T23:59:00Z'))).toBe(noon);
    expect(buildPromptContext(new Date('2026-03-06T00:01:00Z'))).not.toBe(noon);
  });

  it.each([
    ['direct', 'direct conversation with one person'],
    ['group', 'group conversation'],
    ['channel', 'thread of a channel'],
  ] as const)('knows that it is in a %s conversation', (scope, words) => {
    expect(buildSystemPrompt({ ...context, scope })).toContain(words);
  });
});
