-- Makes those of a tenant's counters that are not there: with what the ledger has of their subject and period, and what is set
-- aside. The caller holds the tenant's budget lock exclusively: no sum changes meanwhile, and what was committed before is
-- seen.
drop function if exists konstruct.open_budget_counters(uuid, jsonb, timestamptz); -- its predecessor
create or replace function konstruct.add_budget_counters(p_tenant_id uuid, p_counters jsonb)
  returns void
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set enable_bitmapscan = off
  set random_page_cost = 1.1
as $$
begin
  -- First, as adding up is dear.
  with missing as materialized (
    select n.* from jsonb_to_recordset(p_counters) as n (scope text, subject text, period text, starts_at timestamptz,
      ends_at timestamptz)
    where not exists (select 1 from budget_counters c
      where c.tenant_id = p_tenant_id and c.scope = n.scope and c.subject = n.subject and c.period = n.period
        and c.starts_at = n.starts_at)
  )
  insert into budget_counters (tenant_id, scope, subject, period, starts_at, ends_at, spent_nano_usd, spent_tokens,
    reserved_nano_usd, reserved_tokens)
  select p_tenant_id, n.scope, n.subject, n.period, n.starts_at, n.ends_at, spent.nano_usd, spent.tokens,
    reserved.nano_usd, reserved.tokens
  from missing n
  cross join lateral (
    select coalesce(sum(m.nano_usd), 0) as nano_usd, coalesce(sum(m.tokens), 0) as tokens
    from (
      -- Each with the index that fits it.
      select m.nano_usd, coalesce(m.input_tokens, 0) + coalesce(m.output_tokens, 0) as tokens
      from model_calls m
      where n.scope in ('tenant', 'agent') and m.tenant_id = p_tenant_id and m.at >= n.starts_at and m.at < n.ends_at
        and (n.scope = 'tenant' or m.agent_id::text = n.subject)
      union all
      select m.nano_usd, coalesce(m.input_tokens, 0) + coalesce(m.output_tokens, 0)
      from model_calls m
      where n.scope = 'person' and m.person_id = n.subject and m.at >= n.starts_at and m.at < n.ends_at
        and m.tenant_id = p_tenant_id
      union all
      select m.nano_usd, coalesce(m.input_tokens, 0) + coalesce(m.output_tokens, 0)
      from model_calls m
      where n.scope = 'turn' and m.turn_id = n.subject::bigint and m.tenant_id = p_tenant_id
    ) m
  ) spent
  cross join lateral (
    select coalesce(sum(r.nano_usd), 0) as nano_usd, coalesce(sum(r.input_tokens + r.output_tokens), 0) as tokens
    from budget_reservations r
    where r.tenant_id = p_tenant_id and r.at >= n.starts_at and r.at < n.ends_at
      and n.subject = case n.scope when 'tenant' then '' when 'agent' then r.agent_id::text
        when 'person' then r.person_id else r.turn_id::text end
  ) reserved
  on conflict do nothing;
end
$$;
