-- The newest message of a mailbox that comes from a delivery; null: none does. Deliveries are found again soon after they
-- were tried, so it is among the newest.
create or replace function konstruct.find_in_mailbox(p_connection_id uuid, p_channel_id text, p_marker text)
  returns bigint
  language sql stable security definer
  set search_path = konstruct, pg_temp
  set enable_seqscan = off
as $$
  select m.id
  from mailbox_messages m
  where m.connection_id = p_connection_id and m.channel_id = p_channel_id and m.marker = p_marker and not m.is_removed
  order by m.id desc
  limit 1
$$;
