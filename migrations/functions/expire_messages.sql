-- Retention, in calls that remove at most p_limit rows and what belongs to them, and return how many they were. What
-- came in within a day stays whatever p_before says, because platforms repeat events that long (invariant 2).
--
-- Messages older than p_before in conversations that go on. What waits for an answer stays.
create or replace function konstruct.expire_messages(p_before timestamptz, p_limit integer)
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
    select m.tenant_id, m.conversation_id, m.id from messages m
    where m.sent_at < least(p_before, now() - interval '1 day') and m.received_at < now() - interval '1 day'
      and (m.turn_id is not null or not m.addressed or m.deleted_at is not null)
      and not exists (select 1 from conversations c
        where c.tenant_id = m.tenant_id and c.id = m.conversation_id and c.ready_at is not null)
    order by m.sent_at
    limit p_limit
    for update skip locked
  )
  delete from messages m using old
  where m.tenant_id = old.tenant_id and m.conversation_id = old.conversation_id and m.id = old.id;
  get diagnostics gone = row_count;
  return gone;
end
$$;
