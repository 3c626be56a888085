-- Puts a message into one visitor's mailbox and wakes the gateways that show it. The tenant is the connection's. Message:
-- see src/stores/mailbox.ts. The first message of a visitor makes the mailbox; the agent speaks into those there are.
-- Returns the id, and whether it is new (a browser's message that comes again is not); null: there is no such mailbox.
create or replace function konstruct.append_to_mailbox(p_connection_id uuid, p_channel_id text, p_message jsonb)
  returns jsonb
  language plpgsql security definer
  set search_path = konstruct, pg_temp
as $$
declare
  box record;
  message_id bigint;
begin
  if p_message ? 'clientId' then
    insert into mailboxes (tenant_id, connection_id, channel_id, revision)
    select k.tenant_id, k.id, p_channel_id, (extract(epoch from clock_timestamp()) * 1000)::bigint
    from connections k
    where k.id = p_connection_id
    on conflict do nothing;
  end if;
  -- Its revisions become visible in their order, because each waits here for the one before it.
  select b.tenant_id, b.revision + 1 as revision into box
  from mailboxes b
  where b.connection_id = p_connection_id and b.channel_id = p_channel_id
  for no key update;
  if not found then
    return null;
  end if;

  select m.id into message_id
  from mailbox_messages m
  where m.connection_id = p_connection_id and m.channel_id = p_channel_id and m.client_id = p_message->>'clientId';
  if found then
    return jsonb_build_object('id', message_id, 'isNew', false);
  end if;
  update mailboxes b set revision = box.revision, changed_at = now()
  where b.connection_id = p_connection_id and b.channel_id = p_channel_id;
  insert into mailbox_messages (tenant_id, connection_id, channel_id, direction, client_id, marker, content, choices,
    author_name, is_provisional, is_answer, revision)
  values (box.tenant_id, p_connection_id, p_channel_id,
    case when p_message ? 'clientId' then 'in' else 'out' end, p_message->>'clientId', p_message->>'marker',
    p_message->>'content', coalesce(p_message->'choices', '[]'), p_message->>'authorName',
    coalesce((p_message->>'isProvisional')::boolean, false), coalesce((p_message->>'isAnswer')::boolean, false),
    box.revision)
  returning id into message_id;
  perform pg_notify('konstruct_mailbox', p_connection_id || ' ' || p_channel_id);
  return jsonb_build_object('id', message_id, 'isNew', true);
end
$$;
