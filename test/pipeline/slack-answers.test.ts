import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ControlMessage } from '../../src/simulator/control-api.ts';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import { agentTexts, answerTo, idle, textOf, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools } from '../support/tool-calls.ts';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation({
    settings: { ratePerMinute: 10_000 },
    agent: { name: 'Grace', icon: ':owl:' },
    app: { timing: { deliveryRetryDelaysMs: [50, 50, 50, 50] } },
  });
});
afterAll(() => installation.stop());

const mention = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> hello`,
};

function thread({ workspaceId, channelId, ts }: SentMessage): readonly ControlMessage[] {
  return installation.simulator.messages(workspaceId, channelId, ts).filter(({ isAgent }) => isAgent);
}

describe('an agent in Slack', () => {
  it('speaks under its own name where the app is called otherwise, offers buttons, and hears what is pressed', async () => {
    const { model, simulator } = installation;
    model.respondNext(callTools(['offer_choices', { choices: ['Monday', 'Tuesday'] }]), 'Which day?');
    const sent = await simulator.say(mention);
    const question = await answerTo(installation, sent, (text) => text === 'Which day?');
    expect(question).toMatchObject({ userName: 'Grace', choices: ['Monday', 'Tuesday'] });
    await idle(installation);
    model.respondNext('Tuesday it is.');
    const place = { ...sent, ts: question.messageId };
    expect(await simulator.press(place, { userId: acme.tomas, choice: 'Tuesday' })).toBe(true);
    await answerTo(installation, sent, (text) => text === 'Tuesday it is.');
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Which day?', 'Tuesday it is.']);
    await until('the buttons are gone', () => thread(sent)[0]?.choices?.length === 0);
  });

  it('sends a file behind its answer, once, also when Slack does it and does not say so', async () => {
    const { model, simulator } = installation;
    const file = { name: 'hours.csv', mediaType: 'text/csv', content: 'day,hours\nMonday,8\n' };
    const method = 'files.completeUploadExternal';
    simulator.faults.add({ kind: 'api_cut_after', method, remaining: 1 });
    model.respondNext(callTools(['attach_file', file]), 'Here they are.');
    const sent = await simulator.say(mention);
    await until('the file is there', () => thread(sent).some(({ files }) => files.length > 0), 20_000);
    await idle(installation);
    expect(thread(sent).map((message) => [textOf(message), message.files.map(({ name }) => name)])).toEqual([
      ['Here they are.', []],
      ['', ['hours.csv']],
    ]);
  });

  it('puts an emoji on what it answers', async () => {
    const { model, simulator } = installation;
    model.respondNext(callTools(['react', { emoji: 'party' }]), 'Congratulations.');
    const sent = await simulator.say(mention);
    await answerTo(installation, sent, (text) => text === 'Congratulations.');
    const [root] = simulator.messages(acme.workspaceId, acme.general, sent.ts);
    expect(root?.reactions).toEqual([{ name: 'tada', userIds: [acme.agent] }]);
  });
});
