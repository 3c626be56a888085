-- Retention of feedback that was taken back, in calls that remove at most p_limit rows and return how many they were. It is
-- kept for a day only because platforms repeat events that long. What was given goes with its turn.
create or replace function konstruct.expire_feedback(p_before timestamptz, p_limit integer)
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
    select f.tenant_id, f.turn_id, f.person_id from feedback f
    where f.verdict is null and f.given_at < least(coalesce(p_before, now()), now() - interval '1 day')
    order by f.given_at
    limit p_limit
    for update skip locked
  )
  delete from feedback f using old
  where f.turn_id = old.turn_id and f.person_id = old.person_id and f.tenant_id = old.tenant_id;
  get diagnostics gone = row_count;
  return gone;
end
$$;
