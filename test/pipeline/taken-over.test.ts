import { afterEach, describe, expect, it } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { agentTexts, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

/** What the first worker was about to send, or had sent without knowing it, when a second one took its turn over. */

let installation: Installation;
afterEach(() => installation.stop());

const question = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> hello`,
};
/** Two messages of Slack's. */
const parts = ['one', 'two'].map((word) => `${word} `.repeat(2_500).trim());
const twoParts = parts.join('\n\n');
const firstWords = (texts: readonly string[]) => texts.map((text) => text.slice(0, 3));

/** Calls of a method that reached Slack's own work, from now on. */
function countCalls(simulator: Simulator, method: string): () => number {
  let calls = 0;
  simulator.subscribe((event) => {
    if (event.type === 'api.called' && event.call.method === method && event.call.faults.length === 0)
      calls += 1;
  });
  return () => calls;
}

/** Asks; resolves when the placeholder stands and the model is asked, which answers when it is let go. */
async function askAndHold(answer: string) {
  const { simulator, model } = installation;
  const letGo = Promise.withResolvers<void>();
  model.respond(async () => {
    await letGo.promise;
    return answer;
  });
  const sent = await simulator.say(question);
  await until('the placeholder stands', () => agentTexts(installation, sent).length === 1);
  await until('the model is asked', () => model.requests.length === 1);
  return { sent, letModelAnswer: letGo.resolve };
}

const faultStruck = () =>
  until('the fault struck', () => installation.simulator.faults.plan().faults.length === 0);
const isOver = () =>
  until('the turn has ended', async () => {
    const rows = await installation.query('select 1 from konstruct.turns where finished_at is not null');
    return rows.length === 1;
  });

describe('a worker whose lease runs out while Slack lets it wait sends nothing afterwards:', () => {
  const LEASE_MS = 2_000;
  const SLACK_WAIT_SECONDS = 4;

  /** `before` makes the call that has to wait; returns how often it was carried out in all. */
  async function callsOf(method: string, answer: string, before: 'answer' | 'deletion') {
    installation = await startInstallation({
      app: { timing: { leaseMs: LEASE_MS, renewEveryMs: 600_000, pollEveryMs: 600_000 } },
    });
    const { simulator, log } = installation;
    const { sent, letModelAnswer } = await askAndHold(answer);
    const carriedOut = countCalls(simulator, method);
    simulator.faults.update({
      faults: [{ kind: 'api_rate_limited', method, retryAfterSeconds: SLACK_WAIT_SECONDS, remaining: 1 }],
    });
    if (before === 'answer') letModelAnswer();
    else await simulator.deleteMessage(sent);
    await faultStruck();
    await installation.startApp({ role: 'worker', timing: { pollEveryMs: 50 } });
    await isOver();
    expect(carriedOut()).toBe(1);
    await until('the first one knows', () => log.lines.some(({ event }) => event === 'turn.lease_lost'));
    letModelAnswer();
    return { sent, carriedOut };
  }

  it('not the answer in the place of the placeholder', { timeout: 30_000 }, async () => {
    const { sent, carriedOut } = await callsOf('chat.update', 'The answer.', 'answer');
    expect(carriedOut()).toBe(1);
    expect(agentTexts(installation, sent)).toEqual(['The answer.']);
  });

  it('not a further part', { timeout: 30_000 }, async () => {
    const { sent, carriedOut } = await callsOf('chat.postMessage', twoParts, 'answer');
    expect(carriedOut()).toBe(1);
    expect(firstWords(agentTexts(installation, sent))).toEqual(['one', 'two']);
  });

  it('and takes nothing away', { timeout: 30_000 }, async () => {
    const { sent, carriedOut } = await callsOf('chat.delete', 'Never said.', 'deletion');
    expect(carriedOut()).toBe(1);
    expect(agentTexts(installation, sent)).toEqual([]);
  });
});

describe('a further part that a worker sent without knowing that it did', () => {
  it('is looked for by whoever takes the turn over, and not sent again', async () => {
    installation = await startInstallation();
    const { simulator, query } = installation;
    const { sent, letModelAnswer } = await askAndHold(twoParts);
    simulator.faults.update({
      faults: [{ kind: 'api_hang', method: 'chat.postMessage', workDone: true, remaining: 1 }],
    });
    letModelAnswer();
    await faultStruck();
    expect(firstWords(agentTexts(installation, sent))).toEqual(['one', 'two']);
    // As if it had died.
    await query(
      `update konstruct.conversations set lease_owner = 'nobody', fence = fence + 1, ready_at = now()`,
    );
    await installation.startApp({ role: 'worker', timing: { pollEveryMs: 50 } });
    await isOver();
    expect(await query('select status, error_code from konstruct.turns')).toEqual([
      { status: 'answered', error_code: null },
    ]);
    expect(firstWords(agentTexts(installation, sent))).toEqual(['one', 'two']);
  });
});
