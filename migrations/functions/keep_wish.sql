-- Keeps a reaction on a message that is not known (yet): if it is the placeholder of a turn that has only just begun, its
-- id is recorded in a moment, and the wish is applied then (record_placeholders); a person's message that it overtook is
-- admitted with it (admit_batch). More than a few of one message are not worth the room.
create or replace function konstruct.keep_wish(p_event jsonb)
  returns void
  language sql security definer
  set search_path = konstruct, pg_temp
as $$
  insert into early_signals as s (tenant_id, connection_id, channel_id, external_id, wishes)
  select k.tenant_id, k.id, p_event->>'channelId', p_event->>'messageId', jsonb_build_array(p_event)
  from connections k
  where k.tenant_id = (p_event->>'tenantId')::uuid and k.id = (p_event->>'connectionId')::uuid
  on conflict (connection_id, channel_id, external_id, tenant_id) do update set wishes = s.wishes || excluded.wishes
  where jsonb_array_length(s.wishes) < 20
$$;
