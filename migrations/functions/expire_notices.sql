-- Retention, in calls that remove at most p_limit rows and what belongs to them, and return how many they were. What
-- came in within a day stays whatever p_before says, because platforms repeat events that long (invariant 2).
--
-- Notices made before p_before: they belong to no turn.
create or replace function konstruct.expire_notices(p_before timestamptz, p_limit integer)
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
    select d.tenant_id, d.id from deliveries d
    where d.kind = 'notice' and d.created_at < least(p_before, now() - interval '1 day')
    order by d.created_at
    limit p_limit
    for update skip locked
  )
  delete from deliveries d using old where d.tenant_id = old.tenant_id and d.id = old.id;
  get diagnostics gone = row_count;
  return gone;
end
$$;
