-- Budgets, the reservations against them and the ledger of model calls (docs/decisions/0008-budgets.md).
--
-- Money is whole numbers of 1e-9 US dollars (nano_usd): sums are exact.
--
-- None of the tables that grow refers to `tenants`: the check of the key would lock the tenant's row with every call.
-- The trigger at the end of this file removes what is a tenant's when it goes.

-- A name PostgreSQL does not know would fail every reservation: it fails here instead.
alter table konstruct.tenants
  add column time_zone text not null default 'UTC'
    check ((timestamp '2000-01-01' at time zone time_zone) is not null),
  add column budget_daily_tokens bigint check (budget_daily_tokens >= 0),
  add column budget_monthly_tokens bigint check (budget_monthly_tokens >= 0),
  -- What each person may spend who writes to the tenant's agents.
  add column person_budget_daily_usd numeric(12, 4) check (person_budget_daily_usd >= 0),
  add column person_budget_monthly_usd numeric(12, 4) check (person_budget_monthly_usd >= 0),
  add column person_budget_daily_tokens bigint check (person_budget_daily_tokens >= 0),
  add column person_budget_monthly_tokens bigint check (person_budget_monthly_tokens >= 0);

alter table konstruct.agents
  add column budget_daily_usd numeric(12, 4) check (budget_daily_usd >= 0),
  add column budget_monthly_usd numeric(12, 4) check (budget_monthly_usd >= 0),
  add column budget_daily_tokens bigint check (budget_daily_tokens >= 0),
  add column budget_monthly_tokens bigint check (budget_monthly_tokens >= 0),
  -- How much one turn may take.
  add column max_steps integer not null default 20 check (max_steps > 0),
  add column max_tool_calls integer not null default 40 check (max_tool_calls >= 0),
  add column max_turn_seconds integer not null default 600 check (max_turn_seconds > 0),
  add column max_turn_usd numeric(12, 4) check (max_turn_usd >= 0);

-- The ledger: one row per call to a model, written when it is settled. Rows keep the price they were reckoned with.
create table konstruct.model_calls (
  tenant_id uuid not null,
  -- Made by the caller, ordered by time (UUID version 7): settling twice writes one row, and retention goes along the key.
  id uuid not null,
  agent_id uuid,
  person_id text collate "C",
  turn_id bigint,
  provider text not null,
  model text not null,
  -- How the call ended (AttemptOutcome), or `lost`: its process died, and the worst case counts.
  outcome text not null,
  -- Null where nobody knows.
  input_tokens bigint,
  output_tokens bigint,
  cached_input_tokens bigint,
  cache_write_tokens bigint,
  reasoning_tokens bigint,
  is_estimated boolean not null,
  -- Null: the price of the model is not known.
  nano_usd bigint check (nano_usd >= 0),
  price_version text,
  -- When the call was reserved: the period that it counts in.
  at timestamptz not null,
  primary key (id, tenant_id)
);
create index model_calls_of_tenant on konstruct.model_calls (tenant_id, at);
create index model_calls_of_person on konstruct.model_calls (person_id, at, tenant_id) where person_id is not null;
create index model_calls_of_turn on konstruct.model_calls (turn_id, tenant_id) where turn_id is not null;
alter table konstruct.model_calls enable row level security, force row level security;
create policy app on konstruct.model_calls to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.model_calls to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.model_calls to konstruct_app, konstruct_pipeline;

-- What is set aside for calls that are under way. Only calls that a limit applies to have a row.
create table konstruct.budget_reservations (
  tenant_id uuid not null,
  -- The id that the call will have in the ledger.
  id uuid not null,
  -- The process that makes the call.
  owner text not null,
  agent_id uuid,
  person_id text collate "C",
  turn_id bigint,
  provider text not null,
  model text not null,
  -- The worst case. Null: the price is not known, and no limit in USD applies.
  nano_usd bigint check (nano_usd >= 0),
  price_version text,
  input_tokens bigint not null check (input_tokens >= 0),
  output_tokens bigint not null check (output_tokens >= 0),
  at timestamptz not null,
  -- Renewed as long as the process lives.
  lease_until timestamptz not null,
  primary key (id, tenant_id)
) with (fillfactor = 70);
create index budget_reservations_lease on konstruct.budget_reservations (lease_until);
alter table konstruct.budget_reservations enable row level security, force row level security;
create policy app on konstruct.budget_reservations to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.budget_reservations to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.budget_reservations to konstruct_app, konstruct_pipeline;

-- What has been spent and set aside under one budget in one period. A row is always the sum of the ledger and of the
-- reservations of its subject and period; it is made when a limit is first looked at, and counts what was before.
create table konstruct.budget_counters (
  tenant_id uuid not null,
  scope text not null check (scope in ('tenant', 'agent', 'person', 'turn')),
  -- Whose: '' for the tenant itself, otherwise the id of agent, person or turn.
  subject text collate "C" not null,
  period text not null check (period in ('day', 'month', 'turn')),
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  spent_nano_usd bigint not null default 0,
  reserved_nano_usd bigint not null default 0,
  spent_tokens bigint not null default 0,
  reserved_tokens bigint not null default 0,
  -- Whether operators were told that most of it is spent.
  is_usd_told boolean not null default false,
  is_tokens_told boolean not null default false,
  primary key (tenant_id, scope, subject, period, starts_at)
) with (fillfactor = 40);
alter table konstruct.budget_counters enable row level security, force row level security;
create policy app on konstruct.budget_counters to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.budget_counters to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.budget_counters to konstruct_app, konstruct_pipeline;

