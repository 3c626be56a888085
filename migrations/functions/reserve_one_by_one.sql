-- What reserve_budgets does when not all calls of a batch fit: each is judged on its own, after those before it. The counters
-- are there and locked.
create or replace function konstruct.reserve_one_by_one(p_owner text, p_lease_ms integer, p_calls jsonb, p_at timestamptz)
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
  verdict record;
  is_news boolean;
begin
  for call in
    select i.id, i."tenantId" as tenant_id, i."agentId" as agent_id, i."personId" as person_id, i."turnId" as turn_id,
      i.provider, i.model, i."nanoUsd" as nano_usd, i."priceVersion" as price_version,
      i."inputTokens" as input_tokens, i."outputTokens" as output_tokens, i."inputTokens" + i."outputTokens" as tokens
    from rows from (jsonb_to_recordset(p_calls) as (id uuid, "tenantId" uuid, "agentId" uuid, "personId" text,
      "turnId" bigint, provider text, model text, "nanoUsd" bigint, "priceVersion" text, "inputTokens" bigint,
      "outputTokens" bigint)) with ordinality as i (id, "tenantId", "agentId", "personId", "turnId", provider, model,
      "nanoUsd", "priceVersion", "inputTokens", "outputTokens", place)
    order by i.place
  loop
    select l.scope, l.subject, l.period, l.starts_at, l.ends_at, v.unit,
      case v.unit when 'tokens' then l.tokens_limit else l.nano_usd_limit end as amount,
      case v.unit when 'tokens' then c.spent_tokens else c.spent_nano_usd end as spent,
      case v.unit when 'tokens' then c.reserved_tokens else c.reserved_nano_usd end as reserved,
      case v.unit when 'tokens' then call.tokens else call.nano_usd end as needed, v.is_held
    into verdict
    from budget_limits(call.tenant_id, call.agent_id, call.person_id, call.turn_id, p_at) l
    -- `offset 0`: looked up by the whole key, also where the table was small when this was planned.
    cross join lateral (
      select * from budget_counters b
      where b.tenant_id = call.tenant_id and b.scope = l.scope and b.subject = l.subject and b.period = l.period
        and b.starts_at = l.starts_at
      offset 0
    ) c
    cross join lateral (
      select u.unit, case u.unit
          when 'usd' then c.spent_nano_usd + call.nano_usd <= l.nano_usd_limit
          when 'tokens' then c.spent_tokens + call.tokens <= l.tokens_limit
          else false end as is_held
      from (select case
          when l.nano_usd_limit is not null and call.nano_usd is null then 'price'
          when c.spent_nano_usd + c.reserved_nano_usd + call.nano_usd > l.nano_usd_limit then 'usd'
          when c.spent_tokens + c.reserved_tokens + call.tokens > l.tokens_limit then 'tokens'
        end as unit) u
    ) v
    order by v.unit is null, v.is_held, l.period = 'turn', l.ends_at desc
    limit 1;

    if not found then
      return next '{"outcome": "unlimited"}'::jsonb;
    elsif verdict.unit is null then
      update budget_counters c
      set reserved_nano_usd = c.reserved_nano_usd + coalesce(call.nano_usd, 0),
          reserved_tokens = c.reserved_tokens + call.tokens
      where c.tenant_id = call.tenant_id and c.scope = any ('{agent,person,tenant,turn}')
        and c.subject = any (array[call.agent_id::text, call.person_id, '', call.turn_id::text])
        and c.subject = case c.scope when 'agent' then call.agent_id::text when 'person' then call.person_id
          when 'turn' then call.turn_id::text else '' end
        and c.starts_at <= p_at and c.ends_at > p_at;
      insert into budget_reservations (tenant_id, id, owner, agent_id, person_id, turn_id, provider, model, nano_usd,
        price_version, input_tokens, output_tokens, at, lease_until)
      values (call.tenant_id, call.id, p_owner, call.agent_id, call.person_id, call.turn_id, call.provider, call.model,
        call.nano_usd, call.price_version, call.input_tokens, call.output_tokens, p_at,
        clock_timestamp() + p_lease_ms * interval '1 ms');
      return next '{"outcome": "reserved"}'::jsonb;
    elsif verdict.unit = 'price' then
      return next jsonb_build_object('outcome', 'unpriced', 'scope', verdict.scope, 'period', verdict.period);
    else
      is_news := false;
      if not verdict.is_held and verdict.period <> 'turn' then
        is_news := tell_operators(call.tenant_id,
          case when verdict.needed > verdict.amount then 'budget_too_small' else 'budget_exhausted' end, verdict.scope, verdict.subject, verdict.period,
          verdict.starts_at, verdict.ends_at, verdict.unit, verdict.amount, verdict.spent);
      end if;
      return next jsonb_build_object('outcome', 'refused', 'scope', verdict.scope, 'subject', verdict.subject,
        'period', verdict.period, 'unit', verdict.unit, 'limit', verdict.amount, 'spent', verdict.spent,
        'reserved', verdict.reserved, 'needed', verdict.needed, 'isHeld', verdict.is_held, 'isNews', is_news,
        'resetsAtMs', case when verdict.period <> 'turn' then extract(epoch from verdict.ends_at) * 1000 end,
        'timeZone', (select t.time_zone from tenants t where t.id = call.tenant_id));
    end if;
  end loop;
end
$$;
