-- Ends reservations whose lease has run out: their process died, and whether the model was called, and what it did, nobody
-- can say. The worst case that was set aside counts as spent, and the ledger says `lost`. Returns how many they were, and
-- which budgets have reached their threshold by it.
create or replace function konstruct.expire_reservations(p_limit integer)
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
  ids uuid[];
  tenant record;
  gone record;
  total integer := 0;
begin
  select array_agg(r.id) into ids
  from (select r.id from budget_reservations r where r.lease_until < v_now order by r.lease_until limit p_limit) r;
  if ids is null then
    return next jsonb_build_object('expired', 0);
    return;
  end if;
  for tenant in
    select distinct r.tenant_id as id from budget_reservations r where r.id = any (ids) order by r.tenant_id
  loop
    perform pg_advisory_xact_lock_shared(budget_lock_key(tenant.id));
  end loop;
  -- Counters before reservations, as in settle_calls, and in the order of their key. Those who hold a reservation and want a
  -- counter (settle_call) are not waited for: what is locked is being settled or renewed, and not ours to end.
  perform 1 from budget_counters c
  where (c.tenant_id, c.scope, c.subject) in (
      select r.tenant_id, s.scope, s.subject
      from (select r.* from budget_reservations r where r.id = any (ids)) r
      cross join lateral (values ('tenant', ''), ('agent', r.agent_id::text), ('person', r.person_id),
        ('turn', r.turn_id::text)) s (scope, subject)
      where s.subject is not null)
  order by c.tenant_id, c.scope, c.subject, c.period, c.starts_at
  for no key update;
  select array_agg(r.id) into ids
  from (select r.id from budget_reservations r where r.id = any (ids) and r.lease_until < v_now for update skip locked) r;
  if ids is null then
    return next jsonb_build_object('expired', 0);
    return;
  end if;

  for gone in
    delete from budget_reservations r where r.id = any (ids) returning r.*
  loop
    total := total + 1;
    insert into model_calls (tenant_id, id, agent_id, person_id, turn_id, provider, model, outcome, input_tokens,
      output_tokens, is_estimated, nano_usd, price_version, at)
    values (gone.tenant_id, gone.id, gone.agent_id, gone.person_id, gone.turn_id, gone.provider, gone.model, 'lost',
      gone.input_tokens, gone.output_tokens, true, gone.nano_usd, gone.price_version, gone.at);
    update budget_counters c
    set spent_nano_usd = c.spent_nano_usd + coalesce(gone.nano_usd, 0),
        spent_tokens = c.spent_tokens + gone.input_tokens + gone.output_tokens,
        reserved_nano_usd = c.reserved_nano_usd - coalesce(gone.nano_usd, 0),
        reserved_tokens = c.reserved_tokens - gone.input_tokens - gone.output_tokens
    from (values ('tenant', ''), ('agent', gone.agent_id::text), ('person', gone.person_id),
      ('turn', gone.turn_id::text)) s (scope, subject)
    where c.tenant_id = gone.tenant_id and c.scope = s.scope and c.subject = s.subject
      and c.starts_at <= gone.at and c.ends_at > gone.at;
    return query select tell_thresholds(array[gone.tenant_id], array[gone.agent_id], array[gone.person_id], array[gone.at]);
  end loop;
  return next jsonb_build_object('expired', total);
end
$$;
