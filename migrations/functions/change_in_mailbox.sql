-- Changes a message of the agent's in a mailbox, or takes it away, and wakes the gateways that show it. What the change
-- does not name stays; a rating was of the words that stood there, and goes with them. Returns whether the message is there: one that was taken away is not.
create or replace function konstruct.change_in_mailbox(
  p_connection_id uuid, p_channel_id text, p_id bigint, p_change jsonb)
  returns boolean
  language plpgsql security definer
  set search_path = konstruct, pg_temp
as $$
declare
  next_revision bigint;
begin
  select b.revision + 1 into next_revision
  from mailboxes b
  where b.connection_id = p_connection_id and b.channel_id = p_channel_id
  for no key update;
  if not found then
    return false;
  end if;

  update mailbox_messages m set
    content = case when p_change ? 'isRemoved' then '' else coalesce(p_change->>'content', m.content) end,
    choices = coalesce(p_change->'choices', m.choices),
    marker = coalesce(p_change->>'marker', m.marker),
    author_name = coalesce(p_change->>'authorName', m.author_name),
    is_provisional = coalesce((p_change->>'isProvisional')::boolean, m.is_provisional),
    is_answer = coalesce((p_change->>'isAnswer')::boolean, m.is_answer),
    rating = case when p_change ? 'isRemoved' or p_change->>'content' <> m.content then null else m.rating end,
    is_removed = p_change ? 'isRemoved',
    revision = next_revision
  where m.id = p_id and m.connection_id = p_connection_id and m.channel_id = p_channel_id and m.direction = 'out'
    and not m.is_removed;
  if not found then
    return false;
  end if;
  update mailboxes b set revision = next_revision, changed_at = now()
  where b.connection_id = p_connection_id and b.channel_id = p_channel_id;
  perform pg_notify('konstruct_mailbox', p_connection_id || ' ' || p_channel_id);
  return true;
end
$$;
