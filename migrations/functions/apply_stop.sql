-- Somebody in a thread wants the agent to stop: see AdmitStop in src/router/admit.ts. As a reaction on any message of the
-- thread, or as a message of its own, which is kept as context. The turn that runs ends, with what waits behind it; without
-- one, the agent no longer follows the thread. Outcomes: stopped (ready: there is work), duplicate, not_engaged,
-- unknown_message.
create or replace function konstruct.apply_stop(p_event jsonb)
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
  happened_at constant timestamptz := to_timestamp((p_event->>'sentAtMs')::double precision / 1000);
  is_message constant boolean := p_event ? 'content';
  target bigint;
  conversation record;
  ended text;
begin
  if is_message then
    select c.id, c.turn_id into conversation
    from conversations c
    where c.tenant_id = tenant and c.connection_id = on_connection and c.channel_id = in_channel collate "C"
      and c.thread_id = (p_event->>'conversationThreadId') collate "C";
    target := conversation.id;
    if p_event ? 'repliesToId' then
      -- Where threads are chains of replies: the conversation of what it replies to.
      target := coalesce(konstruct.find_conversation(tenant, on_connection, in_channel, p_event->>'repliesToId'), target);
    end if;
    if conversation.turn_id is null and p_event->>'scope' = 'direct' then
      -- In a DM the answer to a message stands in that message's thread, while the message belongs to the DM.
      select coalesce(c.id, target) into target
      from (select 1) as one
      left join messages m on m.tenant_id = tenant and m.connection_id = on_connection
        and m.channel_id = in_channel collate "C" and m.external_id = (p_event->>'conversationThreadId') collate "C"
      left join conversations c on c.tenant_id = m.tenant_id and c.id = m.conversation_id and c.turn_id = m.turn_id;
    end if;
    if target is null then
      return '{"outcome": "not_engaged"}';
    end if;
  else
    target := konstruct.find_conversation(tenant, on_connection, in_channel, p_event->>'messageId');
    if target is null then
      -- It may be admitted, or its id recorded, at this very moment: one of the two sees what the other has written.
      perform konstruct.hold_message(on_connection, in_channel, p_event->>'messageId');
      perform konstruct.hold_bucket(p_event);
      target := konstruct.find_conversation(tenant, on_connection, in_channel, p_event->>'messageId');
    end if;
    if target is null then
      perform konstruct.keep_wish(p_event);
      return '{"outcome": "unknown_message"}';
    end if;
  end if;

  -- The lock in a statement of its own: what the next ones see is at least as new as it.
  perform 1 from conversations c where c.tenant_id = tenant and c.id = target for no key update;
  if is_message then
    insert into messages (tenant_id, conversation_id, connection_id, channel_id, external_id, event_id, direction,
      sender_id, sender_name, content, mentions, channel_metadata, addressed, sent_at)
    select c.tenant_id, c.id, c.connection_id, c.channel_id, p_event->>'messageId', p_event->>'eventId', 'in',
      p_event->>'senderId', p_event->>'senderName', p_event->>'content', p_event->'mentions',
      p_event->'channelMetadata', false, happened_at
    from conversations c
    where c.tenant_id = tenant and c.id = target
    on conflict do nothing;
    if not found then
      return '{"outcome": "duplicate"}';
    end if;
  end if;

  ended := konstruct.cancel_work(tenant, target, 'stopped', happened_at);
  if ended <> 'turn' then
    -- The agent no longer follows the thread, unless people have gone on since. An answer that is on its way out would
    -- engage it again when it is delivered: '-infinity' says that this one shall not (finish_turns).
    update conversations c set engaged_until = case when c.turn_id is null then null else '-infinity'::timestamptz end
    where c.tenant_id = tenant and c.id = target
      and (c.engaged_until is not null or c.turn_id is not null)
      and not exists (
        select 1 from messages m
        where m.tenant_id = c.tenant_id and m.conversation_id = c.id and m.direction = 'in' and m.addressed
          and m.id > (select max(n.id) - 50 from messages n where n.tenant_id = c.tenant_id and n.conversation_id = c.id)
          and m.sent_at > happened_at);
  end if;
  return jsonb_build_object('outcome', 'stopped', 'conversationId', target)
    || case when ended = 'turn' then '{"ready": true}'::jsonb else '{}' end;
end
$$;
