import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DoctorContext } from '../../src/cli/doctor/check.ts';
import { checkBudgets } from '../../src/cli/doctor/check-budgets.ts';
import type { Reservation } from '../../src/core/budget.ts';
import { isKonstructError, type KonstructError } from '../../src/core/errors.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { budgetProcess, dollarModel, plannedCall, used } from '../support/budget-process.ts';
import { createPipelineDatabase, type PipelineDatabase } from '../support/pipeline-database.ts';
import { seededRandom } from '../support/seeded-random.ts';

const { price: _, ...withoutPrice } = dollarModel;
const unpricedModel = { ...withoutPrice, baseUrl: 'https://llm.example.com/v1' };

let database: PipelineDatabase;
beforeEach(async () => {
  database = await createPipelineDatabase();
});
afterEach(() => database.drop());

type Limits = Readonly<Record<string, number | string | null>>;

async function setTenant(limits: Limits, tenant = database.tenants[0]): Promise<void> {
  await setRow('tenants', tenant.tenantId, limits);
}

async function setRow(table: string, id: string, values: Limits): Promise<void> {
  const columns = Object.keys(values).map((name, index) => `${name} = $${index + 2}`);
  await database.query(`update konstruct.${table} set ${columns.join(', ')} where id = $1`, [
    id,
    ...Object.values(values),
  ]);
}

/** What became of a call that was to be reserved. */
async function attempt(work: Promise<Reservation>): Promise<Reservation | KonstructError> {
  try {
    return await work;
  } catch (error) {
    if (isKonstructError(error, 'budget_exhausted')) return error;
    throw error;
  }
}

function granted(results: readonly (Reservation | KonstructError)[]): readonly Reservation[] {
  return results.filter((result): result is Reservation => !(result instanceof Error));
}

async function refusal(work: Promise<Reservation>): Promise<KonstructError> {
  const result = await attempt(work);
  if (!(result instanceof Error)) throw new Error('It was granted.');
  return result;
}

/** Every counter against the ledger and the reservations: they never differ. */
async function expectCountersToAddUp(): Promise<void> {
  const wrong = await database.query(
    `select c.* , l.nano, l.tokens, r.nano as reserved_nano, r.tokens as r_tokens
     from konstruct.budget_counters c
     cross join lateral (
       select coalesce(sum(m.nano_usd), 0) as nano, coalesce(sum(coalesce(m.input_tokens, 0) + coalesce(m.output_tokens, 0)), 0) as tokens
       from konstruct.model_calls m where m.tenant_id = c.tenant_id and m.at >= c.starts_at and m.at < c.ends_at
         and c.subject = case c.scope when 'tenant' then '' when 'agent' then m.agent_id::text when 'person' then m.person_id else m.turn_id::text end) l
     cross join lateral (
       select coalesce(sum(m.nano_usd), 0) as nano, coalesce(sum(m.input_tokens + m.output_tokens), 0) as tokens
       from konstruct.budget_reservations m where m.tenant_id = c.tenant_id and m.at >= c.starts_at and m.at < c.ends_at
         and c.subject = case c.scope when 'tenant' then '' when 'agent' then m.agent_id::text when 'person' then m.person_id else m.turn_id::text end) r
     where c.spent_nano_usd <> l.nano or c.spent_tokens <> l.tokens or c.reserved_nano_usd <> r.nano or c.reserved_tokens <> r.tokens`,
  );
  expect(wrong).toEqual([]);
}

/** Makes the function that reserves take this for the time of the call. */
async function setReserveClock(now: string): Promise<void> {
  const clock = /(v_at constant timestamptz := )[^;]+;/;
  for (const name of ['reserve_budget', 'reserve_budgets']) {
    const [row] = await database.query<{ definition: string }>(
      'select pg_get_functiondef($1::regproc) as definition',
      [`konstruct.${name}`],
    );
    expect(row?.definition).toMatch(clock);
    await database.query(row?.definition.replace(clock, `$1'${now}';`) ?? '');
  }
}

async function count(table: string): Promise<number> {
  const [row] = await database.query<{ n: number }>(`select count(*)::int as n from konstruct.${table}`);
  return row?.n ?? 0;
}

