-- admit_batch and then claim_turns, in one transaction and one round trip: for a process that is gateway and worker at
-- once and has room. What waits longest is claimed first, as always; mostly that is what has just come in.
-- Returns the outcomes and the claimed turns. Other workers are woken only for what is left: an announcement wakes a process
-- of PostgreSQL and one of Node for every worker process, and holds a lock of the whole server until the commit.
drop function if exists konstruct.admit_and_claim(jsonb, text, integer, integer, integer, uuid);
create or replace function konstruct.admit_and_claim(p_events jsonb, p_owner text, p_limit integer, p_lease_ms integer,
    p_history integer, p_after uuid, p_tenant_turns integer default null)
  returns table (outcomes jsonb, turns jsonb)
  language plpgsql security definer
  set search_path = konstruct, pg_temp
as $$
begin
  outcomes := admit_batch(p_events, false);
  select coalesce(jsonb_agg(t), '[]') into turns from claim_turns(p_owner, p_limit, p_lease_ms, p_history, p_after,
    p_tenant_turns) t;
  if exists (
    select 1 from jsonb_array_elements(outcomes) o
    where (o->>'wasIdle')::boolean
      and not exists (select 1 from jsonb_array_elements(turns) t where t->'conversationId' = o->'conversationId')
  ) then
    notify konstruct_ready;
  end if;
  return next;
end
$$;
