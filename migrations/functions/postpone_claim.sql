-- Sets the conversation aside that claim_turns would lease next if it were asked for one, after p_after in the round of the
-- tenants: for when it cannot be leased at all. Otherwise it would fail every claim of every worker. Returns which it is, or
-- null: nothing is ready any more.
create or replace function konstruct.postpone_claim(p_after uuid, p_delay_ms integer)
  returns jsonb
  language sql security definer
  set search_path = konstruct, pg_temp
  set enable_seqscan = off
  set enable_sort = off
as $$
  with next as (
    (select c.tenant_id, c.id from conversations c
     where c.tenant_id > p_after and c.ready_at <= now()
     order by c.tenant_id, c.ready_at limit 1)
    union all
    (select c.tenant_id, c.id from conversations c
     where c.tenant_id <= p_after and c.ready_at <= now()
     order by c.tenant_id, c.ready_at limit 1)
    limit 1
  ), postponed as (
    update conversations c set ready_at = now() + p_delay_ms * interval '1 ms'
    from next n
    where c.tenant_id = n.tenant_id and c.id = n.id and c.ready_at <= now()
    returning c.tenant_id, c.id
  )
  select jsonb_build_object('tenantId', p.tenant_id, 'conversationId', p.id) from postponed p
$$;