describe('a limit', () => {
  it('for ten lets ten of two hundred calls through that four processes make at once, and not one more', async () => {
    await setTenant({ budget_daily_usd: 0.01 });
    const [tenant] = database.tenants;
    const processes = Array.from({ length: 4 }, () => budgetProcess(database));
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        attempt(
          processes[index % 4]?.reserve(
            plannedCall(tenant, { personId: `p${index % 7}` }),
          ) as Promise<Reservation>,
        ),
      ),
    );
    const through = granted(results);
    expect(through).toHaveLength(10);
    await Promise.all(through.map((reservation) => reservation.settle(used(900, 100))));
    const [ledger] = await database.query(
      `select count(*)::int as calls, sum(nano_usd)::bigint::text as nano from konstruct.model_calls`,
    );
    expect(ledger).toEqual({ calls: 10, nano: '10000000' });
    expect(await refusal(processes[0]?.reserve(plannedCall(tenant)) as Promise<Reservation>)).toMatchObject({
      details: { isHeld: false, spent: 10_000_000, reserved: 0, limit: 10_000_000, unit: 'nanoUsd' },
    });
    await expectCountersToAddUp();
  });

  it.each([
    ['tenant', 'day', { budget_daily_usd: 0.002 }, {}, 'nanoUsd'],
    ['tenant', 'month', { budget_monthly_usd: 0.002 }, {}, 'nanoUsd'],
    ['tenant', 'day', { budget_daily_tokens: 2_000 }, {}, 'tokens'],
    ['tenant', 'month', { budget_monthly_tokens: 2_000 }, {}, 'tokens'],
    ['person', 'day', { person_budget_daily_usd: 0.002 }, {}, 'nanoUsd'],
    ['person', 'month', { person_budget_monthly_usd: 0.002 }, {}, 'nanoUsd'],
    ['person', 'day', { person_budget_daily_tokens: 2_000 }, {}, 'tokens'],
    ['person', 'month', { person_budget_monthly_tokens: 2_000 }, {}, 'tokens'],
    ['agent', 'day', {}, { budget_daily_usd: 0.002 }, 'nanoUsd'],
    ['agent', 'month', {}, { budget_monthly_usd: 0.002 }, 'nanoUsd'],
    ['agent', 'day', {}, { budget_daily_tokens: 2_000 }, 'tokens'],
    ['agent', 'month', {}, { budget_monthly_tokens: 2_000 }, 'tokens'],
    ['turn', 'turn', {}, { max_turn_usd: 0.002 }, 'nanoUsd'],
  ])('of the %s for the %s stops the third call: %j %j', async (scope, period, ofTenant, ofAgent, unit) => {
    const [tenant, other] = database.tenants;
    if (Object.keys(ofTenant).length > 0) await setTenant(ofTenant);
    if (Object.keys(ofAgent).length > 0) await setRow('agents', tenant.agentId, ofAgent);
    const gate = budgetProcess(database);
    const call = plannedCall(tenant, { personId: 'k:U1', turnId: 7 });
    await (await gate.reserve(call)).settle(used(900, 100));
    await gate.reserve(call);
    expect(await refusal(gate.reserve(call))).toMatchObject({
      code: 'budget_exhausted',
      retryable: false,
      details: { scope, period, unit, isHeld: true },
    });
    // Whom the limit does not concern goes on.
    await gate.reserve(plannedCall(other, { personId: 'k:U1', turnId: 7 }));
    if (scope === 'person') await gate.reserve({ ...call, spender: { ...call.spender, personId: 'k:U2' } });
    if (scope === 'turn') await gate.reserve({ ...call, spender: { ...call.spender, turnId: 8 } });
    if (scope === 'agent') await gate.reserve({ ...call, spender: { ...call.spender, agentId: null } });
    await expectCountersToAddUp();
  });

  it('refuses as a whole: what another limit would have allowed is not set aside', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 1, budget_monthly_usd: 1, person_budget_daily_tokens: 10 });
    const gate = budgetProcess(database);
    await refusal(gate.reserve(plannedCall(tenant, { personId: 'k:U1' })));
    expect(await count('budget_reservations')).toBe(0);
    const counters = await database.query(
      'select sum(reserved_nano_usd)::int as nano, sum(reserved_tokens)::int as tokens from konstruct.budget_counters',
    );
    expect(counters).toEqual([{ nano: 0, tokens: 0 }]);
  });

  it.each([
    ['that is dearer', { max_turn_usd: 0.0005 }, {}, { scope: 'turn', isHeld: false }],
    ['without a price', { max_turn_usd: 5 }, { entry: unpricedModel }, { scope: 'turn', reason: 'unpriced' }],
  ])(
    'of a turn stops its first call %s, and what others had set aside goes back',
    async (_what, limit, other, details) => {
      const [tenant] = database.tenants;
      await setTenant({ budget_daily_tokens: 1_000_000, person_budget_monthly_tokens: 1_000_000 });
      await setRow('agents', tenant.agentId, limit);
      const gate = budgetProcess(database);
      const before = plannedCall(tenant, { personId: 'k:U1', agentId: null });
      await (await gate.reserve(before)).settle(used(0, 0));
      const call = { ...plannedCall(tenant, { personId: 'k:U1', turnId: 7 }), ...other };
      expect(await refusal(gate.reserve(call))).toMatchObject({ details });
      expect(await count('budget_counters where reserved_tokens + reserved_nano_usd <> 0')).toBe(0);
      expect(await count('budget_counters')).toBe(3);
      await expectCountersToAddUp();
    },
  );

  it('is counted from the first call on, also while others change its tenant’s sums', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 0.001 });
    const gate = budgetProcess(database);
    const other = await database.pool().connect();
    try {
      await other.query('begin');
      await other.query('select pg_advisory_xact_lock_shared(konstruct.budget_lock_key($1))', [
        tenant.tenantId,
      ]);
      const reserving = gate.reserve(plannedCall(tenant));
      await expect
        .poll(() => database.query(`select 1 from pg_locks where locktype = 'advisory' and not granted`))
        .toHaveLength(1);
      expect(await count('budget_counters')).toBe(0);
      await other.query('commit');
      await (await reserving).settle(used(600, 0));
    } finally {
      other.release();
    }
    await refusal(gate.reserve(plannedCall(tenant)));
    await expectCountersToAddUp();
  });

  it('with room for one call at a time lets a turn make one after the other, although nobody waits for settling', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 0.0019 });
    const gate = budgetProcess(database);
    for (let step = 0; step < 20; step += 1) {
      const reservation = await gate.reserveOnly(plannedCall(tenant, { turnId: 1 }));
      await reservation.settle(used(10, 10));
    }
    await gate.flush();
    expect(await count('model_calls')).toBe(20);
    await expectCountersToAddUp();
  });

  it('gives back what a call did not need, and names the limit that lasts longest', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 0.001, budget_monthly_usd: 0.001, time_zone: 'Asia/Kolkata' });
    const gate = budgetProcess(database);
    for (let turn = 0; turn < 5; turn += 1)
      await (await gate.reserve(plannedCall(tenant))).settle(used(0, 0));
    const cost = await (await gate.reserve(plannedCall(tenant))).settle(used(300, 0));
    expect(cost).toEqual({ nanoUsd: 300_000, isEstimated: false, priceVersion: 'konstruct.yaml 1/1/1/1' });
    const error = await refusal(gate.reserve(plannedCall(tenant)));
    expect(error.details).toMatchObject({
      period: 'month',
      spent: 300_000,
      needed: 1_000_000,
      timeZone: 'Asia/Kolkata',
    });
    // The first of a month at midnight in Kolkata is 18:30 UTC of the day before.
    expect(error.details.resetsAt).toMatch(/T18:30:00\.000Z$/);
    await expectCountersToAddUp();
  });

  it('counts calls that were made before there was one', async () => {
    const [tenant] = database.tenants;
    const gate = budgetProcess(database);
    await (await gate.reserve(plannedCall(tenant, { personId: 'k:U1' }))).settle(used(900, 100));
    const underWay = await gate.reserve(plannedCall(tenant, { personId: 'k:U1' }));
    expect(await count('budget_counters')).toBe(0);
    await setTenant({ budget_monthly_usd: 0.003, person_budget_monthly_usd: 0.003 });
    gate.invalidate();
    const third = await gate.reserve(plannedCall(tenant, { personId: 'k:U1' }));
    await underWay.settle(used(900, 100));
    await third.settle(used(900, 100));
    expect((await refusal(gate.reserve(plannedCall(tenant)))).details).toMatchObject({ spent: 3_000_000 });
    await expectCountersToAddUp();
  });

  it('of nothing stops the first call', async () => {
    await setTenant({ budget_daily_usd: 0 });
    const gate = budgetProcess(database);
    expect((await refusal(gate.reserve(plannedCall(database.tenants[0])))).details).toMatchObject({
      limit: 0,
      isHeld: false,
    });
  });

  it('in USD refuses a model whose price nobody knows; one in tokens does not', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_tokens: 5_000 });
    const gate = budgetProcess(database);
    const cost = await (await gate.reserve(plannedCall(tenant, { entry: unpricedModel }))).settle(used(5, 5));
    expect(cost).toEqual({ nanoUsd: null, isEstimated: false, priceVersion: null });
    await setTenant({ budget_daily_usd: 5 });
    const error = await refusal(gate.reserve(plannedCall(tenant, { entry: unpricedModel })));
    expect(error.details).toMatchObject({ reason: 'unpriced', scope: 'tenant', model: 'one-dollar' });
    expect(await count('budget_reservations')).toBe(0);
  });

  it('begins anew at midnight by the clock of the tenant, also when the clocks change', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 1, time_zone: 'Europe/Berlin' });
    const hours = await database.query(
      `select at::text, starts_at, extract(epoch from ends_at - starts_at)::int / 3600 as hours
       from unnest(array['2026-03-28 22:59Z', '2026-03-28 23:00Z', '2026-03-29 21:59Z', '2026-10-25 12:00Z']::timestamptz[]) at,
         konstruct.budget_limits($1, null, null, null, at)`,
      [tenant.tenantId],
    );
    expect(hours.map(({ starts_at, hours }) => [starts_at.toISOString(), hours])).toEqual([
      ['2026-03-27T23:00:00.000Z', 24],
      ['2026-03-28T23:00:00.000Z', 23],
      ['2026-03-28T23:00:00.000Z', 23],
      ['2026-10-24T22:00:00.000Z', 25],
    ]);
  });

  it.each([
    [
      'day',
      { budget_daily_usd: 0.002 },
      '2026-10-31T04:00:00.000Z',
      'America/Havana',
      '2026-11-01T05:00:00.000Z',
    ],
    [
      'month',
      { budget_monthly_usd: 0.002 },
      '2026-10-01T04:00:00.000Z',
      'America/Havana',
      '2026-11-01T05:00:00.000Z',
    ],
    [
      'day',
      { budget_daily_usd: 0.002 },
      '2026-10-24T00:00:00.000Z',
      'Atlantic/Azores',
      '2026-10-25T01:00:00.000Z',
    ],
  ])(
    'of a %s holds before, in and after a midnight that comes twice: %j',
    async (_, limits, startsAt, zone, endsAt) => {
      const [tenant] = database.tenants;
      await setTenant({ ...limits, time_zone: zone });
      const gate = budgetProcess(database);
      const endsAtMs = Date.parse(endsAt);
      const at = async (minutes: number) => {
        const now = new Date(endsAtMs + minutes * 60_000).toISOString();
        await setReserveClock(now);
        const [row] = await database.query(
          'select starts_at, ends_at from konstruct.budget_limits($1, null, null, null, $2)',
          [tenant.tenantId, now],
        );
        return [row?.starts_at.toISOString(), row?.ends_at.toISOString()];
      };
      expect(await at(-90)).toEqual([startsAt, endsAt]);
      await gate.reserve(plannedCall(tenant));
      expect(await at(-30)).toEqual([startsAt, endsAt]);
      await gate.reserve(plannedCall(tenant));
      await refusal(gate.reserve(plannedCall(tenant)));
      expect((await at(30))[0]).toBe(endsAt);
      await gate.reserve(plannedCall(tenant));
      await gate.reserve(plannedCall(tenant));
      await refusal(gate.reserve(plannedCall(tenant)));
      await expectCountersToAddUp();
    },
  );

  it('counts for the period in which a call began, and the next one begins with nothing', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 0.001 });
    const gate = budgetProcess(database);
    const late = await gate.reserve(plannedCall(tenant));
    // Yesterday, for everything that is there.
    await database.query(`update konstruct.budget_reservations set at = at - interval '1 day'`);
    await database.query(
      `update konstruct.budget_counters set starts_at = starts_at - interval '1 day', ends_at = ends_at - interval '1 day'`,
    );
    const today = await gate.reserve(plannedCall(tenant));
    await late.settle(used(900, 100));
    await today.settle(used(400, 0));
    const counters = await database.query(
      'select spent_nano_usd::int as spent, reserved_nano_usd::int as reserved from konstruct.budget_counters order by starts_at',
    );
    expect(counters).toEqual([
      { spent: 1_000_000, reserved: 0 },
      { spent: 400_000, reserved: 0 },
    ]);
    await expectCountersToAddUp();
  });
});

