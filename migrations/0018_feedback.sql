-- What people think of answers: 👍 and 👎 on them, kept with the turn. Written by apply_feedback.

create table konstruct.feedback (
  tenant_id uuid not null,
  turn_id bigint not null,
  -- The platform's id of the person.
  person_id text collate "C" not null,
  -- The newest of the marks that are on; null: all were taken off again.
  verdict text check (verdict in ('up', 'down')),
  -- "messageId verdict" → {"at": ms since 1970, "on": true or false}. What was taken off stays for a day, so that a late copy
  -- of the mark changes nothing.
  marks jsonb not null default '{}',
  given_at timestamptz not null default now(),
  primary key (turn_id, person_id, tenant_id),
  foreign key (tenant_id, turn_id) references konstruct.turns (tenant_id, id) on delete cascade
);
-- For the list of an operator, and for retention of what was taken off.
create index feedback_given on konstruct.feedback (tenant_id, given_at) where verdict is not null;
create index feedback_taken_back on konstruct.feedback (given_at) where verdict is null;
alter table konstruct.feedback enable row level security, force row level security;
create policy app on konstruct.feedback to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.feedback to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.feedback to konstruct_app, konstruct_pipeline;

-- Which turn a further part of a long answer belongs to: a reaction names the message only, and our record has the first
-- part's. Few answers have one, so deliveries need no index on what changes on their way.
create table konstruct.answer_parts (
  tenant_id uuid not null,
  connection_id uuid not null,
  channel_id text collate "C" not null,
  external_id text collate "C" not null,
  turn_id bigint not null,
  primary key (connection_id, channel_id, external_id, tenant_id),
  foreign key (tenant_id, connection_id) references konstruct.connections (tenant_id, id) on delete cascade,
  foreign key (tenant_id, turn_id) references konstruct.turns (tenant_id, id) on delete cascade
);
create index answer_parts_turn on konstruct.answer_parts (turn_id);
alter table konstruct.answer_parts enable row level security, force row level security;
create policy app on konstruct.answer_parts to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.answer_parts to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.answer_parts to konstruct_app, konstruct_pipeline;
