-- Retention, as expire_notices: messages of mailboxes from before p_before, and then mailboxes that are empty and in which
-- nothing has changed since. Returns how many rows went.
create or replace function konstruct.expire_mailboxes(p_before timestamptz, p_limit integer)
  returns integer
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  cut_off timestamptz := least(p_before, now() - interval '1 day');
  messages integer;
  boxes integer;
begin
  with old as (
    select m.tenant_id, m.id from mailbox_messages m
    where m.created_at < cut_off
    order by m.created_at
    limit p_limit
    for update skip locked
  )
  delete from mailbox_messages m using old where m.tenant_id = old.tenant_id and m.id = old.id;
  get diagnostics messages = row_count;

  with old as (
    select b.tenant_id, b.connection_id, b.channel_id from mailboxes b
    where b.changed_at < cut_off and not exists (
      select 1 from mailbox_messages m where m.connection_id = b.connection_id and m.channel_id = b.channel_id)
    order by b.changed_at
    limit p_limit
    for update skip locked
  )
  delete from mailboxes b using old
  where b.tenant_id = old.tenant_id and b.connection_id = old.connection_id and b.channel_id = old.channel_id;
  get diagnostics boxes = row_count;
  return messages + boxes;
end
$$;
