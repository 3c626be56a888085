-- Shows which thumb a visitor has put on an answer in their mailbox, or took off, and wakes the gateways that show it. One
-- that is taken off is gone only if it was the one that stood there. Returns whether there is such an answer. What is shown
-- already changes nothing: a browser sends again what it got no ack for.
create or replace function konstruct.rate_in_mailbox(
  p_connection_id uuid, p_channel_id text, p_id bigint, p_rating text, p_present boolean)
  returns boolean
  language plpgsql security definer
  set search_path = konstruct, pg_temp
as $$
declare
  next_revision bigint;
  before record;
  wanted text;
begin
  select b.revision + 1 into next_revision
  from mailboxes b
  where b.connection_id = p_connection_id and b.channel_id = p_channel_id
  for no key update;
  if not found then
    return false;
  end if;

  select m.rating into before
  from mailbox_messages m
  where m.id = p_id and m.connection_id = p_connection_id and m.channel_id = p_channel_id and m.direction = 'out'
    and m.is_answer and not m.is_removed;
  if not found then
    return false;
  end if;
  wanted := case when p_present then p_rating when before.rating = p_rating then null else before.rating end;
  if wanted is not distinct from before.rating then
    return true;
  end if;
  update mailbox_messages m set rating = wanted, revision = next_revision
  where m.id = p_id and m.connection_id = p_connection_id and m.channel_id = p_channel_id;
  update mailboxes b set revision = next_revision, changed_at = now()
  where b.connection_id = p_connection_id and b.channel_id = p_channel_id;
  perform pg_notify('konstruct_mailbox', p_connection_id || ' ' || p_channel_id);
  return true;
end
$$;
