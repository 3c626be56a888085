-- What a worker should know of turns it holds: whether they are still its own ('held', 'lost', or 'gone' with their
-- connection or tenant), whether they were cancelled, and the revision of what they have to answer.
create or replace function konstruct.check_turns(p_owner text, p_turns jsonb)
  returns setof jsonb
  language sql stable security definer
  set search_path = konstruct, pg_temp
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
  select jsonb_build_object('turnId', i."turnId", 'cancel', t.cancel, 'revision', coalesce(t.revision, 0),
    'state', case when c.id is null then 'gone'
                  when c.fence = i.fence and c.lease_owner = p_owner and c.turn_id = i."turnId" then 'held'
                  else 'lost' end)
  from jsonb_to_recordset(p_turns) as i ("tenantId" uuid, "conversationId" bigint, "turnId" bigint, fence bigint)
  left join conversations c on c.tenant_id = i."tenantId" and c.id = i."conversationId"
  left join turns t on t.tenant_id = i."tenantId" and t.id = i."turnId"
$$;
