import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DoctorContext } from '../../src/cli/doctor/check.ts';
import { checkBudgets } from '../../src/cli/doctor/check-budgets.ts';
import { usageToCsv } from '../../src/cli/format-usage.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { withTenant } from '../../src/db/with-tenant.ts';
import { expireLedger } from '../../src/stores/retention.ts';
import { readUsage, type Usage, usageGroups } from '../../src/stores/usage.ts';
import { budgetProcess, plannedCall, used } from '../support/budget-process.ts';
import { createPipelineDatabase, type PipelineDatabase } from '../support/pipeline-database.ts';
import { runKonstruct } from '../support/run-konstruct.ts';
import { addRows, type TenantWithRows } from '../support/tenant-rows.ts';

const everything = { from: null, to: null };
let database: PipelineDatabase;
let tenant: TenantWithRows;
let slug = '';
/** What settling said that each call cost. */
const costs: number[] = [];

beforeAll(async () => {
  database = await createPipelineDatabase();
  tenant = await addRows(database, database.tenants[0]);
  await database.query('delete from konstruct.model_calls');
  await database.query('delete from konstruct.steps');
  await database.query(
    `update konstruct.tenants set budget_monthly_usd = 0.008, time_zone = 'Asia/Tokyo' where id = $1`,
    [tenant.tenantId],
  );
  const [row] = await database.query<{ slug: string }>('select slug from konstruct.tenants where id = $1', [
    tenant.tenantId,
  ]);
  slug = row?.slug ?? '';
  const gate = budgetProcess(database);
  for (let call = 0; call < 7; call += 1) {
    const turnId = Number(tenant.turnId);
    const planned = plannedCall(tenant, { personId: `k:U${call % 2}`, turnId, maxInputTokens: 950 });
    const reservation = await gate.reserve(planned);
    const { nanoUsd } = await reservation.settle(used(900 + call, 50));
    costs.push(nanoUsd ?? 0);
    // As the turn logs the step.
    await database.query(
      `insert into konstruct.steps (tenant_id, turn_id, position, kind, outcome, input_tokens, output_tokens, nano_usd,
         started_at, duration_ms) values ($1, $2, $3, 'model', 'stop', $4, 50, $5, now(), 1)`,
      [tenant.tenantId, tenant.turnId, call, 900 + call, nanoUsd],
    );
  }
  await (await gate.reserve(plannedCall(database.tenants[1]))).settle(used(1, 1));
});
afterAll(() => database.drop());

function inTenant<T>(work: Parameters<typeof withTenant<T>>[2]): Promise<T> {
  return withTenant(createDatabase(database.pool(1)), tenant.tenantId, work);
}

const usage = (args: string) => runKonstruct(`usage ${args}`, { env: { DATABASE_URL: database.url } });

describe('what models cost', () => {
  it('is the same by the steps of turns, by the ledger, and by the report however it is grouped', async () => {
    const total = costs.reduce((sum, cost) => sum + cost, 0);
    expect(total).toBe(6_671_000);
    const [steps] = await database.query(
      'select sum(nano_usd)::int as nano, sum(input_tokens)::int as input from konstruct.steps',
    );
    const [ledger] = await database.query(
      'select sum(nano_usd)::int as nano, sum(input_tokens)::int as input from konstruct.model_calls where tenant_id = $1',
      [tenant.tenantId],
    );
    expect(steps).toEqual(ledger);
    expect(ledger).toEqual({ nano: total, input: 6_321 });
    for (const group of [null, ...usageGroups]) {
      const rows = await inTenant((transaction) => readUsage(transaction, group, everything));
      const sum = (field: 'nanoUsd' | 'inputTokens' | 'calls') =>
        rows.reduce((added, row) => added + row[field], 0);
      expect([sum('nanoUsd'), sum('inputTokens'), sum('calls')], String(group)).toEqual([total, 6_321, 7]);
    }
  });

  it('is counted on the days of the tenant’s time zone, the last one included', async () => {
    const [{ today }] = (await database.query(
      `select to_char(now() at time zone 'Asia/Tokyo', 'YYYY-MM-DD') as today`,
    )) as [{ today: string }];
    await database.query(
      `update konstruct.model_calls set at = ($2::date::timestamp at time zone 'Asia/Tokyo') - interval '1 s'
       where id = (select id from konstruct.model_calls where tenant_id = $1 order by id limit 1)`,
      [tenant.tenantId, today],
    );
    const on = async (from: string | null, to: string | null) =>
      (await inTenant((transaction) => readUsage(transaction, 'day', { from, to }))).map((row) => row.calls);
    expect(await on(null, null)).toEqual([1, 6]);
    expect(await on(today, today)).toEqual([6]);
    expect(await on(null, '2020-01-01')).toEqual([]);
  });
});

