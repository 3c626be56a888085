import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answerTo, ask, idle, textOf, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

/** So that the numbers can be followed: a token of a prompt costs 1 microdollar, one of an answer 10. */
const price = { inputUsdPerMillion: 1, outputUsdPerMillion: 10 };
let installation: Installation;
beforeEach(async () => {
  installation = await startInstallation({
    app: { timing: { stopDeadlineMs: 500 } },
    routes: (model) => {
      const baseUrl = model.urls['openai-compatible'];
      return { default: [{ provider: 'openai-compatible', model: 'm', baseUrl, apiKey: 'k', price }] };
    },
  });
});
afterEach(() => installation.stop());

const inGeneral = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
const question = { ...inGeneral, text: `<@${acme.agent}> please` };

/** The calls in the ledger, and what calls and steps cost together. */
async function spending() {
  await idle(installation);
  const sum = async (table: string) =>
    Number(
      (await installation.query(`select coalesce(sum(nano_usd), 0) as n from konstruct.${table}`))[0]?.n,
    );
  const calls = await installation.query(
    'select outcome, is_estimated as "isEstimated" from konstruct.model_calls order by at, id',
  );
  return { calls, ledger: await sum('model_calls'), steps: await sum('steps') };
}

describe('figures of a provider that cannot be true', () => {
  it.each([
    { prompt_tokens: 3_000_000_000, completion_tokens: 4 },
    { prompt_tokens: 12.5, completion_tokens: 4.5 },
    { prompt_tokens: -7, completion_tokens: 4 },
    { prompt_tokens: 1e300, completion_tokens: 1 },
    { prompt_tokens: 4, completion_tokens: 1e12 },
    {},
  ])('cost no answer, ask the model once, and count by estimate: %j', async (rawUsage) => {
    const { model } = installation;
    model.respond(() => ({ text: 'Fine.', rawUsage }));
    const { answer } = await ask(installation, question);
    expect(textOf(answer)).toBe('Fine.');
    await expect.poll(async () => (await spending()).calls).toEqual([{ outcome: 'ok', isEstimated: true }]);
    const { ledger, steps } = await spending();
    expect(model.requests).toHaveLength(1);
    expect(ledger).toBeGreaterThan(0);
    expect(steps).toBe(ledger);
    expect(await installation.query('select status from konstruct.turns')).toEqual([{ status: 'answered' }]);
  });
});

describe('a call that is cut off', () => {
  it('because its worker is replaced is in the steps with what it cost, and the turn goes on', async () => {
    const { simulator, model } = installation;
    model.respondNext({ hang: true }, 'Fine.');
    const sent = await simulator.say(question);
    await until('the model works', () => model.requests.length === 1);
    await installation.app?.stop();
    await installation.startApp();
    expect(textOf(await answerTo(installation, sent))).toBe('Fine.');
    await expect
      .poll(async () => (await spending()).calls)
      .toEqual([
        { outcome: 'aborted', isEstimated: true },
        { outcome: 'ok', isEstimated: false },
      ]);
    const { ledger, steps } = await spending();
    expect(steps).toBe(ledger);
    expect(await installation.query('select outcome from konstruct.steps order by position')).toEqual([
      { outcome: 'interrupted' },
      { outcome: 'stop' },
    ]);
  });

  it('because nothing can be said there is in the steps too', async () => {
    const { simulator, model } = installation;
    simulator.faults.update({
      faults: [
        { kind: 'api_rate_limited', retryAfterSeconds: 1, method: 'chat.postMessage', remaining: 1 },
        { kind: 'api_error', error: 'is_archived', method: 'chat.postMessage' },
      ],
    });
    model.respond(() => ({ hang: true }));
    await simulator.say(question);
    const dead = `select error_code from konstruct.turns where status = 'dead'`;
    await until('the turn is dead', async () => (await installation.query(dead)).length === 1);
    await expect
      .poll(async () => (await spending()).calls)
      .toEqual([{ outcome: 'aborted', isEstimated: true }]);
    const { ledger, steps } = await spending();
    expect(steps).toBe(ledger);
  });

  it('because somebody said stop is in the steps too', async () => {
    const { simulator, model } = installation;
    model.respond(() => ({ hang: true }));
    const sent = await simulator.say(question);
    await until('the model works', () => model.requests.length === 1);
    await simulator.react(sent, { userId: acme.tomas, name: 'octagonal_sign', present: true });
    await expect
      .poll(async () => (await spending()).calls)
      .toEqual([{ outcome: 'aborted', isEstimated: true }]);
    const { ledger, steps } = await spending();
    expect(steps).toBe(ledger);
  });

  it('as its worker lost the turn to another is in the ledger alone', async () => {
    const { simulator, model } = installation;
    model.respondNext({ text: 'Late.', delayMs: 1_500 }, 'Fine.');
    const sent = await simulator.say(question);
    await until('the model works', () => model.requests.length === 1);
    // As when it had been stopped for longer than its lease, and another had it for a moment.
    await installation.query(
      'update konstruct.conversations set fence = fence + 1, lease_owner = null, ready_at = now()',
    );
    expect(textOf(await answerTo(installation, sent))).toBe('Fine.');
    await expect.poll(async () => (await spending()).calls.length, { timeout: 5_000 }).toBe(2);
    const { ledger, steps } = await spending();
    expect(steps).toBeLessThan(ledger);
    expect(steps).toBeGreaterThan(0);
  });
});
