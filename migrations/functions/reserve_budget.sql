-- reserve_budgets for a call that comes alone: it is set aside under all counters there are, looked at, and taken back when that
-- was too much, which is rare. Whether counters are missing is not asked before. If one is, the tenant's budget lock has to be
-- exclusive; as it is held shared by then, waiting for it could be waiting for each other, so it is only tried. The outcomes
-- are those of reserve_budgets, and
--   uncounted   a counter is missing and could not be made beside what others do at this moment; nothing was set aside, and
--               reserve_budgets is to be asked
create or replace function konstruct.reserve_budget(p_owner text, p_lease_ms integer, p_calls jsonb)
  returns jsonb
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
  call record;
  whole record;
  turn record;
begin
  select i.id, i."tenantId" as tenant_id, i."agentId" as agent_id, i."agentId"::text as agent, i."personId" as person,
    i."turnId" as turn_id, i."turnId"::text as turn, i.provider, i.model, i."nanoUsd" as nano_usd,
    coalesce(i."nanoUsd", 0) as asked_nano_usd, i."priceVersion" as price_version, i."inputTokens" as input_tokens,
    i."outputTokens" as output_tokens, i."inputTokens" + i."outputTokens" as tokens
  into call
  from jsonb_to_recordset(p_calls) as i (id uuid, "tenantId" uuid, "agentId" uuid, "personId" text, "turnId" bigint,
    provider text, model text, "nanoUsd" bigint, "priceVersion" text, "inputTokens" bigint, "outputTokens" bigint);
  perform pg_advisory_xact_lock_shared(budget_lock_key(call.tenant_id));

  with changed as (
    -- In the order of their key, as everywhere, and by all of it: a join would be planned otherwise on a new database.
    update budget_counters c
    set reserved_nano_usd = c.reserved_nano_usd + call.asked_nano_usd, reserved_tokens = c.reserved_tokens + call.tokens
    where c.tenant_id = call.tenant_id and c.scope = any ('{agent,person,tenant,turn}')
      and c.subject = any (array[call.agent, call.person, '', call.turn])
      and c.subject = case c.scope when 'agent' then call.agent when 'person' then call.person when 'turn' then call.turn
        else '' end
      and c.starts_at <= v_at and c.ends_at > v_at
    returning c.scope, c.period, c.starts_at, c.spent_nano_usd + c.reserved_nano_usd as nano_usd,
      c.spent_tokens + c.reserved_tokens as tokens
  )
  select jsonb_agg(to_jsonb(l)) filter (where c.scope is null) as missing,
    count(*) > 0 and coalesce(bool_and(c.nano_usd <= coalesce(l.nano_usd_limit, c.nano_usd)
      and c.tokens <= coalesce(l.tokens_limit, c.tokens)
      and (call.nano_usd is not null or l.nano_usd_limit is null)), true) as fits
  into whole
  from budget_limits(call.tenant_id, call.agent_id, call.person, call.turn_id, v_at) l
  -- A call has one subject of each scope.
  left join changed c on c.scope = l.scope and c.period = l.period and c.starts_at = l.starts_at;

  -- They are made with what this call sets aside on top, as the others have it.
  if whole.missing is not null and pg_try_advisory_xact_lock(budget_lock_key(call.tenant_id)) then
    if jsonb_array_length(whole.missing) = 1 and whole.missing->0->>'scope' = 'turn' then
      -- With the first call of each turn: made by itself, which is a third of the work.
      insert into budget_counters as c (tenant_id, scope, subject, period, starts_at, ends_at, spent_nano_usd, spent_tokens,
        reserved_nano_usd, reserved_tokens)
      select call.tenant_id, 'turn', call.turn, 'turn', '-infinity', 'infinity', spent.nano_usd, spent.tokens,
        reserved.nano_usd + call.asked_nano_usd, reserved.tokens + call.tokens
      from (
        select coalesce(sum(m.nano_usd), 0) as nano_usd,
          coalesce(sum(coalesce(m.input_tokens, 0) + coalesce(m.output_tokens, 0)), 0) as tokens
        from model_calls m
        where m.turn_id = call.turn_id and m.tenant_id = call.tenant_id
      ) spent, (
        select coalesce(sum(r.nano_usd), 0) as nano_usd, coalesce(sum(r.input_tokens + r.output_tokens), 0) as tokens
        from budget_reservations r
        where r.tenant_id = call.tenant_id and r.turn_id = call.turn_id
      ) reserved
      returning c.spent_nano_usd + c.reserved_nano_usd as nano_usd into turn;
      whole.fits := whole.fits and call.nano_usd is not null
        and turn.nano_usd <= (whole.missing->0->>'nano_usd_limit')::bigint;
    else
      perform add_budget_counters(call.tenant_id, whole.missing);
      with changed as (
        update budget_counters c
        set reserved_nano_usd = c.reserved_nano_usd + call.asked_nano_usd, reserved_tokens = c.reserved_tokens + call.tokens
        from jsonb_to_recordset(whole.missing) as l (scope text, subject text, period text, starts_at timestamptz,
          nano_usd_limit bigint, tokens_limit bigint)
        where c.tenant_id = call.tenant_id and c.scope = l.scope and c.subject = l.subject and c.period = l.period
          and c.starts_at = l.starts_at
        returning l.nano_usd_limit, l.tokens_limit, c.spent_nano_usd + c.reserved_nano_usd as nano_usd,
          c.spent_tokens + c.reserved_tokens as tokens
      )
      select whole.fits and bool_and(c.nano_usd <= coalesce(c.nano_usd_limit, c.nano_usd)
          and c.tokens <= coalesce(c.tokens_limit, c.tokens)
          and (call.nano_usd is not null or c.nano_usd_limit is null))
      into whole.fits
      from changed c;
    end if;
    whole.missing := null;
  end if;

  if whole.missing is null and whole.fits then
    insert into budget_reservations (tenant_id, id, owner, agent_id, person_id, turn_id, provider, model, nano_usd,
      price_version, input_tokens, output_tokens, at, lease_until)
    values (call.tenant_id, call.id, p_owner, call.agent_id, call.person, call.turn_id, call.provider, call.model,
      call.nano_usd, call.price_version, call.input_tokens, call.output_tokens, v_at,
      clock_timestamp() + p_lease_ms * interval '1 ms');
    return '{"outcome": "reserved"}';
  end if;

  -- Whoever makes counters waits for us, so those that are there now are those that were changed.
  update budget_counters c
  set reserved_nano_usd = c.reserved_nano_usd - call.asked_nano_usd, reserved_tokens = c.reserved_tokens - call.tokens
  where c.tenant_id = call.tenant_id and c.scope = any ('{agent,person,tenant,turn}')
    and c.subject = any (array[call.agent, call.person, '', call.turn])
    and c.subject = case c.scope when 'agent' then call.agent when 'person' then call.person when 'turn' then call.turn
      else '' end
    and c.starts_at <= v_at and c.ends_at > v_at;
  if whole.missing is not null then
    return '{"outcome": "uncounted"}';
  end if;
  return (select reserve_one_by_one(p_owner, p_lease_ms, p_calls, v_at));
end
$$;