describe('a tenant without any limit', () => {
  it('pays for one row of the ledger and nothing else', async () => {
    const [tenant] = database.tenants;
    const gate = budgetProcess(database);
    const call = plannedCall(tenant, { personId: 'k:U1', turnId: 3 });
    await (await gate.reserve(call)).settle({
      usage: {
        inputTokens: 80,
        outputTokens: 20,
        cachedInputTokens: 30,
        cacheWriteTokens: 10,
        reasoningTokens: 5,
      },
      isEstimated: true,
      outcome: 'aborted',
    });
    expect(await count('budget_counters')).toBe(0);
    const rows = await database.query(
      `select tenant_id, agent_id, person_id, turn_id::int, provider, model, outcome, input_tokens::int, output_tokens::int,
         cached_input_tokens::int, cache_write_tokens::int, reasoning_tokens::int, is_estimated, nano_usd::int, price_version,
         at between now() - interval '10 s' and now() as is_now
       from konstruct.model_calls`,
    );
    expect(rows).toEqual([
      {
        tenant_id: tenant.tenantId,
        agent_id: tenant.agentId,
        person_id: 'k:U1',
        turn_id: 3,
        provider: 'openai-compatible',
        model: 'one-dollar',
        outcome: 'aborted',
        input_tokens: 80,
        output_tokens: 20,
        cached_input_tokens: 30,
        cache_write_tokens: 10,
        reasoning_tokens: 5,
        is_estimated: true,
        nano_usd: 100_000,
        price_version: 'konstruct.yaml 1/1/1/1',
        is_now: true,
      },
    ]);
  });

  it('has a call in the ledger when it began, also of one that lasted', async () => {
    let nowMs = 0;
    const gate = budgetProcess(database, { clock: () => nowMs });
    const reservation = await gate.reserve(plannedCall(database.tenants[0]));
    nowMs += 3_600_000;
    await reservation.settle(used(1, 1));
    expect(
      await database.query(
        `select now() - at between interval '1 hour' and interval '61 minutes' as began from konstruct.model_calls`,
      ),
    ).toEqual([{ began: true }]);
  });

  it('has calls that reached no model in the ledger, for nothing', async () => {
    const gate = budgetProcess(database);
    const reservation = await gate.reserve(plannedCall(database.tenants[0]));
    const cost = await reservation.settle({ usage: null, isEstimated: false, outcome: 'network' });
    expect(cost.nanoUsd).toBe(0);
    expect(await database.query('select outcome, nano_usd::int from konstruct.model_calls')).toEqual([
      { outcome: 'network', nano_usd: 0 },
    ]);
  });
});

