-- Retention of edits, deletions and stops whose message never came, in calls that remove at most p_limit rows and return
-- how many they were. p_before counts only if it is more than a day ago: platforms repeat events that long.
create or replace function konstruct.expire_early_signals(p_before timestamptz, p_limit integer)
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
    select s.tenant_id, s.connection_id, s.channel_id, s.external_id from early_signals s
    where s.received_at < least(coalesce(p_before, now()), now() - interval '1 day')
    order by s.received_at
    limit p_limit
    for update skip locked
  )
  delete from early_signals s using old
  where s.connection_id = old.connection_id and s.channel_id = old.channel_id and s.external_id = old.external_id
    and s.tenant_id = old.tenant_id;
  get diagnostics gone = row_count;
  return gone;
end
$$;
