-- Prolongs leases. p_leases: [{tenantId, conversationId, fence}]. Returns those of them that are still held.
create or replace function konstruct.renew_leases(p_owner text, p_lease_ms integer, p_leases jsonb)
  returns setof jsonb
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
  return query
  with held as materialized (
    select c.tenant_id, c.id, c.fence
    from jsonb_to_recordset(p_leases) as l ("tenantId" uuid, "conversationId" bigint, fence bigint)
    join conversations c on c.tenant_id = l."tenantId" and c.id = l."conversationId"
    where c.fence = l.fence and c.lease_owner = p_owner
    order by c.connection_id, c.channel_id, c.thread_id
    for no key update of c
  )
  update conversations c set ready_at = now() + p_lease_ms * interval '1 ms'
  from held h
  where c.tenant_id = h.tenant_id and c.id = h.id
  returning jsonb_build_object('conversationId', c.id, 'fence', c.fence);
end
$$;