describe('a reservation', () => {
  it.each([
    ['alone', 1],
    ['in a batch', 20],
  ])('waits for the disk, %s: a crash of the server must not take it back', async (_, calls) => {
    await setTenant({ budget_daily_usd: 1 });
    await database.query(`
      create table konstruct.commits (waits text);
      create function konstruct.note_commit() returns trigger language plpgsql security definer as $$
      begin
        insert into konstruct.commits values (current_setting('synchronous_commit'));
        return null;
      end $$;
      create constraint trigger waits_for_the_disk after insert on konstruct.budget_reservations
        deferrable initially deferred for each row execute function konstruct.note_commit();`);
    const gate = budgetProcess(database);
    const call = plannedCall(database.tenants[0]);
    const made = await Promise.all(Array.from({ length: calls }, () => gate.reserve(call)));
    await Promise.all(made.map((reservation) => reservation.settle(used(1, 1))));
    expect(
      await database.query('select waits, count(*)::int as calls from konstruct.commits group by 1'),
    ).toEqual([{ waits: 'on', calls }]);
  });
});

describe('settling', () => {
  it('counts what the provider left out as the most it can have been', async () => {
    await setTenant({ budget_daily_usd: 1 });
    const reservation = await budgetProcess(database).reserve(plannedCall(database.tenants[0]));
    const nothing = { cachedInputTokens: null, cacheWriteTokens: null, reasoningTokens: null };
    const cost = await reservation.settle({
      usage: { inputTokens: null, outputTokens: 7, ...nothing },
      isEstimated: false,
      outcome: 'ok',
    });
    expect(cost).toMatchObject({ nanoUsd: 907_000, isEstimated: true });
    await expectCountersToAddUp();
  });

  it('twice writes one row', async () => {
    await setTenant({ budget_daily_usd: 1 });
    const reservation = await budgetProcess(database).reserve(plannedCall(database.tenants[0]));
    await Promise.all([reservation.settle(used(1, 1)), reservation.settle(used(1, 1))]);
    expect(await count('model_calls')).toBe(1);
    await expectCountersToAddUp();
  });

  it('after the tenant was removed writes nothing', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 1 });
    const reservation = await budgetProcess(database).reserve(plannedCall(tenant));
    await database.query('delete from konstruct.connections where tenant_id = $1', [tenant.tenantId]);
    await database.query('delete from konstruct.tenants where id = $1', [tenant.tenantId]);
    await reservation.settle(used(1, 1));
    for (const table of ['model_calls', 'budget_counters', 'budget_reservations', 'operator_notices']) {
      expect(await count(table), table).toBe(0);
    }
  });
});

