import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentTexts, answerTo, idle, textOf, until } from '../support/conversation.ts';
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

  it('takes its title from what was asked first, once, although another process has seen it begin', async () => {
    const { simulator, model } = installation;
    simulator.faults.add({ kind: 'event_drop', event: 'assistant_thread_started', remaining: 1 });
    const { ts } = await simulator.openAssistant(place);
    const view = () => simulator.workspaces.get(acme.workspaceId)?.assistantThreads.get(ts);
    const titled: string[] = [];
    const stop = simulator.subscribe((event) => {
      if (event.type === 'api.called' && event.call.method.endsWith('setTitle'))
        titled.push(event.call.method);
    });
    model.respond(() => 'It left this morning.');
    for (const text of ['Where is my order?', 'And the other one?'])
      await answerTo(installation, await simulator.say({ ...place, threadTs: ts, text }));
    await until('it has its title', () => view()?.title === 'Where is my order?');
    await idle(installation);
    expect([titled.length, view()?.prompts]).toEqual([1, []]);
    stop();
  });

  it('is not what a person begins: such a thread has no title', async () => {
    const { simulator, model } = installation;
    model.respond(() => 'As ever.');
    const titled: string[] = [];
    const stop = simulator.subscribe((event) => {
      if (event.type === 'api.called' && event.call.method.endsWith('setTitle'))
        titled.push(event.call.method);
    });
    const root = await simulator.say({ ...place, text: 'hello' });
    await answerTo(installation, root);
    await answerTo(installation, await simulator.say({ ...place, threadTs: root.ts, text: 'and there?' }));
    await idle(installation);
    expect(titled).toEqual([]);
    stop();
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

describe('while the agent works', () => {
  const statusOf = (ts: string) =>
    installation.simulator.workspaces.get(acme.workspaceId)?.statuses.get(ts) ?? null;
  const calls = () => {
    const methods: string[] = [];
    installation.simulator.subscribe((event) => {
      if (event.type === 'api.called') methods.push(event.call.method);
    });
    return methods;
  };

  it.each([
    ['the older assistant view', () => installation.simulator.openAssistant(place)],
    ['a direct conversation', async () => ({ ts: undefined })],
  ])('its status stands beside the placeholder in %s, and is gone with the answer', async (_where, open) => {
    const { simulator, model } = installation;
    const methods = calls();
    model.respondNext({ text: 'It left this morning.', delayMs: 2_000 });
    const { ts } = await open();
    const sent = await simulator.say({ ...place, ...(ts && { threadTs: ts }), text: 'Where is my order?' });
    const thread = ts ?? sent.ts;
    await until('the placeholder', () => agentTexts(installation, sent).includes('Thinking…'), 900);
    await until('the status', () => statusOf(thread) === 'is thinking…');
    expect(agentTexts(installation, sent)).toContain('Thinking…');
    expect(textOf(await answerTo(installation, sent))).toBe('It left this morning.');
    await until('the status is gone', () => statusOf(thread) === null);
    await idle(installation);
    expect(methods.filter((method) => method === 'assistant.threads.setStatus')).toHaveLength(2);
  });

  it('a placeholder that Slack holds up leaves the status there, which then comes again', async () => {
    const { simulator, model } = installation;
    model.respondNext({ text: 'Here.', delayMs: 4_000 });
    simulator.faults.add({
      kind: 'api_rate_limited',
      retryAfterSeconds: 2,
      method: 'chat.postMessage',
      remaining: 1,
    });
    const sent = await simulator.say({ ...place, text: 'Where is my order?' });
    await until('the status', () => statusOf(sent.ts) === 'is thinking…');
    expect(agentTexts(installation, sent)).toEqual([]);
    await until('the placeholder', () => agentTexts(installation, sent).includes('Thinking…'));
    await until('the status again', () => statusOf(sent.ts) === 'is thinking…');
    expect(textOf(await answerTo(installation, sent))).toBe('Here.');
    await until('the status is gone', () => statusOf(sent.ts) === null);
    await idle(installation);
  });

  it('a quick answer and one in a channel cost no call more, and a status that Slack refuses harms nothing', async () => {
    const { simulator, model } = installation;
    const methods = calls();
    const quick = await simulator.say({ ...place, text: 'hello' });
    await answerTo(installation, quick);
    const where = { ...place, channelId: acme.general, text: `<@${acme.agent}> hello` };
    model.respondNext({ text: 'Hello.', delayMs: 1_500 });
    await answerTo(installation, await simulator.say(where));
    expect(methods).not.toContain('assistant.threads.setStatus');
    simulator.faults.add({
      kind: 'api_error',
      error: 'internal_error',
      method: 'assistant.threads.setStatus',
    });
    model.respondNext({ text: 'Still.', delayMs: 1_500 });
    const refused = await simulator.say({ ...place, text: 'hello again' });
    expect(textOf(await answerTo(installation, refused))).toBe('Still.');
    await idle(installation);
    simulator.faults.clear();
  });
});
