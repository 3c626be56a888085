-- Ends what a conversation has to do, as far as it was asked for by p_until: the turn that runs is marked (its worker is
-- told, or whoever claims it next ends it), messages that wait count as dealt with, and second looks at edited messages
-- are dropped. A turn with a newer message is left alone: a stop that comes late, or twice, is about what was before it.
-- A committed answer is out already. Returns what it ended: 'turn', 'waiting' or 'nothing'; the caller holds the
-- conversation.
create or replace function konstruct.cancel_work(p_tenant_id uuid, p_conversation_id bigint, p_reason text,
    p_until timestamptz)
  returns text
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  conversation record;
  turn bigint;
  cancelled bigint;
  ended text := 'nothing';
begin
  select c.turn_id, c.lease_owner, k.agent_id into conversation
  from conversations c
  join connections k on k.tenant_id = c.tenant_id and k.id = c.connection_id
  where c.tenant_id = p_tenant_id and c.id = p_conversation_id;

  update turns t set cancel = p_reason
  where t.tenant_id = p_tenant_id and t.id = conversation.turn_id and t.status = 'running' and t.cancel is null
    and not exists (
      select 1 from messages m
      where m.tenant_id = t.tenant_id and m.turn_id = t.id and m.direction = 'in' and m.deleted_at is null
        and m.sent_at > p_until)
  returning t.id into cancelled;
  if cancelled is not null then
    ended := 'turn';
  end if;
  if p_reason in ('stopped', 'muted') then
    update turns w set status = 'cancelled', finished_at = clock_timestamp()
    where w.tenant_id = p_tenant_id and w.conversation_id = p_conversation_id and w.status = 'replaying'
      and w.revises is not null and w.cancel is null;
  end if;

  if exists (
    select 1 from messages m
    where m.tenant_id = p_tenant_id and m.conversation_id = p_conversation_id
      and m.turn_id is null and m.addressed and m.deleted_at is null and m.sent_at <= p_until)
  then
    turn := conversation.turn_id;
    if turn is null then
      -- Nobody has begun: a turn that says so, because every message that was asked has one.
      insert into turns (tenant_id, conversation_id, agent_id, status, cancel, finished_at)
      values (p_tenant_id, p_conversation_id, conversation.agent_id, 'cancelled', p_reason, clock_timestamp())
      returning id into turn;
    end if;
    update messages m set turn_id = turn
    where m.tenant_id = p_tenant_id and m.conversation_id = p_conversation_id
      and m.turn_id is null and m.addressed and m.deleted_at is null and m.sent_at <= p_until;
    if ended = 'nothing' then
      ended := 'waiting';
    end if;
  end if;

  if cancelled is not null and conversation.lease_owner is null then
    -- It waits for another attempt: its end need not.
    update conversations c set ready_at = now() where c.tenant_id = p_tenant_id and c.id = p_conversation_id;
    notify konstruct_ready;
  elsif cancelled is not null then
    perform pg_notify('konstruct_turns', p_conversation_id::text);
  end if;
  return ended;
end
$$;
