-- Dead letters: turns that were given up, what an operator does about them, and how a replay goes on.
--
--   dead        given up after the retries: a dead letter
--   discarded   a dead letter that an operator has seen and let go
--   replaying   a dead letter that waits until its conversation is free
--
-- A replayed turn is resumed as the one it was, like a turn whose worker died: the same messages, the log of its steps
-- goes on, and what stands in the thread is edited. Opening a new one was rejected: its messages would be answered
-- together with whatever came since, and the honest sentence would stay.

alter table konstruct.turns drop constraint turns_status_check;
alter table konstruct.turns add constraint turns_status_check
  check (status in ('running', 'committed', 'answered', 'dead', 'cancelled', 'discarded', 'replaying'));
-- When the person was told in the thread that the turn was given up. Null while unknown, and for a turn whose committed
-- answer is that sentence: its delivery says so.
alter table konstruct.turns add column told_at timestamptz;
-- No index names the status: turns could not be updated in place any more (docs/performance.md). Dead and discarded ones are
-- among the failed (turns_failed), replaying ones among those of their conversation.

-- How many turns of the conversation are `replaying`.
alter table konstruct.conversations add column replays_waiting integer not null default 0;

-- Whenever a conversation is free, its oldest replay becomes the turn under way, and workers find it as they find one
-- that waits for another attempt. Whoever writes turn_id holds the row, so there is still one turn at a time, and the
-- condition costs nothing where nothing is replayed. What came in meanwhile is next (finish_turns looks for it).
create function konstruct.resume_replay() returns trigger
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
create trigger resume_replay before update of turn_id on konstruct.conversations
  for each row when (new.turn_id is null and new.replays_waiting > 0)
  execute function konstruct.resume_replay();

-- Ids of dead letters, the newest turn first, and to whom they belong. p_tenant_id null: of all tenants.
create function konstruct.list_dead_letters(p_tenant_id uuid, p_discarded boolean, p_limit integer)
  returns table (tenant_id uuid, id bigint)
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select t.tenant_id, t.id
  from turns t
  where t.error_code is not null and (t.status = 'dead' or p_discarded and t.status = 'discarded')
    and (p_tenant_id is null or t.tenant_id = p_tenant_id)
  order by t.id desc
  limit p_limit
$$;

-- How many dead letters there are, and how many of them died since p_since.
create function konstruct.count_dead_letters(p_since timestamptz)
  returns table (total bigint, recent bigint)
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select count(*), count(*) filter (where t.finished_at >= p_since) from turns t
  where t.error_code is not null and t.status = 'dead'
$$;

-- To whom a turn belongs: operators name a dead letter by its id alone.
create function konstruct.find_turn_tenant(p_id bigint)
  returns uuid
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select t.tenant_id from turns t where t.id = p_id
$$;

-- Records that the honest sentence stands in the thread, in the message p_external_id. Refused (false) when fence or
-- owner no longer fit.
create function konstruct.record_apology(p_owner text, p_tenant_id uuid, p_conversation_id bigint, p_turn_id bigint,
  p_fence bigint, p_external_id text)
  returns boolean
  language plpgsql security definer
  set search_path = konstruct, pg_temp
as $$
begin
  perform 1 from conversations c
  where c.tenant_id = p_tenant_id and c.id = p_conversation_id
    and c.fence = p_fence and c.lease_owner = p_owner and c.turn_id = p_turn_id
  for no key update;
  if not found then
    return false;
  end if;
  update turns t set told_at = clock_timestamp() where t.tenant_id = p_tenant_id and t.id = p_turn_id;
  update deliveries d
  set status = 'sent', external_id = p_external_id, sent_at = coalesce(d.sent_at, clock_timestamp())
  where d.tenant_id = p_tenant_id and d.turn_id = p_turn_id and d.kind = 'placeholder' and d.position = 0;
  return true;
end
$$;

do $$
declare
  f regprocedure;
begin
  revoke execute on all functions in schema konstruct from public;
  grant execute on function konstruct.current_tenant() to konstruct_app, konstruct_pipeline;
  -- A new owner of a function needs the right to create in its schema while it becomes the owner.
  grant create on schema konstruct to konstruct_pipeline;
  for f in
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'konstruct'::regnamespace and p.prosecdef
  loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to konstruct_app', f);
    execute format('alter function %s owner to konstruct_pipeline', f);
  end loop;
  revoke create on schema konstruct from konstruct_pipeline;
end
$$;
