-- Records the platform's ids of placeholders whose model takes its time. Only a convenience for recovery (it saves a
-- look-up on the platform), so it does not wait for the disk.
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
begin
  perform set_config('synchronous_commit', 'off', true);
  with free as (
    -- The conversation is not held here: a row that is locked is being recorded by its turn at this moment.
    select d.tenant_id, d.id, i."externalId"
    from jsonb_to_recordset(p_placeholders) as i ("tenantId" uuid, "deliveryId" bigint, "externalId" text)
    join deliveries d on d.tenant_id = i."tenantId" and d.id = i."deliveryId"
    where d.kind = 'placeholder' and d.status = 'sending'
    for update of d skip locked
  )
  update deliveries d set status = 'sent', external_id = f."externalId", sent_at = clock_timestamp()
  from free f
  where d.tenant_id = f.tenant_id and d.id = f.id;
end
$$;
