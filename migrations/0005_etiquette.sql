-- What people do beside writing: they edit, delete, say stop, mute a thread, or go on writing while the agent works.
-- What applies it is in functions/ (apply_edit, apply_deletion, apply_stop, apply_mute).

-- What the agent does with messages that come in while its turn runs: they wait for the next turn (queue), join the turn
-- between two steps (steer), or make it begin anew (interrupt).
alter table konstruct.agents add column busy_mode text not null default 'queue'
  check (busy_mode in ('queue', 'steer', 'interrupt'));

alter table konstruct.conversations
  -- The agent keeps out of the thread, also when it is mentioned. Derived from the marks.
  add column muted boolean not null default false,
  -- Who muted it where: "messageId userId" → {"at": ms since 1970, "on": true or false}. What was taken back stays for a day,
  -- so that a late copy of the mark changes nothing; the key "" is the last "unmute".
  add column mute_marks jsonb not null default '{}';

-- None of these is named by an index: turns stay updated in place.
alter table konstruct.turns
  -- Grows with every change of what the turn has to answer: an edit, a message that joins it. A worker knows by it
  -- whether it has read everything.
  add column revision integer not null default 0,
  -- The revision that the committed answer was made for.
  add column answered_revision integer,
  -- Why nothing more is to be said, as soon as that is known; whoever holds the turn ends it.
  --   stopped   somebody said stop: a short sentence replaces the placeholder
  --   deleted   all its messages are gone: the placeholder goes too
  --   muted     the thread was muted: the placeholder goes
  --   retract   its messages are gone after they were answered: the answer goes
  add column cancel text check (cancel in ('stopped', 'deleted', 'muted', 'retract')),
  -- The turn whose answer this one replaces where it stands (after an edit) or takes back (after a deletion). Without a
  -- foreign key: retention removes the older one first.
  add column revises bigint;

-- Edits, deletions and reactions that overtook their message, kept for a day until it comes.
create table konstruct.early_signals (
  tenant_id uuid not null,
  connection_id uuid not null,
  channel_id text collate "C" not null,
  external_id text collate "C" not null,
  -- {"content", "mentions"} of the newest edit.
  edit jsonb,
  edited_at timestamptz,
  deleted_at timestamptz,
  -- Stops and mutes on what may be a placeholder whose id we do not know yet, as they came.
  wishes jsonb not null default '[]',
  received_at timestamptz not null default now(),
  primary key (connection_id, channel_id, external_id, tenant_id),
  foreign key (tenant_id, connection_id) references konstruct.connections (tenant_id, id) on delete cascade
);
create index early_signals_received on konstruct.early_signals (received_at);
alter table konstruct.early_signals enable row level security, force row level security;
create policy app on konstruct.early_signals to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.early_signals to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.early_signals to konstruct_app, konstruct_pipeline;

-- As in 0004_dead_letters.sql, and also how a second look at an edited message, or the end of a retracted answer, waits
-- until the conversation is free: as a turn that is `replaying` and revises another one. When its time comes it takes
-- over that turn's messages, and what that turn said stands where its own answer goes.
create or replace function konstruct.resume_replay() returns trigger
  language plpgsql
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  resumed record;
begin
  -- Nobody needs a second look after a worker that read the newest words after all, or after a stop.
  update turns w
  set status = 'cancelled', finished_at = clock_timestamp()
  from turns t
  where w.tenant_id = new.tenant_id and w.conversation_id = new.id and w.status = 'replaying' and w.cancel is null
    and t.tenant_id = w.tenant_id and t.id = w.revises
    and (t.answered_revision >= t.revision or t.status = 'cancelled');
  update turns t
  set status = case when t.committed_at is null then 'running' else 'committed' end,
      started_at = case when t.revises is null or exists (
        select 1 from deliveries d where d.tenant_id = t.tenant_id and d.turn_id = t.id)
        then t.started_at else clock_timestamp() end
  where t.tenant_id = new.tenant_id and t.id = (
    select w.id from turns w
    where w.tenant_id = new.tenant_id and w.conversation_id = new.id and w.status = 'replaying'
    order by w.id limit 1)
  returning t.id, t.revises, t.cancel into resumed;
  if found then
    new.turn_id := resumed.id;
    new.replays_waiting := new.replays_waiting - 1;
    new.ready_at := least(new.ready_at, now());
    insert into deliveries (tenant_id, turn_id, kind, position, channel_id, thread_id, status, attempts, external_id,
      sent_at)
    select d.tenant_id, resumed.id, 'placeholder', d.position, d.channel_id, d.thread_id, 'sent', 1, d.external_id,
      d.sent_at
    from deliveries d
    where d.tenant_id = new.tenant_id and d.turn_id = resumed.revises and d.external_id is not null
      and (d.kind = 'answer' or not exists (
        select 1 from deliveries a
        where a.tenant_id = d.tenant_id and a.turn_id = d.turn_id and a.kind = 'answer' and a.external_id is not null))
    on conflict do nothing;
    if resumed.cancel is null then
      update messages m set turn_id = resumed.id
      where m.tenant_id = new.tenant_id and m.turn_id = resumed.revises and m.direction = 'in';
    end if;
  else
    new.replays_waiting := 0;
  end if;
  return new;
end
$$;
