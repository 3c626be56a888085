import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionSettings } from '../../src/core/tenant.ts';
import type { FaultRequest } from '../../src/simulator/control-api.ts';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import { agentTexts, answerTo, idle, textOf, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools } from '../support/tool-calls.ts';

/** The app is called Ada, and the agent Grace. In Slack an edit puts the app's name back, and a message under another stays. */
let installation: Installation;
let calls: string[];
const start = async (settings: ConnectionSettings = {}): Promise<Installation> => {
  installation = await startInstallation({
    settings: { ratePerMinute: 10_000, ...settings },
    agent: { name: 'Grace', icon: ':owl:' },
    app: { timing: { deliveryRetryDelaysMs: [50, 50, 50, 50] } },
  });
  installation.simulator.subscribe((event) => {
    if (event.type === 'api.called') calls.push(`${event.call.method} ${event.call.error ?? 'ok'}`);
  });
  return installation;
};
beforeEach(() => {
  calls = [];
});
afterEach(() => installation.stop());

const question = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> what is the refund policy?`,
};
/** What stands in the thread, and under whose name. */
const standing = ({ workspaceId, channelId, ts }: SentMessage) =>
  installation.simulator
    .messages(workspaceId, channelId, ts)
    .filter(({ isAgent }) => isAgent)
    .map((message) => [message.userName, textOf(message) || message.files[0]?.name]);
/** Answers, and lets the platform fail from then on. */
const answerInto = (answer: string, ...faults: readonly FaultRequest[]) =>
  installation.model.respond(() => {
    installation.simulator.faults.update({ faults });
    return answer;
  });
const placeholderStands = (sent: SentMessage) =>
  until('its placeholder stands', () => agentTexts(installation, sent).length === 1);
const answered = async (sent: SentMessage, text: string, timeoutMs?: number) => {
  await answerTo(installation, sent, (said) => said === text, timeoutMs);
  await idle(installation);
};

describe('an agent that is called otherwise than the app', () => {
  it('works under the app’s name and answers under its own, with all parts and files, and nothing else stays', async () => {
    const { model, simulator } = await start();
    const gate = Promise.withResolvers<void>();
    const parts = ['one', 'two'].map((word) => `${'word '.repeat(2_200)}${word}`);
    const file = { name: 'hours.csv', mediaType: 'text/csv', content: 'day,hours\n' };
    model.respondNext(callTools(['attach_file', file]));
    model.respond(async () => {
      await gate.promise;
      return parts.join('\n\n');
    });
    const sent = await simulator.say(question);
    await placeholderStands(sent);
    expect(standing(sent)[0]?.[0]).toBe('Ada');
    gate.resolve();
    await until('all is there', () => standing(sent).length === 3);
    await idle(installation);
    expect(standing(sent)).toEqual([
      ['Grace', parts[0]],
      ['Grace', parts[1]],
      ['Ada', 'hours.csv'],
    ]);
  });

  it('is edited in place where it is called as the app, or may not have a name of its own', async () => {
    const { model, simulator, query } = await start();
    model.respond(() => 'In place.');
    await query(`update konstruct.agents set name = 'Ada', icon = null`);
    const asked = await simulator.say(question);
    await answered(asked, 'In place.');
    await query(`update konstruct.agents set name = 'Grace'`);
    const [seed] = [...simulator.workspaces.values()].map((workspace) => workspace.seed);
    if (seed === undefined) throw new Error('There is no seed.');
    const scopes = ['chat:write', 'channels:history', 'users:read', 'app_mentions:read'];
    simulator.addWorkspace({ ...seed, scopes });
    await installation.startApp(); // which has not asked yet what its token may
    await installation.app?.stop();
    await answered(await simulator.say(question), 'In place.');
    expect(calls.filter((call) => call.startsWith('chat.delete'))).toEqual([]);
  });

  it('says it once and leaves no placeholder, whatever Slack does of it without saying so', async () => {
    const { simulator } = await start();
    const hang = { kind: 'api_cut_after', method: 'chat.postMessage', remaining: 1 } as const;
    const faults: readonly (readonly FaultRequest[])[] = [
      [hang],
      [{ kind: 'api_cut_after', method: 'chat.delete', remaining: 1 }],
      [{ kind: 'api_cut_before', method: 'chat.delete', remaining: 4 }],
      // Certainly not done, and the answer before it certainly is.
      [{ kind: 'api_error', error: 'service_unavailable', method: 'chat.delete', remaining: 4 }],
      [{ kind: 'api_error', error: 'internal_error', method: 'chat.postMessage', remaining: 1 }],
      // Whoever could not look does not know more than before.
      [
        hang,
        { kind: 'api_error', error: 'service_unavailable', method: 'conversations.replies', remaining: 3 },
      ],
    ];
    for (const [index, plan] of faults.entries()) {
      answerInto(`Answer ${index}.`, ...plan);
      const sent = await simulator.say(question);
      await answered(sent, `Answer ${index}.`, 20_000);
      expect(standing(sent), JSON.stringify(plan)).toEqual([['Grace', `Answer ${index}.`]]);
      expect(simulator.faults.plan().faults).toEqual([]);
    }
  });

  it('says in the placeholder, once, that its answer was refused', async () => {
    const { simulator } = await start();
    answerInto('Never.', { kind: 'api_error', error: 'restricted_action', method: 'chat.postMessage' });
    const sent = await simulator.say(question);
    await answerTo(installation, sent, (text) => text.includes('refused'));
    await idle(installation);
    expect(standing(sent)).toHaveLength(1);
  });

  it('keeps its answer where Slack will never take the placeholder away, which then says that it is over', async () => {
    const { simulator } = await start();
    answerInto('Here.', {
      kind: 'api_error',
      error: 'compliance_exports_prevent_deletion',
      method: 'chat.delete',
    });
    const sent = await simulator.say(question);
    await answered(sent, 'Here.');
    expect(standing(sent)).toEqual([
      ['Ada', '(removed)'],
      ['Grace', 'Here.'],
    ]);
  });

  it('answers anew, under its name, when the question was edited; Slack keeps the earlier message, without its words', async () => {
    const { model, simulator, query } = await start();
    const long = ['one', 'two'].map((word) => `${'word '.repeat(2_200)}${word}`).join('\n\n');
    model.respondNext(long);
    model.respond(() => 'Short.');
    const sent = await simulator.say(question);
    await until('it is answered', () => standing(sent).length === 2);
    await idle(installation);
    await simulator.edit(sent, `<@${acme.agent}> and on Tuesday?`);
    await answered(sent, 'Short.');
    expect(standing(sent)).toEqual([
      ['Ada', '(removed)'],
      ['Ada', '(removed)'],
      ['Grace', 'Short.'],
    ]);
    const [last] = simulator.messages(acme.workspaceId, acme.general, sent.ts).toReversed();
    expect(
      await query(`select content, external_id from konstruct.messages where direction = 'out'`),
    ).toEqual([{ content: 'Short.', external_id: last?.messageId }]);
  });

  it('takes its words back where the connection retracts', async () => {
    const { model, simulator } = await start({ onDeletion: 'retract' });
    model.respond(() => 'Answer.');
    const sent = await simulator.say(question);
    await answered(sent, 'Answer.');
    await simulator.deleteMessage(sent);
    await until('its words are gone', () => agentTexts(installation, sent).join() === '(removed)');
    await idle(installation);
  });

  it('is watched while it writes, by edits and by Slack’s own stream, and says it once in the end', async () => {
    const pieces = ['Refunds ', 'take ', '14 ', 'days, ', 'and ', 'shipping ', 'is ', 'not ', 'refunded.'];
    for (const streaming of [undefined, 'native'] as const) {
      const { model, simulator } = await start(streaming === undefined ? {} : { streaming });
      async function* slowly(): AsyncGenerator<string> {
        for (const piece of pieces) {
          yield piece;
          await sleep(250);
        }
      }
      model.respondNext({ pieces: slowly() });
      const sent = await simulator.say(question);
      const seen = new Set<string>();
      await until('it is whole', () => {
        for (const text of agentTexts(installation, sent)) seen.add(text);
        return seen.has(pieces.join(''));
      });
      await idle(installation);
      expect(seen.size).toBeGreaterThan(2);
      expect(standing(sent), String(streaming)).toEqual([['Grace', pieces.join('')]]);
      if (streaming === undefined) await installation.stop();
    }
  });
});
