import { afterEach, describe, expect, it } from 'vitest';
import { agentTexts, answerTo, ask, idle, until } from '../support/conversation.ts';
import { manyChannels, workspaceWithManyChannels } from '../support/many-channels.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
afterEach(() => installation.stop());

const inGeneral = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };

describe('messages to one thread', () => {
  it('are answered in order and one turn at a time, however many come at once', async () => {
    installation = await startInstallation();
    const { simulator, model } = installation;
    let running = 0;
    let most = 0;
    model.respond(async ({ messages }) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running -= 1;
      const seen = [...(messages.at(-1)?.content ?? '').matchAll(/number (\d+)/g)].map(
        ([, number]) => number,
      );
      return `seen: ${seen.join(' ')}`;
    });
    const { sent } = await ask(installation, { ...inGeneral, text: `<@${acme.agent}> let us count` });
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        simulator.say({ ...inGeneral, text: `number ${index + 1}`, threadTs: sent.ts }),
      ),
    );
    for (const reply of replies) expect(await reply.acked).toBe(true);
    await idle(installation);
    expect(most).toBe(1);
    const answers = agentTexts(installation, sent)
      .filter((text) => text.startsWith('seen: '))
      .map((text) => text.slice('seen: '.length).split(' ').filter(Boolean).map(Number));
    expect(answers.flat().toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    // Together they stand in the order in which they were written …
    for (const answer of answers) expect(answer).toEqual(answer.toSorted((a, b) => a - b));
    // … and turn after turn in the order in which they came in: the network may swap two that are sent at once.
    const turns = await installation.query(
      `select turn_id::int as turn from konstruct.messages where direction = 'in' order by id`,
    );
    expect(turns).toEqual(turns.toSorted((a, b) => Number(a.turn) - Number(b.turn)));
    const overlapping = await installation.query(`
      select 1 from konstruct.turns a join konstruct.turns b
        on a.conversation_id = b.conversation_id and a.id < b.id and b.started_at < a.finished_at`);
    expect(overlapping).toEqual([]);
  });
});

describe('messages that were written while the agent answered earlier ones', () => {
  it('stand after that answer in the prompt of the next turn', async () => {
    installation = await startInstallation();
    const { simulator, model } = installation;
    model.respond(() => ({ text: 'First answer.', delayMs: 300 }));
    const first = await simulator.say({ ...inGeneral, text: `<@${acme.agent}> first` });
    await until('the model works', () => model.requests.length === 1);
    model.respond(() => 'Second answer.');
    const second = await simulator.say({ ...inGeneral, text: 'second', threadTs: first.ts });
    await answerTo(installation, second, (text) => text === 'Second answer.');
    expect(model.requests.at(-1)?.messages).toEqual([
      { role: 'user', content: 'mara: first' },
      { role: 'assistant', content: 'First answer.' },
      { role: 'user', content: 'mara: second' },
    ]);
  });
});

describe('many conversations at once', () => {
  // Longer than its two waits may last together.
  it('are answered side by side, each once, each in its own thread', { timeout: 60_000 }, async () => {
    installation = await startInstallation({
      workspaces: workspaceWithManyChannels,
      settings: { ratePerMinute: 10_000 },
    });
    const { simulator, model } = installation;
    let running = 0;
    let most = 0;
    model.respond(async ({ messages }) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 200));
      running -= 1;
      return `echo ${/question (\d+)/.exec(messages.at(-1)?.content ?? '')?.[1]}`;
    });
    const sent = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        simulator.say({
          ...inGeneral,
          channelId: manyChannels[index % manyChannels.length] as string,
          text: `<@${acme.agent}> question ${index}`,
        }),
      ),
    );
    await Promise.all(sent.map((message) => answerTo(installation, message, undefined, 30_000)));
    await idle(installation);
    for (const [index, message] of sent.entries()) {
      expect(agentTexts(installation, message)).toEqual([`echo ${index}`]);
    }
    expect(most).toBeGreaterThan(20);
    expect(model.requests.length).toBe(200);
  });
});

describe('two gateways and two workers on one database', () => {
  it('share the work without answering anything twice', { timeout: 60_000 }, async () => {
    installation = await startInstallation({
      workspaces: workspaceWithManyChannels,
      settings: { ratePerMinute: 10_000 },
      app: { role: 'worker' },
    });
    await installation.startApp({ role: 'worker' });
    await installation.startApp({ role: 'gateway' });
    const { simulator, model } = installation;
    simulator.faults.update({ faults: [{ kind: 'event_duplicate', copies: 1 }] });
    model.respond(() => 'Once.');
    const sent = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        simulator.say({
          ...inGeneral,
          channelId: manyChannels[index] as string,
          text: `<@${acme.agent}> question ${index}`,
        }),
      ),
    );
    await until(
      'all are answered',
      () => sent.every((message) => agentTexts(installation, message).includes('Once.')),
      15_000,
    );
    await idle(installation);
    for (const message of sent) expect(agentTexts(installation, message)).toEqual(['Once.']);
    expect(model.requests.length).toBe(40);
  });
});
