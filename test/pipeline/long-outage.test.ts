import { afterEach, expect, it } from 'vitest';
import { agentTexts, answerTo, idle, textOf, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
afterEach(() => installation.stop());

const question = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> hello`,
};
const timing = {
  modelRetryDelaysMs: [10],
  deliveryRetryDelaysMs: [10, 10],
  apologyRetryMs: 60,
  pollEveryMs: 20,
};

it('an answer that Slack did not take for longer than all attempts stands there when it is back', async () => {
  installation = await startInstallation({ app: { timing } });
  const { simulator, model, log } = installation;
  model.respond(() => 'Here it is.');
  const outage = simulator.faults.add({ kind: 'api_http_error', status: 503, method: 'chat.update' });
  const sent = await simulator.say(question);
  await until(
    'all attempts were in vain',
    () => log.lines.filter(({ event }) => event === 'turn.apology_waits').length >= 2,
  );
  expect(agentTexts(installation, sent)).toEqual(['Thinking…']);
  simulator.faults.remove(outage.id);
  expect(textOf(await answerTo(installation, sent))).toBe('Here it is.');
  await idle(installation);
  expect(agentTexts(installation, sent)).toEqual(['Here it is.']);
  expect(model.requests).toHaveLength(1);
});

it('nor does "Thinking…" stay when the model fails and Slack is away at the same time', async () => {
  installation = await startInstallation({ app: { timing } });
  const { simulator, model, log } = installation;
  model.respond(() => ({ status: 400 }));
  const outage = simulator.faults.add({ kind: 'api_http_error', status: 503, method: 'chat.update' });
  const sent = await simulator.say(question);
  await until('all attempts were in vain', () =>
    log.lines.some(({ event }) => event === 'turn.apology_waits'),
  );
  simulator.faults.remove(outage.id);
  expect(textOf(await answerTo(installation, sent))).toMatch(/^I could not reach my model/);
});
