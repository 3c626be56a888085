-- A thread is muted for the agent, or no longer: see AdmitMute in src/router/admit.ts. By a reaction on any of its
-- messages, put on or taken off, or by a message that asks for it, which is kept as context and takes back every reaction
-- so far. Muting ends what runs and what waits. Marks carry the platform's time, so copies and late ones change nothing.
-- Outcomes: muted, unmuted (ready: there is work), duplicate, not_engaged, unknown_message.
create or replace function konstruct.apply_mute(p_event jsonb)
  returns jsonb
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  tenant constant uuid := (p_event->>'tenantId')::uuid;
  on_connection constant uuid := (p_event->>'connectionId')::uuid;
  in_channel constant text := p_event->>'channelId';
  happened_ms constant double precision := (p_event->>'sentAtMs')::double precision;
  is_message constant boolean := p_event ? 'content';
  on_now constant boolean := coalesce((p_event->>'present')::boolean, false) and not is_message;
  mark constant text := case when is_message then '' else concat_ws(' ', p_event->>'messageId', p_event->>'senderId') end;
  target bigint;
  marks jsonb;
  was_muted boolean;
  is_muted boolean;
  ended text := 'nothing';
begin
  if is_message then
    select c.id into target
    from conversations c
    where c.tenant_id = tenant and c.connection_id = on_connection and c.channel_id = in_channel collate "C"
      and c.thread_id = (p_event->>'conversationThreadId') collate "C";
    if p_event ? 'repliesToId' then
      -- Where threads are chains of replies: the conversation of what it replies to.
      target := coalesce(konstruct.find_conversation(tenant, on_connection, in_channel, p_event->>'repliesToId'), target);
    end if;
    if target is null then
      return '{"outcome": "not_engaged"}';
    end if;
  else
    target := konstruct.find_conversation(tenant, on_connection, in_channel, p_event->>'messageId');
    if target is null then
      -- As in apply_stop.
      perform konstruct.hold_message(on_connection, in_channel, p_event->>'messageId');
      perform konstruct.hold_bucket(p_event);
      target := konstruct.find_conversation(tenant, on_connection, in_channel, p_event->>'messageId');
    end if;
    if target is null then
      perform konstruct.keep_wish(p_event);
      return '{"outcome": "unknown_message"}';
    end if;
  end if;

  select c.mute_marks, c.muted into marks, was_muted
  from conversations c where c.tenant_id = tenant and c.id = target for no key update;
  if is_message then
    insert into messages (tenant_id, conversation_id, connection_id, channel_id, external_id, event_id, direction,
      sender_id, sender_name, content, mentions, channel_metadata, addressed, sent_at)
    select c.tenant_id, c.id, c.connection_id, c.channel_id, p_event->>'messageId', p_event->>'eventId', 'in',
      p_event->>'senderId', p_event->>'senderName', p_event->>'content', p_event->'mentions',
      p_event->'channelMetadata', false, to_timestamp(happened_ms / 1000)
    from conversations c
    where c.tenant_id = tenant and c.id = target
    on conflict do nothing;
    if not found then
      return '{"outcome": "duplicate"}';
    end if;
  end if;
  if happened_ms < greatest((marks->mark->>'at')::double precision, (marks->''->>'at')::double precision) then
    return '{"outcome": "duplicate"}';
  end if;

  select jsonb_object_agg(m.key, m.value) into marks
  from jsonb_each(marks || jsonb_build_object(mark, jsonb_build_object('at', happened_ms, 'on', on_now))) as m
  where (m.value->>'on')::boolean and (not is_message or (m.value->>'at')::double precision > happened_ms)
    or (m.value->>'at')::double precision > happened_ms - 86400000 and (m.key = mark or not (m.value->>'on')::boolean);
  marks := coalesce(marks, '{}');
  is_muted := exists (select 1 from jsonb_each(marks) as m where (m.value->>'on')::boolean);
  update conversations c
  set mute_marks = marks, muted = is_muted,
      engaged_until = case when is_muted and not was_muted then null else c.engaged_until end
  where c.tenant_id = tenant and c.id = target;
  if is_muted and not was_muted then
    ended := konstruct.cancel_work(tenant, target, 'muted', 'infinity');
  end if;
  return jsonb_build_object('outcome', case when is_muted then 'muted' else 'unmuted' end, 'conversationId', target)
    || case when ended = 'turn' then '{"ready": true}'::jsonb else '{}' end;
end
$$;
