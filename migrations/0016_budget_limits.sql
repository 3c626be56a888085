-- The same limits with less work: each period is reckoned once and not once per limit. The clock of a time zone was most of
-- what they cost (a reservation asks for them two or three times).
create or replace function konstruct.budget_limits(p_tenant_id uuid, p_agent_id uuid, p_person_id text, p_turn_id bigint,
    p_at timestamptz)
  returns table (scope text, subject text, period text, starts_at timestamptz, ends_at timestamptz,
    nano_usd_limit bigint, tokens_limit bigint)
  language sql stable
as $$
  select l.scope, l.subject, l.period, l.starts_at, l.ends_at, (l.usd * 1000000000)::bigint, l.tokens
  from konstruct.tenants t
  left join konstruct.agents a on a.tenant_id = t.id and a.id = p_agent_id
  -- `offset 0` keeps each step from being written out, and reckoned, once per row below.
  cross join lateral (
    -- Midnight by the tenant's clock, also where a day has 23 or 25 hours.
    select date_trunc('day', p_at at time zone t.time_zone) as day, date_trunc('month', p_at at time zone t.time_zone) as month
    offset 0
  ) midnight
  cross join lateral (
    -- Where the clocks go back to midnight it comes twice, and the second one counts: the hour before belongs to the
    -- period that ends with it.
    select case when midnight.day at time zone t.time_zone > p_at then midnight.day - interval '1 day'
        else midnight.day end as day,
      case when midnight.month at time zone t.time_zone > p_at then midnight.month - interval '1 month'
        else midnight.month end as month
    offset 0
  ) first
  cross join lateral (
    select first.day at time zone t.time_zone as day_starts_at,
      (first.day + interval '1 day') at time zone t.time_zone as day_ends_at,
      first.month at time zone t.time_zone as month_starts_at,
      (first.month + interval '1 month') at time zone t.time_zone as month_ends_at
    offset 0
  ) p
  cross join lateral (values
    ('tenant', '', 'day', p.day_starts_at, p.day_ends_at, t.budget_daily_usd, t.budget_daily_tokens),
    ('tenant', '', 'month', p.month_starts_at, p.month_ends_at, t.budget_monthly_usd, t.budget_monthly_tokens),
    ('agent', a.id::text, 'day', p.day_starts_at, p.day_ends_at, a.budget_daily_usd, a.budget_daily_tokens),
    ('agent', a.id::text, 'month', p.month_starts_at, p.month_ends_at, a.budget_monthly_usd, a.budget_monthly_tokens),
    ('person', p_person_id, 'day', p.day_starts_at, p.day_ends_at, t.person_budget_daily_usd,
      t.person_budget_daily_tokens),
    ('person', p_person_id, 'month', p.month_starts_at, p.month_ends_at, t.person_budget_monthly_usd,
      t.person_budget_monthly_tokens),
    ('turn', p_turn_id::text, 'turn', '-infinity', 'infinity', a.max_turn_usd, null::bigint)
  ) l (scope, subject, period, starts_at, ends_at, usd, tokens)
  where t.id = p_tenant_id and l.subject is not null and (l.usd is not null or l.tokens is not null)
$$;
