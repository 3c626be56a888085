-- Makes a turn that revises an earlier one: p_cancel null looks again at its edited messages, 'retract' takes its answer
-- back. It begins at once, or when the conversation is free (resume_replay in 0005_etiquette.sql). The caller holds the
-- conversation. Returns whether it could begin at once.
create or replace function konstruct.reopen_turn(p_tenant_id uuid, p_conversation_id bigint, p_turn_id bigint,
    p_cancel text)
  returns boolean
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  reopened bigint;
  ready boolean;
begin
  insert into turns (tenant_id, conversation_id, agent_id, status, reply_thread_id, cancel, revises)
  select t.tenant_id, t.conversation_id, t.agent_id, 'replaying', t.reply_thread_id, p_cancel, t.id
  from turns t
  where t.tenant_id = p_tenant_id and t.id = p_turn_id
  returning id into reopened;
  -- Naming turn_id is what lets the conversation take it, if it is free.
  update conversations c set replays_waiting = c.replays_waiting + 1, turn_id = c.turn_id
  where c.tenant_id = p_tenant_id and c.id = p_conversation_id
  returning c.turn_id = reopened into ready;
  if ready then
    notify konstruct_ready;
  end if;
  return coalesce(ready, false);
end
$$;
