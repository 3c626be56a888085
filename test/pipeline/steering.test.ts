import { afterEach, describe, expect, it } from 'vitest';
import { agentTexts, answerTo, idle, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { recordingTool } from '../support/recording-tool.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools } from '../support/tool-calls.ts';

let installation: Installation;
afterEach(() => installation.stop());

const inGeneral = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
const question = { ...inGeneral, text: `<@${acme.agent}> what about Monday?` };

/** An agent with a tool that ends when the test says so. */
async function start(busyMode: 'steer' | 'interrupt') {
  const ended = Promise.withResolvers<void>();
  const lookUp = recordingTool('look_up', async ({ context }) => {
    const aborted = new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
    await Promise.race([ended.promise, aborted]);
    return 'seen';
  });
  installation = await startInstallation({
    agent: { busyMode, tools: ['look_up'] },
    app: { tools: [lookUp] },
  });
  return { ...installation, lookUp, endLookUp: () => ended.resolve() };
}

async function stepsOfTheTurn() {
  return (await installation.query('select kind, outcome from konstruct.steps order by position')).map(
    ({ kind, outcome }) => `${kind} ${outcome}`,
  );
}

describe('an agent that is steered', () => {
  it('begins anew without a message that was taken back after it had read it', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const lookUp = recordingTool('look_up', async () => {
      await gates[lookUp.runs.length - 1]?.promise;
      return 'seen';
    });
    installation = await startInstallation({
      agent: { busyMode: 'steer', tools: ['look_up'] },
      app: { tools: [lookUp] },
    });
    const { simulator, model } = installation;
    model.respondNext(callTools(['look_up', { text: 'a' }]), callTools(['look_up', { text: 'b' }]));
    model.respond(() => 'Monday is free.');
    const sent = await simulator.say(question);
    await until('the tool works', () => lookUp.runs.length === 1);
    const more = await simulator.say({ ...inGeneral, text: 'and my salary?', threadTs: sent.ts });
    await more.acked;
    gates[0]?.resolve();
    await until('it works again', () => lookUp.runs.length === 2);
    expect(JSON.stringify(model.requests[1]?.messages)).toContain('salary');
    await simulator.deleteMessage(more);
    const deleted = 'select 1 from konstruct.messages where deleted_at is not null';
    await until('the deletion is stored', async () => (await installation.query(deleted)).length === 1);
    gates[1]?.resolve();
    await answerTo(installation, sent);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Monday is free.']);
    expect(JSON.stringify(model.requests.at(-1)?.messages)).not.toContain('salary');
    expect(lookUp.runs.length, 'what is done is not done again').toBe(2);
  });

  it('reads what came between two steps, and what was changed, and answers all of it once', async () => {
    const { simulator, model, lookUp, endLookUp } = await start('steer');
    model.respondNext(callTools(['look_up', { text: 'Monday' }]));
    model.respond(() => 'To all.');
    const sent = await simulator.say(question);
    await until('the tool works', () => lookUp.runs.length === 1);
    const more = await simulator.say({ ...inGeneral, text: 'and Tuesday?', threadTs: sent.ts });
    expect(await more.acked).toBe(true);
    await simulator.edit(sent, `<@${acme.agent}> what about Sunday?`);
    await until(
      'both are stored',
      async () => (await installation.query('select 1 from konstruct.turns where revision = 2')).length === 1,
    );
    endLookUp();
    await answerTo(installation, sent);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['To all.']);
    expect(model.requests.length).toBe(2);
    expect(model.requests[1]?.messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'tool',
      'user',
    ]);
    expect(model.requests[1]?.messages.at(-1)?.content).toBe(
      'mara: (edited) what about Sunday?\n\nmara: and Tuesday?',
    );
    expect(lookUp.runs.length).toBe(1);
    expect(await stepsOfTheTurn()).toEqual(['model tool_calls', 'tool ok', 'model stop']);
    expect(await installation.query('select status from konstruct.turns')).toEqual([{ status: 'answered' }]);
  });

  it('takes in what comes during its last model call too, without doing again what its tools have done', async () => {
    const { simulator, model, lookUp, endLookUp } = await start('steer');
    endLookUp();
    model.respondNext(callTools(['look_up', { text: 'Monday' }]), { text: 'Too early.', delayMs: 600 });
    model.respond(() => 'To both.');
    const sent = await simulator.say(question);
    await until('the last call', () => model.requests.length === 2);
    const more = await simulator.say({ ...inGeneral, text: 'and Tuesday?', threadTs: sent.ts });
    expect(await more.acked).toBe(true);
    await answerTo(installation, sent);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['To both.']);
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('and Tuesday?');
    expect(lookUp.runs.length).toBe(1);
  });

  it('is stopped in the middle of a tool', async () => {
    const { simulator, model, lookUp } = await start('steer');
    model.respond(() => callTools(['look_up', { text: 'Monday' }]));
    const sent = await simulator.say(question);
    await until('the tool works', () => lookUp.runs.length === 1);
    await simulator.react(sent, { userId: acme.tomas, name: 'octagonal_sign', present: true });
    await until('it says so', () => agentTexts(installation, sent).join() === 'Stopped.');
    await idle(installation);
    expect(model.requests.length).toBe(1);
    expect(await installation.query('select status, cancel from konstruct.turns')).toEqual([
      { status: 'cancelled', cancel: 'stopped' },
    ]);
  });
});

describe('an agent that is interrupted in the middle of its steps', () => {
  it('begins anew with the new message, and keeps what its tools have found', async () => {
    const { simulator, model, lookUp, endLookUp } = await start('interrupt');
    endLookUp();
    model.respondNext(callTools(['look_up', { text: 'Monday' }]), { hang: true });
    model.respond(() => 'To both.');
    const sent = await simulator.say(question);
    await until('the second call', () => model.requests.length === 2);
    await simulator.say({ ...inGeneral, text: 'and Tuesday?', threadTs: sent.ts });
    await model.requests[1]?.abandoned;
    await answerTo(installation, sent);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['To both.']);
    expect(model.requests.at(-1)?.messages.some(({ role }) => role === 'tool')).toBe(true);
    expect(lookUp.runs.length).toBe(1);
    expect(await stepsOfTheTurn()).toEqual([
      'model tool_calls',
      'tool ok',
      'model interrupted',
      'model stop',
    ]);
  });
});