describe('a process that dies', () => {
  it('leaves what it set aside to its lease; then the worst case counts as spent, and its limit still holds', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 0.003 });
    const dying = budgetProcess(database, { leaseMs: 1 });
    await dying.reserve(plannedCall(tenant, { personId: 'k:U1' }));
    await database.query(`select pg_sleep(0.01)`);
    const other = budgetProcess(database, { renewEveryMs: 5 });
    other.start();
    await expect.poll(() => count('budget_reservations')).toBe(0);
    await other.stop();
    expect(
      await database.query(
        'select outcome, is_estimated, nano_usd::int, input_tokens::int, output_tokens::int, person_id from konstruct.model_calls',
      ),
    ).toEqual([
      {
        outcome: 'lost',
        is_estimated: true,
        nano_usd: 1_000_000,
        input_tokens: 900,
        output_tokens: 100,
        person_id: 'k:U1',
      },
    ]);
    await expectCountersToAddUp();
  });

  it('or only seemed to: what it settles late takes the place of what was assumed', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 0.003, budget_daily_tokens: 10_000 });
    const paused = budgetProcess(database, { leaseMs: 1 });
    const reservation = await paused.reserve(plannedCall(tenant));
    const other = budgetProcess(database, { renewEveryMs: 5 });
    other.start();
    await expect.poll(() => count('budget_reservations')).toBe(0);
    await other.stop();
    await reservation.settle(used(10, 10));
    expect(await database.query('select outcome, nano_usd::int from konstruct.model_calls')).toEqual([
      { outcome: 'ok', nano_usd: 20_000 },
    ]);
    await expectCountersToAddUp();
  });

  it('can bring a budget to 80 % by what it left, and operators are told', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 0.001 });
    await budgetProcess(database, { leaseMs: 1 }).reserve(plannedCall(tenant));
    await database.query(`select pg_sleep(0.01)`);
    const other = budgetProcess(database, { renewEveryMs: 5 });
    other.start();
    await expect.poll(() => other.thresholds).toMatchObject([{ scope: 'tenant', spent: 1_000_000 }]);
    await other.stop();
    expect(await database.query('select kind from konstruct.operator_notices')).toEqual([
      { kind: 'budget_threshold' },
    ]);
  });

  it('does not if it lives: its leases are renewed', async () => {
    await setTenant({ budget_daily_usd: 0.003 });
    const living = budgetProcess(database, { renewEveryMs: 5, leaseMs: 60_000 });
    await living.reserve(plannedCall(database.tenants[0]));
    const lease = async () =>
      (
        await database.query('select lease_until from konstruct.budget_reservations')
      )[0]?.lease_until.getTime();
    const before = await lease();
    living.start();
    await expect.poll(lease).toBeGreaterThan(before);
    await living.stop();
  });
});

