-- Writes what calls came to into the ledger, counts it under every budget that has a counter, and gives back what was set
-- aside. Calls: see SettleCall in src/llm/budget/budget-ledger.ts. Settling twice changes nothing. Returns which budgets
-- have reached their threshold by it (tell_thresholds).
-- A call that was taken for lost meanwhile (expire_reservations) is corrected. One without an outcome was never made: it
-- only gives back.
-- It does not wait for the disk. Lost in a crash of the server, the reservation is there again, runs out and counts in
-- full: budgets are never overrun by it. Calls that no limit applies to have no reservation; what they wrote in the last
-- moment before such a crash is missing in the ledger.
create or replace function konstruct.settle_calls(p_calls jsonb)
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
  v_now constant timestamptz := clock_timestamp();
  tenant record;
  call record;
  freed record;
  lost record;
  called_at timestamptz;
  freed_nano_usd bigint;
  freed_tokens bigint;
  delta_nano_usd bigint;
  delta_tokens bigint;
  -- Of the calls that were counted under a budget.
  tenant_ids uuid[] := '{}';
  agent_ids uuid[] := '{}';
  person_ids text[] := '{}';
  ats timestamptz[] := '{}';
begin
  perform set_config('synchronous_commit', 'off', true);
  for tenant in
    select distinct i."tenantId" as id from jsonb_to_recordset(p_calls) as i ("tenantId" uuid) order by i."tenantId"
  loop
    perform pg_advisory_xact_lock_shared(budget_lock_key(tenant.id));
  end loop;
  -- All rows that are written below, in the order of their key, of whatever period.
  perform 1 from budget_counters c
  where (c.tenant_id, c.scope, c.subject) in (
      select i."tenantId", s.scope, s.subject
      from jsonb_to_recordset(p_calls) as i ("tenantId" uuid, "agentId" uuid, "personId" text, "turnId" bigint)
      cross join lateral (values ('tenant', ''), ('agent', i."agentId"::text), ('person', i."personId"),
        ('turn', i."turnId"::text)) s (scope, subject)
      where s.subject is not null)
  order by c.tenant_id, c.scope, c.subject, c.period, c.starts_at
  for no key update;

  for call in
    select i.* from jsonb_to_recordset(p_calls) as i (id uuid, "tenantId" uuid, "agentId" uuid, "personId" text,
      "turnId" bigint, provider text, model text, outcome text, "inputTokens" bigint, "outputTokens" bigint,
      "cachedInputTokens" bigint, "cacheWriteTokens" bigint, "reasoningTokens" bigint, "isEstimated" boolean,
      "nanoUsd" bigint, "priceVersion" text, "isReserved" boolean, "ageMs" double precision)
    -- A tenant that was removed meanwhile has no ledger any more.
    join tenants t on t.id = i."tenantId"
  loop
    called_at := v_now - call."ageMs" * interval '1 ms';
    freed_nano_usd := 0;
    freed_tokens := 0;
    delta_nano_usd := 0;
    delta_tokens := 0;
    if call."isReserved" then
      delete from budget_reservations r where r.id = call.id and r.tenant_id = call."tenantId" returning r.* into freed;
      if found then
        called_at := freed.at;
        freed_nano_usd := coalesce(freed.nano_usd, 0);
        freed_tokens := freed.input_tokens + freed.output_tokens;
      else
        delete from model_calls m where m.id = call.id and m.tenant_id = call."tenantId" and m.outcome = 'lost'
        returning m.* into lost;
        if found then
          called_at := lost.at;
          delta_nano_usd := -coalesce(lost.nano_usd, 0);
          delta_tokens := -(lost.input_tokens + lost.output_tokens);
        end if;
      end if;
    end if;
    if call.outcome is not null then
      insert into model_calls (tenant_id, id, agent_id, person_id, turn_id, provider, model, outcome, input_tokens,
        output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, is_estimated, nano_usd, price_version, at)
      values (call."tenantId", call.id, call."agentId", call."personId", call."turnId", call.provider, call.model,
        call.outcome, call."inputTokens", call."outputTokens", call."cachedInputTokens", call."cacheWriteTokens",
        call."reasoningTokens", call."isEstimated", call."nanoUsd", call."priceVersion", called_at)
      on conflict (id, tenant_id) do nothing;
      continue when not found; -- settled before
      delta_nano_usd := delta_nano_usd + coalesce(call."nanoUsd", 0);
      delta_tokens := delta_tokens + coalesce(call."inputTokens", 0) + coalesce(call."outputTokens", 0);
    end if;
    update budget_counters c
    set spent_nano_usd = c.spent_nano_usd + delta_nano_usd,
        spent_tokens = c.spent_tokens + delta_tokens,
        reserved_nano_usd = c.reserved_nano_usd - freed_nano_usd,
        reserved_tokens = c.reserved_tokens - freed_tokens
    where c.tenant_id = call."tenantId" and c.scope = any ('{agent,person,tenant,turn}')
      and c.subject = any (array[call."agentId"::text, call."personId", '', call."turnId"::text])
      and c.subject = case c.scope when 'agent' then call."agentId"::text when 'person' then call."personId"
        when 'turn' then call."turnId"::text else '' end
      and c.starts_at <= called_at and c.ends_at > called_at;
    if found then
      tenant_ids := tenant_ids || call."tenantId";
      agent_ids := agent_ids || call."agentId";
      person_ids := person_ids || call."personId";
      ats := ats || called_at;
    end if;
  end loop;
  if ats <> '{}' then
    return query select tell_thresholds(tenant_ids, agent_ids, person_ids, ats);
  end if;
end
$$;
