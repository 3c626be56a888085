-- Sets the worst case of calls aside under all limits that apply to them, or refuses a call as a whole. One transaction:
-- what it grants, no other can grant. Calls: see ReserveCall in src/llm/budget/budget-ledger.ts. Returns one outcome per
-- call, in the order given:
--   unlimited   no limit applies; nothing was set aside
--   reserved    set aside until it is settled, or its lease runs out
--   refused     with the limit in the way that lasts longest. isHeld: it would fit if all that is set aside came back
--   unpriced    a limit in USD applies, and the call has no price
-- It waits for the disk: a reservation that a crash of the server took back would let calls through beside one that is
-- still under way.
--
-- What a statement costs here is mostly to set it up, so there are as few as possible. Mostly all calls of a batch fit, and
-- then they are set aside together; otherwise they go one by one, in their order (reserve_one_by_one). A call that comes alone
-- has a function of its own (reserve_budget).
create or replace function konstruct.reserve_budgets(p_owner text, p_lease_ms integer, p_calls jsonb)
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
  v_at constant timestamptz := clock_timestamp();
  tenant record;
  fits boolean;
begin
  for tenant in
    select i."tenantId" as id, jsonb_agg(distinct jsonb_build_object('scope', l.scope, 'subject', l.subject,
        'period', l.period, 'starts_at', l.starts_at, 'ends_at', l.ends_at)) filter (where c.tenant_id is null) as missing
    from jsonb_to_recordset(p_calls) as i ("tenantId" uuid, "agentId" uuid, "personId" text, "turnId" bigint)
    cross join lateral budget_limits(i."tenantId", i."agentId", i."personId", i."turnId", v_at) l
    -- `offset 0`: looked up by the whole key, also where the table was small when this was planned.
    left join lateral (
      select b.tenant_id from budget_counters b
      where b.tenant_id = i."tenantId" and b.scope = l.scope and b.subject = l.subject and b.period = l.period
        and b.starts_at = l.starts_at
      offset 0
    ) c on true
    group by i."tenantId"
    order by i."tenantId"
  loop
    if tenant.missing is not null then
      perform pg_advisory_xact_lock(budget_lock_key(tenant.id));
      perform add_budget_counters(tenant.id, tenant.missing);
    else
      perform pg_advisory_xact_lock_shared(budget_lock_key(tenant.id));
    end if;
  end loop;

  with input as materialized (
    select i.place, i."tenantId" as tenant_id, i."agentId" as agent_id, i."personId" as person_id,
      i."turnId" as turn_id, i."nanoUsd" as nano_usd, i."inputTokens" + i."outputTokens" as tokens
    from rows from (jsonb_to_recordset(p_calls) as ("tenantId" uuid, "agentId" uuid, "personId" text, "turnId" bigint,
      "nanoUsd" bigint, "inputTokens" bigint, "outputTokens" bigint)) with ordinality as i ("tenantId", "agentId",
      "personId", "turnId", "nanoUsd", "inputTokens", "outputTokens", place)
  ), asked as materialized (
    select i.place, i.tenant_id, i.nano_usd, i.tokens, l.scope, l.subject, l.period, l.starts_at, l.nano_usd_limit,
      l.tokens_limit
    from input i
    cross join lateral budget_limits(i.tenant_id, i.agent_id, i.person_id, i.turn_id, v_at) l
  ), locked as materialized (
    -- All rows that are written below, in the order of their key. What they were when this statement began does not matter:
    -- these are their values now.
    select c.tenant_id, c.scope, c.subject, c.period, c.starts_at, c.spent_nano_usd + c.reserved_nano_usd as nano_usd,
      c.spent_tokens + c.reserved_tokens as tokens
    from budget_counters c
    where (c.tenant_id, c.scope, c.subject) in (
        select i.tenant_id, s.scope, s.subject
        from input i
        cross join lateral (values ('tenant', ''), ('agent', i.agent_id::text), ('person', i.person_id),
          ('turn', i.turn_id::text)) s (scope, subject)
        where s.subject is not null)
      and c.starts_at <= v_at and c.ends_at > v_at
    order by c.tenant_id, c.scope, c.subject, c.period, c.starts_at
    for no key update
  ), counters as (
    -- Each counter with what is asked of it: brought together by their key, as a join would compare each with each.
    select sum(b.nano_usd) as nano_usd, sum(b.tokens) as tokens, max(b.usd_limit) as usd_limit,
      max(b.tokens_limit) as tokens_limit, bool_or(b.is_unpriced) as is_unpriced, bool_or(b.is_counter) as is_counted
    from (
      select k.tenant_id, k.scope, k.subject, k.period, k.starts_at, k.nano_usd, k.tokens, null::bigint as usd_limit,
        null::bigint as tokens_limit, false as is_unpriced, true as is_counter
      from locked k
      union all
      select a.tenant_id, a.scope, a.subject, a.period, a.starts_at, coalesce(a.nano_usd, 0), a.tokens,
        a.nano_usd_limit, a.tokens_limit, a.nano_usd is null and a.nano_usd_limit is not null, false
      from asked a
    ) b
    group by b.tenant_id, b.scope, b.subject, b.period, b.starts_at
    -- One that no limit stands for any more is only kept right.
    having not bool_and(b.is_counter)
  )
  select bool_and(c.is_counted and not c.is_unpriced and c.nano_usd <= coalesce(c.usd_limit, c.nano_usd)
        and c.tokens <= coalesce(c.tokens_limit, c.tokens))
      and (select count(distinct a.place) from asked a) = jsonb_array_length(p_calls)
  into fits
  from counters c;

  if fits is not true then
    return query select reserve_one_by_one(p_owner, p_lease_ms, p_calls, v_at);
    return;
  end if;

  update budget_counters c
  set reserved_nano_usd = c.reserved_nano_usd + a.nano_usd, reserved_tokens = c.reserved_tokens + a.tokens
  from (
    select i."tenantId" as tenant_id, s.scope, s.subject, sum(coalesce(i."nanoUsd", 0)) as nano_usd,
      sum(i."inputTokens" + i."outputTokens") as tokens
    from jsonb_to_recordset(p_calls) as i ("tenantId" uuid, "agentId" uuid, "personId" text, "turnId" bigint,
      "nanoUsd" bigint, "inputTokens" bigint, "outputTokens" bigint)
    cross join lateral (values ('tenant', ''), ('agent', i."agentId"::text), ('person', i."personId"),
      ('turn', i."turnId"::text)) s (scope, subject)
    where s.subject is not null
    group by i."tenantId", s.scope, s.subject
  ) a
  where c.tenant_id = a.tenant_id and c.scope = a.scope and c.subject = a.subject and c.starts_at <= v_at
    and c.ends_at > v_at;
  insert into budget_reservations (tenant_id, id, owner, agent_id, person_id, turn_id, provider, model, nano_usd,
    price_version, input_tokens, output_tokens, at, lease_until)
  select i."tenantId", i.id, p_owner, i."agentId", i."personId", i."turnId", i.provider, i.model, i."nanoUsd",
    i."priceVersion", i."inputTokens", i."outputTokens", v_at, clock_timestamp() + p_lease_ms * interval '1 ms'
  from jsonb_to_recordset(p_calls) as i (id uuid, "tenantId" uuid, "agentId" uuid, "personId" text, "turnId" bigint,
    provider text, model text, "nanoUsd" bigint, "priceVersion" text, "inputTokens" bigint, "outputTokens" bigint);
  return query select '{"outcome": "reserved"}'::jsonb from jsonb_array_elements(p_calls);
end
$$;
