-- Retention, in calls that remove at most p_limit rows and what belongs to them, and return how many they were. What
-- came in within a day stays whatever p_before says, because platforms repeat events that long (invariant 2).
--
-- Turns that ended before p_before and of whose messages nothing is left, with their steps and deliveries.
create or replace function konstruct.expire_turns(p_before timestamptz, p_limit integer)
  returns integer
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  gone integer;
begin
  with old as (
    select t.tenant_id, t.id from turns t
    where t.started_at < least(p_before, now() - interval '1 day')
      and t.finished_at < least(p_before, now() - interval '1 day')
      and not exists (select 1 from messages m where m.tenant_id = t.tenant_id and m.turn_id = t.id)
    order by t.started_at
    limit p_limit
    for update skip locked
  )
  delete from turns t using old where t.tenant_id = old.tenant_id and t.id = old.id;
  get diagnostics gone = row_count;
  return gone;
end
$$;
