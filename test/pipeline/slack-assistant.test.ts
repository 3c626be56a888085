import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerTo, idle, textOf, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation({
    settings: { ratePerMinute: 10_000, suggestedPrompts: ['Where is my order?'] },
  });
});
afterAll(() => installation.stop());

const place = { workspaceId: acme.workspaceId, channelId: acme.directMara, userId: acme.mara };

describe('a conversation that somebody opens', () => {
  it('is offered its prompts, and is answered as ever', async () => {
    const { simulator, model } = installation;
    expect(await simulator.openMessages(place)).toBe(true);
    const prompts = () => simulator.workspaces.get(acme.workspaceId)?.offeredPrompts.get(acme.directMara);
    await until('it has prompts', () => prompts()?.[0] === 'Where is my order?');
    expect(model.requests).toEqual([]);
    model.respond(() => 'It left this morning.');
    const sent = await simulator.say({ ...place, text: 'Where is my order?' });
    expect(textOf(await answerTo(installation, sent))).toBe('It left this morning.');
    await idle(installation);
  });
});

describe('a conversation that somebody opens in an app with the older assistant view', () => {
  it('is offered its prompts, is answered in its thread, and takes its title from what was asked', async () => {
    const { simulator, model } = installation;
    const asked = model.requests.length;
    model.respond(() => 'It left this morning.');
    const { ts } = await simulator.openAssistant(place);
    const view = () => simulator.workspaces.get(acme.workspaceId)?.assistantThreads.get(ts);
    await until('it has prompts', () => view()?.prompts[0] === 'Where is my order?');
    expect(model.requests).toHaveLength(asked);
    const sent = await simulator.say({ ...place, threadTs: ts, text: 'Where is my order?' });
    const answer = await answerTo(installation, sent);
    expect([answer.threadId, textOf(answer)]).toEqual([ts, 'It left this morning.']);
    await until('it has its title', () => view()?.title === 'Where is my order?');
    await idle(installation);
  });

  it('is none of an installation that has no such view: direct messages are answered as ever', async () => {
    const { simulator, model } = installation;
    simulator.faults.add({ kind: 'api_error', error: 'missing_scope', method: 'assistant.threads.setTitle' });
    const { ts } = await simulator.openAssistant(place);
    model.respond(() => 'As ever.');
    const sent = await simulator.say({ ...place, threadTs: ts, text: 'hello?' });
    expect(textOf(await answerTo(installation, sent))).toBe('As ever.');
  });
});
