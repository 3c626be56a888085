import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, idle, textOf } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

/** So that the numbers can be followed: a token of a prompt costs 1 microdollar, one of an answer 10. */
const price = { inputUsdPerMillion: 1, outputUsdPerMillion: 10 };
let installation: Installation;
beforeEach(async () => {
  installation = await startInstallation({
    routes: (model) => {
      const baseUrl = model.urls['openai-compatible'];
      return { default: [{ provider: 'openai-compatible', model: 'm', baseUrl, apiKey: 'k', price }] };
    },
  });
});
afterEach(() => installation.stop());

const inGeneral = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
const question = { ...inGeneral, text: `<@${acme.agent}> please` };

/** Calls in the ledger, when everything is settled, and what calls and steps cost together. */
async function spending() {
  await idle(installation);
  const open = 'select 1 from konstruct.budget_reservations';
  await expect.poll(() => installation.query(open)).toEqual([]);
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
    const { calls, ledger, steps } = await spending();
    expect(model.requests).toHaveLength(1);
    expect(calls).toEqual([{ outcome: 'ok', isEstimated: true }]);
    expect(ledger).toBeGreaterThan(0);
    expect(steps).toBe(ledger);
    expect(await installation.query('select status from konstruct.turns')).toEqual([{ status: 'answered' }]);
  });
});