describe('operators', () => {
  it('are told once per budget and period when 80 % are spent, and once when it is exhausted', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 0.005, budget_daily_tokens: 1_000_000 });
    const gate = budgetProcess(database);
    const spend = async () => (await gate.reserve(plannedCall(tenant))).settle(used(900, 100));
    for (let call = 0; call < 3; call += 1) await spend();
    expect(gate.thresholds).toEqual([]);
    await spend();
    await spend();
    expect(gate.thresholds).toEqual([
      {
        tenantId: tenant.tenantId,
        scope: 'tenant',
        subject: '',
        period: 'day',
        unit: 'usd',
        limit: 5_000_000,
        spent: 4_000_000,
      },
    ]);
    await refusal(gate.reserve(plannedCall(tenant)));
    await refusal(gate.reserve(plannedCall(tenant)));
    const notices = await database.query(
      'select tenant, kind, detail from konstruct.list_operator_notices($1, 10)',
      [new Date(0)],
    );
    expect(notices.map(({ kind, detail }) => [kind, detail.unit, detail.spent])).toEqual([
      ['budget_exhausted', 'usd', 5_000_000],
      ['budget_threshold', 'usd', 4_000_000],
    ]);
  });

  it('are told that a budget is too small where it is, and not that it is exhausted', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 0.0005 });
    const gate = budgetProcess(database);
    const error = await refusal(gate.reserve(plannedCall(tenant)));
    expect(error.message).toContain('it is smaller than what that can cost');
    expect(error.details).toMatchObject({ limit: 500_000, spent: 0, reserved: 0, isHeld: false });
    const notices = await database.query('select kind from konstruct.operator_notices');
    expect(notices).toEqual([{ kind: 'budget_too_small' }]);
    const findings = await checkBudgets.run({
      database: createDatabase(database.pool(1)),
      clock: Date.now,
    } as DoctorContext);
    expect(findings).toMatchObject([
      { text: expect.stringMatching(/for the day in US dollars is too small for what one call can cost\.$/) },
    ]);
  });

  it.each([
    ['one after the other', false],
    ['in one batch', true],
  ])(
    'are told by the call that brings it there when calls run side by side and end %s',
    async (_, inBatch) => {
      const [tenant] = database.tenants;
      await setTenant({ budget_daily_usd: 0.02 });
      const gates = [budgetProcess(database), budgetProcess(database)] as const;
      const quarter = () => plannedCall(tenant, { maxInputTokens: 4_900 });
      // Alone it would not bring the budget near; what begins after it ends first.
      const before = [await gates[0].reserve(quarter()), await gates[0].reserve(quarter())];
      const after = [await gates[1].reserve(quarter()), await gates[1].reserve(quarter())];
      for (const reservations of [after, before]) {
        if (inBatch)
          await Promise.all(reservations.map((reservation) => reservation.settle(used(4_900, 100))));
        else for (const reservation of reservations) await reservation.settle(used(4_900, 100));
      }
      expect(gates[1].thresholds).toEqual([]);
      expect(gates[0].thresholds).toMatchObject([{ unit: 'usd', limit: 20_000_000, spent: 20_000_000 }]);
    },
  );

  it('are told again of another limit in the same period, and doctor speaks of the last one', async () => {
    const [tenant] = database.tenants;
    await setTenant({ budget_daily_usd: 0.002 });
    const gate = budgetProcess(database);
    const spend = async (calls: number) => {
      for (let call = 0; call < calls; call += 1) {
        await (await gate.reserve(plannedCall(tenant))).settle(used(900, 100));
      }
    };
    const told = async () =>
      (await database.query('select kind, detail from konstruct.operator_notices order by id')).map(
        ({ kind, detail }) => [kind, detail.spent, detail.limit],
      );
    const inDoctor = async () => {
      const findings = await checkBudgets.run({
        database: createDatabase(database.pool(1)),
        clock: Date.now,
      } as DoctorContext);
      return findings.map(({ text }) => text);
    };
    await spend(2);
    await refusal(gate.reserve(plannedCall(tenant)));
    const first = [
      ['budget_threshold', 2_000_000, 2_000_000],
      ['budget_exhausted', 2_000_000, 2_000_000],
    ];
    expect(await told()).toEqual(first);
    expect(await inDoctor()).toEqual([expect.stringContaining('is exhausted')]);
    await setTenant({ budget_daily_usd: 0.02 });
    await spend(16);
    const near = [...first, ['budget_threshold', 16_000_000, 20_000_000]];
    expect(await told()).toEqual(near);
    expect(await inDoctor()).toEqual([expect.stringContaining('80 %')]);
    await spend(2);
    await refusal(gate.reserve(plannedCall(tenant)));
    expect(await told()).toEqual([...near, ['budget_exhausted', 20_000_000, 20_000_000]]);
    expect(gate.thresholds.map(({ limit }) => limit)).toEqual([2_000_000, 20_000_000]);
  });
});

