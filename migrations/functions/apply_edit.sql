-- A person changed the words of a message: see AdmitEdit in src/router/admit.ts. The caller (admit_batch) holds the
-- message's conversation, and the rate bucket for a message that has not come yet.
--   not answered yet       the newest words are what is answered
--   its turn runs          as the agent's busy_mode says: the turn begins anew or takes them in, or a second look follows
--   answered by the latest turn, within editWindowMinutes of the answer: a second look, which replaces the answer
-- Outcomes: edited (ready: there is work), unknown_message.
create or replace function konstruct.apply_edit(p_event jsonb)
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
  happened_at constant timestamptz := to_timestamp((p_event->>'sentAtMs')::double precision / 1000);
  message record;
  turn record;
  looks_again boolean := false;
  ready boolean := false;
begin
  select m.conversation_id, m.id, m.turn_id, m.direction, m.content, m.deleted_at, c.turn_id as under_way, c.muted,
    c.lease_owner
  into message
  from messages m
  join conversations c on c.tenant_id = m.tenant_id and c.id = m.conversation_id
  where m.tenant_id = tenant and m.connection_id = (p_event->>'connectionId')::uuid
    and m.channel_id = (p_event->>'channelId') collate "C" and m.external_id = (p_event->>'messageId') collate "C";
  if not found then
    insert into early_signals as s (tenant_id, connection_id, channel_id, external_id, edit, edited_at)
    select k.tenant_id, k.id, p_event->>'channelId', p_event->>'messageId',
      jsonb_build_object('content', p_event->'content', 'mentions', p_event->'mentions'), happened_at
    from connections k
    where k.tenant_id = tenant and k.id = (p_event->>'connectionId')::uuid
      -- What people say among themselves is not kept.
      and (p_event->>'mayConcern' = 'yes' or p_event->>'mayConcern' = 'in_thread' and exists (
        select 1 from conversations c
        where c.tenant_id = k.tenant_id and c.connection_id = k.id
          and c.channel_id = (p_event->>'channelId') collate "C" and c.thread_id = (p_event->>'threadId') collate "C"))
    on conflict (connection_id, channel_id, external_id, tenant_id) do update
    set edit = excluded.edit, edited_at = excluded.edited_at
    where s.edited_at is null or s.edited_at <= excluded.edited_at;
    return jsonb_build_object('outcome', 'unknown_message');
  end if;

  update messages m
  set content = p_event->>'content', mentions = p_event->'mentions', edited_at = happened_at
  where m.tenant_id = tenant and m.conversation_id = message.conversation_id and m.id = message.id
    and m.direction = 'in' and m.deleted_at is null
    and (m.edited_at is null or m.edited_at <= happened_at);
  if not found then
    return jsonb_build_object('outcome', 'unknown_message');
  end if;
  if message.turn_id is null or message.content = p_event->>'content' then
    return jsonb_build_object('outcome', 'edited');
  end if;

  select t.id, t.status, t.cancel, t.revision, t.finished_at, coalesce(a.busy_mode, 'queue') as busy_mode into turn
  from turns t
  left join agents a on a.tenant_id = t.tenant_id and a.id = t.agent_id
  where t.tenant_id = tenant and t.id = message.turn_id;
  if turn.cancel is not null then
    return jsonb_build_object('outcome', 'edited');
  end if;
  if turn.id = message.under_way and turn.status = 'running' then
    looks_again := turn.busy_mode = 'queue' and message.lease_owner is not null;
  elsif turn.status = 'answered' or turn.id = message.under_way and turn.status = 'committed' then
    looks_again := not message.muted
      and coalesce(turn.finished_at, now())
        > now() - (p_event->>'editWindowMinutes')::double precision * interval '1 minute'
      and not exists (
        select 1 from turns later
        where later.tenant_id = tenant and later.conversation_id = message.conversation_id
          and later.id > turn.id and later.status <> 'cancelled' and later.revises is distinct from turn.id)
      -- The turn that answers these reads the newest words of all.
      and not exists (
        select 1 from messages w
        where w.tenant_id = tenant and w.conversation_id = message.conversation_id
          and w.turn_id is null and w.addressed and w.deleted_at is null);
    if not looks_again then
      return jsonb_build_object('outcome', 'edited');
    end if;
  else
    return jsonb_build_object('outcome', 'edited');
  end if;

  update turns t set revision = t.revision + 1 where t.tenant_id = tenant and t.id = turn.id;
  if looks_again and not exists (
    select 1 from turns w
    where w.tenant_id = tenant and w.conversation_id = message.conversation_id
      and w.revises = turn.id and w.status = 'replaying')
  then
    ready := konstruct.reopen_turn(tenant, message.conversation_id, turn.id, null);
  end if;
  if turn.id = message.under_way and turn.status = 'running' and message.lease_owner is not null then
    perform pg_notify('konstruct_turns', message.conversation_id::text);
  end if;
  return jsonb_build_object('outcome', 'edited') || case when ready then '{"ready": true}'::jsonb else '{}' end;
end
$$;
