-- Records the platform's ids of placeholders whose model takes its time. Only a convenience for recovery (it saves a
-- look-up on the platform), so it does not wait for the disk. But where an answer moved to another message (a platform's own
-- stream) nothing else knows that one: then it does.
create or replace function konstruct.record_placeholders(p_placeholders jsonb)
  returns void
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set random_page_cost = 1.1
as $$
declare
  wanted record;
  any_moved boolean;
begin
  perform set_config('synchronous_commit', 'off', true);
  -- Whoever keeps a wish for one of them at this moment is waited for, or waits (keep_wish).
  perform konstruct.hold_message(m.connection_id, m.channel_id, m.external_id)
  from (
    select distinct c.connection_id, c.channel_id, i."externalId" as external_id
    from jsonb_to_recordset(p_placeholders) as i ("tenantId" uuid, "deliveryId" bigint, "externalId" text)
    join deliveries d on d.tenant_id = i."tenantId" and d.id = i."deliveryId"
    join turns t on t.tenant_id = d.tenant_id and t.id = d.turn_id
    join conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
    order by c.connection_id, c.channel_id, i."externalId") m;
  -- A stop or a mute that was put on one before anybody here knew its id: its conversation is held before the delivery, as
  -- everywhere, so that whoever has it now can be waited for (a renewal, a message that comes in, the commit).
  perform 1
  from jsonb_to_recordset(p_placeholders) as i ("tenantId" uuid, "deliveryId" bigint, "externalId" text)
  join deliveries d on d.tenant_id = i."tenantId" and d.id = i."deliveryId"
  join turns t on t.tenant_id = d.tenant_id and t.id = d.turn_id
  join conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
  join early_signals e on e.tenant_id = c.tenant_id and e.connection_id = c.connection_id
    and e.channel_id = c.channel_id and e.external_id = i."externalId" collate "C" and e.wishes <> '[]'
  order by c.connection_id, c.channel_id, c.thread_id
  for no key update of c;
  with free as (
    -- The conversation is not held here: a row that is locked is being recorded by its turn at this moment.
    select d.tenant_id, d.id, i."externalId", d.status = 'sent' as moved
    from jsonb_to_recordset(p_placeholders) as i ("tenantId" uuid, "deliveryId" bigint, "externalId" text)
    join deliveries d on d.tenant_id = i."tenantId" and d.id = i."deliveryId"
    where d.kind = 'placeholder'
      and (d.status = 'sending' or d.status = 'sent' and d.external_id is distinct from i."externalId" and exists (
        select 1 from turns t where t.tenant_id = d.tenant_id and t.id = d.turn_id and t.status = 'running'))
    for update of d skip locked
  ), recorded as (
    update deliveries d set status = 'sent', external_id = f."externalId", sent_at = clock_timestamp()
    from free f
    where d.tenant_id = f.tenant_id and d.id = f.id
    returning f.moved
  )
  select coalesce(bool_or(r.moved), false) into any_moved from recorded r;
  if any_moved then
    perform set_config('synchronous_commit', 'on', true);
  end if;

  for wanted in
    select wish.value as wish
    from jsonb_to_recordset(p_placeholders) as i ("tenantId" uuid, "deliveryId" bigint, "externalId" text)
    join deliveries d on d.tenant_id = i."tenantId" and d.id = i."deliveryId"
    join turns t on t.tenant_id = d.tenant_id and t.id = d.turn_id
    join conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
    join early_signals e on e.tenant_id = c.tenant_id and e.connection_id = c.connection_id
      and e.channel_id = c.channel_id and e.external_id = i."externalId" collate "C"
    cross join lateral jsonb_array_elements(e.wishes) as wish
  loop
    if wanted.wish->>'type' = 'stop' then
      perform konstruct.apply_stop(wanted.wish);
    else
      perform konstruct.apply_mute(wanted.wish);
    end if;
  end loop;
end
$$;
