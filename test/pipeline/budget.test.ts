import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { withTenant } from '../../src/db/with-tenant.ts';
import { expireLedger } from '../../src/stores/retention.ts';
import { readUsage } from '../../src/stores/usage.ts';
import { ask, idle, textOf } from '../support/conversation.ts';
import { acme, globex } from '../support/people.ts';
import { readMetrics } from '../support/read-metrics.ts';
import { silentLog } from '../support/silent-log.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools } from '../support/tool-calls.ts';

/** So that the numbers can be followed: a token of a prompt costs 1 microdollar, one of an answer 10. */
const price = { inputUsdPerMillion: 1, outputUsdPerMillion: 10 };
let installation: Installation;

beforeAll(async () => {
  installation = await startInstallation({
    routes: (model) => ({
      default: [
        {
          provider: 'openai-compatible',
          model: 'm',
          baseUrl: model.urls['openai-compatible'],
          apiKey: 'k',
          price,
        },
      ],
    }),
  });
});
afterAll(() => installation.stop());

const question = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> please`,
};
const tenantOf = (workspaceId: string) =>
  installation.tenants.find(({ workspace }) => workspace.id === workspaceId)?.tenantId ?? '';

async function limit(column: string, value: number | null): Promise<void> {
  await installation.query(`update konstruct.tenants set ${column} = $2 where id = $1`, [
    tenantOf(acme.workspaceId),
    value,
  ]);
}

const nanoUsd = async (table: string) =>
  Number(
    (
      await installation.query(
        `select coalesce(sum(nano_usd), 0) as n from konstruct.${table} where tenant_id = $1`,
        [tenantOf(acme.workspaceId)],
      )
    )[0]?.n,
  );

describe('what a conversation costs', () => {
  it('is the same in the steps, in the ledger and in the report, and is the person’s and the agent’s', async () => {
    const { model } = installation;
    const usage = { inputTokens: 1_000, outputTokens: 40 };
    model.respondNext(
      { ...callTools(['current_time', {}]), usage },
      { text: 'It is noon.', usage: { inputTokens: 1_200, outputTokens: 60 } },
    );
    const { answer } = await ask(installation, question);
    expect(textOf(answer)).toBe('It is noon.');
    await idle(installation);
    const expected = (1_000 + 1_200) * 1_000 + (40 + 60) * 10_000;
    await expect.poll(() => nanoUsd('model_calls')).toBe(expected);
    expect(await nanoUsd('steps')).toBe(expected);
    const pool = createDatabasePool({ url: installation.databaseUrl, name: 'test', size: 1, log: silentLog });
    try {
      const read = (by: 'agent' | 'person' | null) =>
        withTenant(createDatabase(pool), tenantOf(acme.workspaceId), (transaction) =>
          readUsage(transaction, by, { from: null, to: null }),
        );
      expect(await read(null)).toMatchObject([
        { calls: 2, inputTokens: 2_200, outputTokens: 100, nanoUsd: expected },
      ]);
      expect(await read('person')).toMatchObject([
        { key: expect.stringMatching(new RegExp(`:${acme.mara}$`)), nanoUsd: expected },
      ]);
      expect(await read('agent')).toMatchObject([{ nanoUsd: expected }]);
    } finally {
      await pool.end();
    }
  });
});

describe('a budget that is used up', () => {
  it('is said in one sentence, without a call to the model or another attempt; other companies notice nothing', async () => {
    const { model, simulator } = installation;
    model.respondNext({ text: 'At length.', usage: { inputTokens: 3_000, outputTokens: 4_000 } });
    await ask(installation, question);
    await idle(installation);
    // Enough for one call at its worst, and not beside what was spent before.
    await limit('budget_daily_usd', (await nanoUsd('model_calls')) / 1e9 + 0.03);
    const before = model.requests.length;
    const { sent, answer } = await ask(installation, question);
    expect(textOf(answer)).toMatch(
      /^My budget for today is used up, so I stopped; it begins anew on .* at 00:00 \(UTC\)\.$/,
    );
    await idle(installation);
    expect(model.requests).toHaveLength(before);
    expect(
      simulator.messages(sent.workspaceId, sent.channelId, sent.ts).filter(({ isAgent }) => isAgent),
    ).toHaveLength(1);
    const turns = await installation.query(
      `select t.status, t.error_code, t.attempts from konstruct.turns t
       join konstruct.messages m on m.turn_id = t.id and m.tenant_id = t.tenant_id where m.external_id = $1`,
      [sent.ts],
    );
    expect(turns).toEqual([{ status: 'dead', error_code: 'budget_exhausted', attempts: 0 }]);
    const other = await ask(installation, {
      workspaceId: globex.workspaceId,
      channelId: globex.general,
      userId: globex.yuki,
      text: `<@${globex.agent}> hello`,
    });
    expect(textOf(other.answer)).toMatch(/^You said/);
    await limit('budget_daily_usd', null);
  });

  it('is not said of one that is too small for any answer: that no other day helps is', async () => {
    const { model } = installation;
    await limit('budget_daily_usd', 0.0001);
    const before = model.requests.length;
    const { answer } = await ask(installation, question);
    expect(textOf(answer)).toMatch(/^My budget is too small for what an answer to this may cost/);
    await idle(installation);
    expect(model.requests).toHaveLength(before);
    await limit('budget_daily_usd', null);
  });

  it('stops a turn in the middle: what was found out before is not followed by another call', async () => {
    const { model } = installation;
    const spent = await nanoUsd('model_calls');
    // Room for the first call's worst case, and not for a second beside what the first has cost.
    await limit('budget_monthly_usd', (spent + 60_000_000) / 1e9);
    model.respondNext({
      ...callTools(['current_time', {}]),
      usage: { inputTokens: 3_000, outputTokens: 4_000 },
    });
    const before = model.requests.length;
    const { answer } = await ask(installation, question);
    expect(textOf(answer)).toMatch(/^My budget for this month is used up, so I stopped;/);
    expect(model.requests).toHaveLength(before + 1);
    await idle(installation);
    await expect.poll(() => nanoUsd('model_calls')).toBe(spent + 43_000_000);
    expect(await nanoUsd('steps')).toBe(spent + 43_000_000);
    await limit('budget_monthly_usd', null);
  });

  it('of one turn stops that turn alone, in the middle too', async () => {
    const { model } = installation;
    await installation.query('update konstruct.agents set max_turn_usd = 0.06 where tenant_id = $1', [
      tenantOf(acme.workspaceId),
    ]);
    model.respondNext({
      ...callTools(['current_time', {}]),
      usage: { inputTokens: 3_000, outputTokens: 4_000 },
    });
    const before = model.requests.length;
    const { answer } = await ask(installation, question);
    expect(textOf(answer)).toBe(
      'This takes more than I may spend on one answer, so I stopped. Please ask me for a smaller part of it.',
    );
    expect(model.requests).toHaveLength(before + 1);
    expect(textOf((await ask(installation, question)).answer)).toMatch(/^You said/);
    await installation.query('update konstruct.agents set max_turn_usd = null');
  });

  it('of one turn is forgotten when the turn is over, and not before', async () => {
    const { model } = installation;
    const turnCounters = async () =>
      (await installation.query(`select from konstruct.budget_counters where scope = 'turn'`)).length;
    const pool = createDatabasePool({ url: installation.databaseUrl, name: 'test', size: 1, log: silentLog });
    const sweep = () => expireLedger(pool, new Date(0), new AbortController().signal);
    try {
      await installation.query('update konstruct.agents set max_turn_usd = 1 where tenant_id = $1', [
        tenantOf(acme.workspaceId),
      ]);
      await idle(installation);
      await sweep();
      expect(await turnCounters()).toBe(0);
      const gate = Promise.withResolvers<void>();
      const before = model.requests.length;
      model.respond(async () => {
        await gate.promise;
        return 'Done.';
      });
      const asked = ask(installation, question);
      await expect.poll(() => model.requests.length).toBe(before + 1);
      await sweep();
      expect(await turnCounters()).toBe(1);
      gate.resolve();
      expect(textOf((await asked).answer)).toBe('Done.');
      await idle(installation);
      await sweep();
      expect(await turnCounters()).toBe(0);
    } finally {
      await pool.end();
      model.respond(({ messages }) => `You said: ${messages.at(-1)?.content ?? ''}`);
      await installation.query('update konstruct.agents set max_turn_usd = null');
    }
  });

  it('of one person stops that person alone', async () => {
    await limit('person_budget_daily_usd', Math.floor((await nanoUsd('model_calls')) / 100_000) / 10_000);
    expect(textOf((await ask(installation, question)).answer)).toMatch(
      /^My budget for your questions for today is used up, so I stopped; it begins anew on /,
    );
    await limit('person_budget_daily_usd', null);
  });

  it('is told to operators once at 80 %, in the log and the metrics, and once when it is used up', async () => {
    const { model, log, app } = installation;
    const counted = async (name: string) =>
      (await readMetrics(app?.url ?? '')).value(name, { scope: 'tenant', period: 'day' }) ?? 0;
    const told = (event: string) => log.lines.filter((line) => line.event === event).length;
    const events = ['budget.threshold', 'budget.exhausted'] as const;
    const names = ['konstruct_budget_thresholds_total', 'konstruct_budget_refusals_total'] as const;
    model.respondNext({ text: 'A dollar.', usage: { inputTokens: 1_000, outputTokens: 100_000 } });
    await ask(installation, question);
    await expect.poll(() => nanoUsd('model_calls')).toBeGreaterThan(1_000_000_000);
    await installation.query('delete from konstruct.operator_notices'); // what other tests told
    await installation.query('update konstruct.budget_counters set is_usd_told = false');
    const spent = await nanoUsd('model_calls');
    const before = { lines: events.map(told), counts: await Promise.all(names.map(counted)) };
    // What is spent so far is 79 % of it.
    await limit('budget_daily_usd', Math.ceil(spent / 0.79 / 100_000) / 10_000);
    model.respondNext({ text: 'Yes.', usage: { inputTokens: 1_000, outputTokens: 2_000 } });
    expect(textOf((await ask(installation, question)).answer)).toBe('Yes.');
    await expect.poll(() => told(events[0])).toBe((before.lines[0] ?? 0) + 1);
    await limit('budget_daily_usd', Math.floor((await nanoUsd('model_calls')) / 100_000) / 10_000);
    for (let turn = 0; turn < 2; turn += 1) {
      expect(textOf((await ask(installation, question)).answer)).toMatch(/^My budget for today is used up/);
    }
    expect(events.map(told)).toEqual([(before.lines[0] ?? 0) + 1, (before.lines[1] ?? 0) + 1]);
    expect(await Promise.all(names.map(counted))).toEqual([
      (before.counts[0] ?? 0) + 1,
      (before.counts[1] ?? 0) + 2,
    ]);
    await limit('budget_daily_usd', null);
  });
});
