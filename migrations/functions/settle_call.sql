-- settle_calls for a call that comes alone: fewer statements, as setting them up is most of what they cost. Returns no row
-- when its reservation is there no more, and then nothing was done: settle_calls is to be asked. Otherwise one row: the
-- budgets that have reached their threshold by it.
create or replace function konstruct.settle_call(p_call jsonb)
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
  call record;
  freed record;
begin
  perform set_config('synchronous_commit', 'off', true);
  select i.id, i."tenantId" as tenant_id, i."agentId" as agent_id, i."agentId"::text as agent, i."personId" as person,
    i."turnId" as turn_id, i."turnId"::text as turn, i.provider, i.model, i.outcome, i."inputTokens" as input_tokens,
    i."outputTokens" as output_tokens, i."cachedInputTokens" as cached_input_tokens,
    i."cacheWriteTokens" as cache_write_tokens, i."reasoningTokens" as reasoning_tokens,
    i."isEstimated" as is_estimated, i."nanoUsd" as nano_usd, i."priceVersion" as price_version,
    i."isReserved" as is_reserved, i."ageMs" * interval '1 ms' as age,
    case when i.outcome is null then 0 else coalesce(i."nanoUsd", 0) end as spent_nano_usd,
    case when i.outcome is null then 0 else coalesce(i."inputTokens", 0) + coalesce(i."outputTokens", 0) end as spent_tokens
  into call
  from jsonb_to_record(p_call) as i (id uuid, "tenantId" uuid, "agentId" uuid, "personId" text, "turnId" bigint,
    provider text, model text, outcome text, "inputTokens" bigint, "outputTokens" bigint, "cachedInputTokens" bigint,
    "cacheWriteTokens" bigint, "reasoningTokens" bigint, "isEstimated" boolean, "nanoUsd" bigint, "priceVersion" text,
    "isReserved" boolean, "ageMs" double precision);
  perform pg_advisory_xact_lock_shared(budget_lock_key(call.tenant_id));
  if call.is_reserved then
    -- With a tenant that is removed its reservations go.
    delete from budget_reservations r
    where r.id = call.id and r.tenant_id = call.tenant_id
    returning r.at, coalesce(r.nano_usd, 0) as nano_usd, r.input_tokens + r.output_tokens as tokens into freed;
    if not found then
      return;
    end if;
  else
    select v_now - call.age as at, 0::bigint as nano_usd, 0::bigint as tokens into freed
    from tenants t where t.id = call.tenant_id;
    if not found then
      return next '[]'::jsonb;
      return;
    end if;
  end if;
  if call.outcome is not null then
    insert into model_calls (tenant_id, id, agent_id, person_id, turn_id, provider, model, outcome, input_tokens,
      output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, is_estimated, nano_usd, price_version, at)
    values (call.tenant_id, call.id, call.agent_id, call.person, call.turn_id, call.provider, call.model, call.outcome,
      call.input_tokens, call.output_tokens, call.cached_input_tokens, call.cache_write_tokens, call.reasoning_tokens,
      call.is_estimated, call.nano_usd, call.price_version, freed.at)
    on conflict (id, tenant_id) do nothing;
    if not found and not call.is_reserved then
      return next '[]'::jsonb; -- settled before
      return;
    end if;
  end if;
  -- In the order of their key, as everywhere, and by all of it: a join would be planned otherwise on a new database.
  update budget_counters c
  set spent_nano_usd = c.spent_nano_usd + call.spent_nano_usd, spent_tokens = c.spent_tokens + call.spent_tokens,
    reserved_nano_usd = c.reserved_nano_usd - freed.nano_usd, reserved_tokens = c.reserved_tokens - freed.tokens
  where c.tenant_id = call.tenant_id and c.scope = any ('{agent,person,tenant,turn}')
    and c.subject = any (array[call.agent, call.person, '', call.turn])
    and c.subject = case c.scope when 'agent' then call.agent when 'person' then call.person when 'turn' then call.turn
      else '' end
    and c.starts_at <= freed.at and c.ends_at > freed.at;
  if found then
    return query
      select coalesce(jsonb_agg(t), '[]'::jsonb)
      from tell_thresholds(array[call.tenant_id], array[call.agent_id], array[call.person], array[freed.at]) t;
  else
    return next '[]'::jsonb;
  end if;
end
$$;
