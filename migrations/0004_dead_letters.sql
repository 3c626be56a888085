-- Dead letters (what reads and changes them is in functions/): turns that were given up, what an operator does about them, and how a replay goes on.
--
--   dead        given up after the retries: a dead letter
--   discarded   a dead letter that an operator has seen and let go
--   replaying   a dead letter that waits until its conversation is free
--
-- A replayed turn is resumed as the one it was, like a turn whose worker died: the same messages, the log of its steps
-- goes on, and what stands in the thread is edited. Opening a new one was rejected: its messages would be answered
-- together with whatever came since, and the honest sentence would stay.

alter table konstruct.turns drop constraint if exists turns_status_check;
alter table konstruct.turns add constraint turns_status_check
  check (status in ('running', 'committed', 'answered', 'dead', 'cancelled', 'discarded', 'replaying'));
-- When the person was told in the thread that the turn was given up. Null while unknown, and for a turn whose committed
-- answer is that sentence: its delivery says so.
alter table konstruct.turns add column if not exists told_at timestamptz;
-- No index names the status: turns could not be updated in place any more (docs/performance.md). Dead and discarded ones are
-- among the failed (turns_failed), replaying ones among those of their conversation.

-- How many turns of the conversation are `replaying`.
alter table konstruct.conversations add column if not exists replays_waiting integer not null default 0;

-- Whenever a conversation is free, its oldest replay becomes the turn under way, and workers find it as they find one
-- that waits for another attempt. Whoever writes turn_id holds the row, so there is still one turn at a time, and the
-- condition costs nothing where nothing is replayed. What came in meanwhile is next (finish_turns looks for it).
create or replace function konstruct.resume_replay() returns trigger
  language plpgsql
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
begin
  update turns t
  set status = case when t.committed_at is null then 'running' else 'committed' end
  where t.tenant_id = new.tenant_id and t.id = (
    select w.id from turns w
    where w.tenant_id = new.tenant_id and w.conversation_id = new.id and w.status = 'replaying'
    order by w.id limit 1)
  returning t.id into new.turn_id;
  if found then
    new.replays_waiting := new.replays_waiting - 1;
    new.ready_at := least(new.ready_at, now());
  else
    new.replays_waiting := 0;
  end if;
  return new;
end
$$;
create or replace trigger resume_replay before update of turn_id on konstruct.conversations
  for each row when (new.turn_id is null and new.replays_waiting > 0)
  execute function konstruct.resume_replay();
revoke execute on function konstruct.resume_replay() from public;
