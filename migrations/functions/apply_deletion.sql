-- A message was deleted: see AdmitDeletion in src/router/admit.ts. The words go with it; that there was one stays, so that
-- a late copy of it is not stored again. The caller (admit_batch) holds the message's conversation, and the rate bucket for
-- a message that has not come yet. A turn of which no message is left is cancelled; one that is answered is taken back
-- where the connection wants that (onDeletion: retract). Outcomes: deleted (ready: there is work), unknown_message.
create or replace function konstruct.apply_deletion(p_event jsonb)
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
  retracts constant boolean := coalesce(p_event->>'onDeletion' = 'retract', false);
  message record;
  turn record;
  ready boolean := false;
begin
  select m.conversation_id, m.id, m.turn_id, m.direction, c.turn_id as under_way into message
  from messages m
  join conversations c on c.tenant_id = m.tenant_id and c.id = m.conversation_id
  where m.tenant_id = tenant and m.connection_id = (p_event->>'connectionId')::uuid
    and m.channel_id = (p_event->>'channelId') collate "C" and m.external_id = (p_event->>'messageId') collate "C";
  if not found then
    insert into early_signals (tenant_id, connection_id, channel_id, external_id, deleted_at)
    select k.tenant_id, k.id, p_event->>'channelId', p_event->>'messageId', happened_at
    from connections k
    where k.tenant_id = tenant and k.id = (p_event->>'connectionId')::uuid
    on conflict (connection_id, channel_id, external_id, tenant_id) do update
    set deleted_at = excluded.deleted_at, edit = null;
    return jsonb_build_object('outcome', 'unknown_message');
  end if;

  update messages m
  set content = '', mentions = '[]', attachments = '[]', deleted_at = happened_at
  where m.tenant_id = tenant and m.conversation_id = message.conversation_id and m.id = message.id
    and m.deleted_at is null;
  if not found then
    return jsonb_build_object('outcome', 'unknown_message');
  end if;
  if message.turn_id is null or message.direction = 'out' or exists (
    select 1 from messages o
    where o.tenant_id = tenant and o.turn_id = message.turn_id and o.direction = 'in' and o.deleted_at is null)
  then
    -- The turn goes on with the rest, but not with what was taken back: an answer to that is refused.
    if message.direction = 'in' and message.turn_id = message.under_way then
      update turns t set revision = t.revision + 1
      where t.tenant_id = tenant and t.id = message.turn_id and t.status = 'running' and t.cancel is null;
      if found then
        perform pg_notify('konstruct_turns', message.conversation_id::text);
      end if;
    end if;
    return jsonb_build_object('outcome', 'deleted');
  end if;

  select t.id, t.status, t.cancel, t.revises into turn
  from turns t where t.tenant_id = tenant and t.id = message.turn_id;
  if turn.id = message.under_way and turn.status = 'running' and turn.cancel is null then
    ready := konstruct.cancel_work(tenant, message.conversation_id,
      -- Where the earlier answer stands it is not a placeholder.
      case when turn.revises is not null and retracts then 'retract' else 'deleted' end, '-infinity') = 'turn';
  elsif retracts and turn.cancel is null and turn.status in ('committed', 'answered', 'dead') then
    update turns w set status = 'cancelled', finished_at = clock_timestamp()
    where w.tenant_id = tenant and w.conversation_id = message.conversation_id
      and w.revises = turn.id and w.status = 'replaying';
    update messages m set content = '', deleted_at = happened_at
    where m.tenant_id = tenant and m.turn_id = turn.id and m.direction = 'out' and m.deleted_at is null;
    ready := konstruct.reopen_turn(tenant, message.conversation_id, turn.id, 'retract');
  end if;
  return jsonb_build_object('outcome', 'deleted') || case when ready then '{"ready": true}'::jsonb else '{}' end;
end
$$;
