-- Tells operators of the budgets of calls of which 80 % are spent now. Called when something was counted, with the counters
-- locked. The calls: the same place in each array is the same call. Returns what is news. Where it was told and is no longer so,
-- as the limit was raised, it can be told again.
drop function if exists konstruct.tell_thresholds(uuid, uuid, text, bigint, timestamptz); -- its predecessor
create or replace function konstruct.tell_thresholds(p_tenant_ids uuid[], p_agent_ids uuid[], p_person_ids text[],
    p_ats timestamptz[])
  returns setof jsonb
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set enable_bitmapscan = off
  set random_page_cost = 1.1
as $$
declare
  call record;
  reached record;
begin
  for call in
    select k.tenant_id, k.agent_id, k.person_id, k.at
    from unnest(p_tenant_ids, p_agent_ids, p_person_ids, p_ats) as k (tenant_id, agent_id, person_id, at)
    -- Mostly there is nothing to do. That shows without the clock of the tenant, which is most of what budget_limits costs.
    where exists (
      select 1
      from tenants t
      left join agents a on a.tenant_id = t.id and a.id = k.agent_id
      cross join lateral (values
        ('tenant', '', 'day', t.budget_daily_usd, t.budget_daily_tokens),
        ('tenant', '', 'month', t.budget_monthly_usd, t.budget_monthly_tokens),
        ('agent', a.id::text, 'day', a.budget_daily_usd, a.budget_daily_tokens),
        ('agent', a.id::text, 'month', a.budget_monthly_usd, a.budget_monthly_tokens),
        ('person', k.person_id, 'day', t.person_budget_daily_usd, t.person_budget_daily_tokens),
        ('person', k.person_id, 'month', t.person_budget_monthly_usd, t.person_budget_monthly_tokens)
      ) l (scope, subject, period, usd, tokens)
      join budget_counters c on c.tenant_id = t.id and c.scope = l.scope and c.subject = l.subject and c.period = l.period
        and c.starts_at <= k.at and c.ends_at > k.at
      where t.id = k.tenant_id and (l.usd is not null or l.tokens is not null)
        and (c.is_usd_told <> (c.spent_nano_usd >= l.usd * 800000000)
          or c.is_tokens_told <> (c.spent_tokens >= l.tokens * 0.8)))
  loop
    for reached in
      select l.scope, l.subject, l.period, l.starts_at, l.ends_at, u.unit, u.amount, u.spent, u.is_told
      from budget_limits(call.tenant_id, call.agent_id, call.person_id, null, call.at) l
      join budget_counters c on c.tenant_id = call.tenant_id and c.scope = l.scope and c.subject = l.subject
        and c.period = l.period and c.starts_at = l.starts_at
      cross join lateral (values ('usd', l.nano_usd_limit, c.spent_nano_usd, c.is_usd_told),
        ('tokens', l.tokens_limit, c.spent_tokens, c.is_tokens_told)) u (unit, amount, spent, is_told)
      -- A budget of nothing is no news: it stops the first call.
      where u.amount > 0 and u.is_told <> (u.spent >= u.amount - u.amount / 5)
    loop
      update budget_counters c
      set is_usd_told = c.is_usd_told <> (reached.unit = 'usd'), is_tokens_told = c.is_tokens_told <> (reached.unit = 'tokens')
      where c.tenant_id = call.tenant_id and c.scope = reached.scope and c.subject = reached.subject
        and c.period = reached.period and c.starts_at = reached.starts_at;
      if not reached.is_told and tell_operators(call.tenant_id, 'budget_threshold', reached.scope, reached.subject,
          reached.period, reached.starts_at, reached.ends_at, reached.unit, reached.amount, reached.spent) then
        return next jsonb_build_object('tenantId', call.tenant_id, 'scope', reached.scope, 'subject', reached.subject,
          'period', reached.period, 'unit', reached.unit, 'limit', reached.amount, 'spent', reached.spent);
      end if;
    end loop;
  end loop;
end
$$;