// Each call is a whole process.
describe('konstruct usage', { timeout: 120_000 }, () => {
  it.each([
    ['', /required option '--tenant <slug>'/],
    ['--tenant x --by weekday', /Allowed choices are agent, model, person, day/],
    ['--tenant x --from 2026-02-31', /--from is a day such as 2026-11-01, not "2026-02-31"/],
    ['--tenant x --json --csv', /not both/],
  ])('exits with 2 when called wrongly: %s', async (args, message) => {
    const { code, stderr, stdout } = await usage(args);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('prints a table with its total and the budgets, CSV, and JSON', async () => {
    const [table, csv, json, unknown] = await Promise.all([
      usage(`--tenant ${slug} --from 2020-01-01`),
      usage(`--tenant ${slug} --from 2020-01-01 --by person --csv`),
      usage(`--tenant ${slug} --from 2020-01-01 --by agent --json`),
      usage('--tenant nobody'),
    ]);
    const lines = table.stdout.trim().split('\n');
    expect(lines[0]).toMatch(/^MODEL +CALLS +INPUT +CACHED +CACHE WRITE +OUTPUT +USD$/);
    expect(lines[1]).toMatch(/^openai-compatible one-dollar +7 +6321 +0 +0 +350 +0\.0067$/);
    expect(lines[2]).toMatch(/^total +7 +6321/);
    expect(lines[3]).toMatch(
      /^Budget of the tenant for the month: \$0\.006671 of \$0\.008 \(83 %\); begins anew/,
    );
    expect(csv.stdout.split('\r\n').slice(0, 3)).toEqual([
      'person,calls,input_tokens,cached_input_tokens,cache_write_tokens,output_tokens,reasoning_tokens,usd,unpriced_calls,estimated_calls',
      'k:U0,4,3612,0,0,200,0,0.003812,0,0',
      'k:U1,3,2709,0,0,150,0,0.002859,0,0',
    ]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      tenant: slug,
      by: 'agent',
      total: { calls: 7, nanoUsd: 6_671_000 },
      rows: [{ calls: 7 }],
      budgets: [{ scope: 'tenant', period: 'month', unit: 'usd', limit: 8_000_000, spent: 6_671_000 }],
    });
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringMatching(/There is no tenant "nobody"/) });
  });
});

it('writes CSV that no spreadsheet takes for a formula', () => {
  const row = (key: string): Usage => ({
    key,
    calls: 1,
    inputTokens: 1,
    outputTokens: 1,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
    nanoUsd: 12_000_000_001,
    unpricedCalls: 0,
    estimatedCalls: 0,
  });
  const keys = ['=HYPERLINK("http://evil")', '+1', '-1', '@SUM(A1)', '\t=1', ' =1', 'a,"b"', 'plain'];
  const cells = usageToCsv('person', keys.map(row)).trim().split('\r\n').slice(1);
  expect(cells.map((cell) => cell.replace(/,1,1,0,0,1,0,12\.000000001,0,0$/, ''))).toEqual([
    `"'=HYPERLINK(""http://evil"")"`,
    `"'+1"`,
    `"'-1"`,
    `"'@SUM(A1)"`,
    `"'\t=1"`,
    `"' =1"`,
    '"a,""b"""',
    'plain',
  ]);
});

it('shows operators in doctor which budgets are nearly spent, as long as their period lasts', async () => {
  const check = (nowMs: number) =>
    checkBudgets.run({ database: createDatabase(database.pool(1)), clock: () => nowMs } as DoctorContext);
  expect(await check(Date.now())).toEqual([
    {
      level: 'warning',
      text: `The budget of ${slug} for the month in US dollars is spent to 80 % or more.`,
      remedy: expect.stringContaining(`konstruct usage --tenant ${slug}`),
    },
  ]);
  expect(await check(Date.now() + 31.5 * 86_400_000)).toMatchObject([{ level: 'ok' }]);
});

it('keeps the ledger for its own time, and never less than budgets need', async () => {
  const signal = new AbortController().signal;
  const age = (days: number) =>
    database.query(
      `update konstruct.model_calls set at = now() - $1 * interval '1 day',
         id = (lpad(to_hex((extract(epoch from now() - $1 * interval '1 day') * 1000)::bigint), 12, '0') || substr(replace(id::text, '-', ''), 13))::uuid`,
      [days],
    );
  const expire = (days: number) =>
    expireLedger(database.pool(1), new Date(Date.now() - days * 86_400_000), signal);
  await age(61);
  expect((await expire(1)).modelCalls).toBe(0);
  await age(700);
  expect((await expire(761)).modelCalls).toBe(0);
  await age(770);
  expect((await expire(761)).modelCalls).toBe(8);
  await database.query(`update konstruct.budget_counters set ends_at = now() - interval '3 days'`);
  await expire(761);
  expect(await database.query('select 1 from konstruct.budget_counters')).toEqual([]);
});
