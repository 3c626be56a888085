-- Retention, in calls that remove at most p_limit rows and what belongs to them, and return how many they were. What
-- came in within a day stays whatever p_before says, because platforms repeat events that long (invariant 2).
--
-- Conversations in which nobody has written since p_before. Those with work in them stay.
create or replace function konstruct.expire_conversations(p_before timestamptz, p_limit integer)
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
    select c.tenant_id, c.id from conversations c
    where c.last_message_at < least(p_before, now() - interval '1 day') and c.ready_at is null
    order by c.last_message_at
    limit p_limit
    for update skip locked
  )
  delete from conversations c using old where c.tenant_id = old.tenant_id and c.id = old.id;
  get diagnostics gone = row_count;
  return gone;
end
$$;