it.each([
  ['in batches', 3, 400, 1],
  ['call by call, each in a process of its own', 8, 8, 50],
])(
  'adds up whatever happens at the same time, and no limit is ever overrun: %s',
  async (_, processCount, lanes, each) => {
    const random = seededRandom(20_261_123);
    const [first, second] = database.tenants;
    await setTenant({
      budget_daily_usd: 0.03,
      budget_monthly_tokens: 60_000,
      person_budget_daily_usd: 0.008,
    });
    await setRow('agents', first.agentId, { budget_daily_usd: 0.02, max_turn_usd: 0.004 });
    await setTenant({ person_budget_monthly_tokens: 9_000, time_zone: 'Pacific/Auckland' }, second);
    const processes = Array.from({ length: processCount }, () =>
      budgetProcess(database, { renewEveryMs: 5 }),
    );
    for (const gate of processes) gate.start();
    const pick = (count: number) => Math.floor(random() * count);
    let refused = 0;
    const one = async (gate: (typeof processes)[number]): Promise<void> => {
      const tenant = pick(3) === 0 ? second : first;
      const call = plannedCall(tenant, {
        // Nobody's turn has no limit of its own.
        ...(pick(4) === 0 ? { agentId: null } : { turnId: pick(20) }),
        personId: `k:U${pick(5)}`,
        maxInputTokens: 100 + pick(900),
        maxOutputTokens: pick(300),
      });
      const result = await attempt(gate.reserve(call));
      if (result instanceof Error) {
        expect(result).toMatchObject({ code: 'budget_exhausted' });
        refused += 1;
        return;
      }
      await result.settle(
        pick(5) === 0
          ? { usage: null, isEstimated: false, outcome: 'network' }
          : used(pick(call.maxInputTokens + 1), pick(call.maxOutputTokens + 1)),
      );
    };
    await Promise.all(
      Array.from({ length: lanes }, async (_each, lane) => {
        for (let done = 0; done < each; done += 1)
          await one(processes[lane % processCount] as (typeof processes)[number]);
      }),
    );
    for (const gate of processes) await gate.stop();
    expect(refused).toBeGreaterThan(0);
    expect(await count('model_calls')).toBe(400 - refused);
    expect(await count('budget_reservations')).toBe(0);
    await expectCountersToAddUp();
    const overrun = await database.query(
      `select c.* from konstruct.budget_counters c
     cross join lateral konstruct.budget_limits(c.tenant_id, case c.scope when 'agent' then c.subject::uuid when 'turn' then $1::uuid end,
       case c.scope when 'person' then c.subject end, case c.scope when 'turn' then c.subject::bigint end, now()) l
     where l.scope = c.scope and l.subject = c.subject and l.period = c.period
       and (c.spent_nano_usd > l.nano_usd_limit or c.spent_tokens > l.tokens_limit)`,
      [first.agentId],
    );
    expect(overrun).toEqual([]);
  },
);