-- What a tenant's operators should know, said once per key.
create table konstruct.operator_notices (
  tenant_id uuid not null references konstruct.tenants on delete cascade,
  id bigint generated always as identity,
  kind text not null check (kind in ('budget_threshold', 'budget_exhausted')),
  dedupe_key text collate "C" not null,
  detail jsonb not null,
  created_at timestamptz not null default now(),
  primary key (id, tenant_id),
  unique (dedupe_key, tenant_id)
);
create index operator_notices_created on konstruct.operator_notices (created_at);
alter table konstruct.operator_notices enable row level security, force row level security;
create policy app on konstruct.operator_notices to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.operator_notices to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.operator_notices to konstruct_app, konstruct_pipeline;

-- What a step cost, as the ledger has it for the calls of that step.
alter table konstruct.steps
  add column cache_write_tokens integer,
  add column nano_usd bigint check (nano_usd >= 0);

-- The limits that apply to a call at a time, with the period that each is in. Plain and without settings of its own, so
-- that it is inlined where it is used.
create function konstruct.budget_limits(p_tenant_id uuid, p_agent_id uuid, p_person_id text, p_turn_id bigint,
    p_at timestamptz)
  returns table (scope text, subject text, period text, starts_at timestamptz, ends_at timestamptz,
    nano_usd_limit bigint, tokens_limit bigint)
  language sql stable
as $$
  select l.scope, l.subject, l.period, p.starts_at, p.ends_at, (l.usd * 1000000000)::bigint, l.tokens
  from konstruct.tenants t
  left join konstruct.agents a on a.tenant_id = t.id and a.id = p_agent_id
  cross join lateral (values
    ('tenant', '', 'day', t.budget_daily_usd, t.budget_daily_tokens),
    ('tenant', '', 'month', t.budget_monthly_usd, t.budget_monthly_tokens),
    ('agent', a.id::text, 'day', a.budget_daily_usd, a.budget_daily_tokens),
    ('agent', a.id::text, 'month', a.budget_monthly_usd, a.budget_monthly_tokens),
    ('person', p_person_id, 'day', t.person_budget_daily_usd, t.person_budget_daily_tokens),
    ('person', p_person_id, 'month', t.person_budget_monthly_usd, t.person_budget_monthly_tokens),
    ('turn', p_turn_id::text, 'turn', a.max_turn_usd, null::bigint)
  ) l (scope, subject, period, usd, tokens)
  cross join lateral (
    -- Midnight by the tenant's clock, also where a day has 23 or 25 hours.
    select case when l.period <> 'turn' then date_trunc(l.period, p_at at time zone t.time_zone) end as midnight,
      case when l.period <> 'turn' then ('1 ' || l.period)::interval end as length
  ) m
  cross join lateral (
    -- Where the clocks go back to midnight it comes twice, and the second one counts: the hour before belongs to the
    -- period that ends with it.
    select m.midnight - case when m.midnight at time zone t.time_zone > p_at then m.length else interval '0' end as first
  ) f
  cross join lateral (
    select coalesce(f.first at time zone t.time_zone, '-infinity') as starts_at,
      coalesce((f.first + m.length) at time zone t.time_zone, 'infinity') as ends_at
    where l.usd is not null or l.tokens is not null
  ) p
  where t.id = p_tenant_id and l.subject is not null
$$;

-- Serialises what makes a counter (exclusively) with what changes sums (shared) within a tenant.
create function konstruct.budget_lock_key(p_tenant_id uuid) returns bigint
  language sql immutable parallel safe
  return hashtextextended(p_tenant_id::text, 7203420);

-- Settling takes the same lock and then looks whether the tenant is there: nothing is written behind its back.
create function konstruct.remove_spending() returns trigger
  language plpgsql
  set search_path = konstruct, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(budget_lock_key(old.id));
  delete from budget_reservations r where r.tenant_id = old.id;
  delete from budget_counters c where c.tenant_id = old.id;
  delete from model_calls m where m.tenant_id = old.id;
  return null;
end
$$;
create trigger remove_spending after delete on konstruct.tenants
  for each row execute function konstruct.remove_spending();

revoke execute on function konstruct.budget_limits(uuid, uuid, text, bigint, timestamptz) from public;
revoke execute on function konstruct.budget_lock_key(uuid) from public;
revoke execute on function konstruct.remove_spending() from public;
grant execute on function konstruct.budget_limits(uuid, uuid, text, bigint, timestamptz)
  to konstruct_app, konstruct_pipeline;
grant execute on function konstruct.budget_lock_key(uuid) to konstruct_app, konstruct_pipeline;
