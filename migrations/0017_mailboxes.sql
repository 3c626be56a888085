-- What people and the agent said to each other on channels that have no platform of their own (the web widget): the
-- installation itself keeps it, and people's browsers come for it. docs/decisions/0021-widget.md says why it is made so.
--
-- A browser that was away asks for all that changed behind a revision. So revisions of a mailbox must become visible in
-- their order: whoever writes into it holds its row until the end of the transaction.

create table konstruct.mailboxes (
  tenant_id uuid not null,
  connection_id uuid not null,
  -- One visitor's; nobody else reads it.
  channel_id text collate "C" not null,
  -- Of the last change. It begins at the time of day in ms, so that a mailbox that was removed and comes again never
  -- repeats a number that a browser may still know.
  revision bigint not null,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  primary key (connection_id, channel_id, tenant_id),
  foreign key (tenant_id, connection_id) references konstruct.connections (tenant_id, id) on delete cascade
) with (fillfactor = 70);
create index mailboxes_changed on konstruct.mailboxes (changed_at);
alter table konstruct.mailboxes enable row level security, force row level security;
create policy app on konstruct.mailboxes to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.mailboxes to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.mailboxes to konstruct_app, konstruct_pipeline;

create table konstruct.mailbox_messages (
  tenant_id uuid not null,
  id bigint generated always as identity,
  connection_id uuid not null,
  channel_id text collate "C" not null,
  direction text not null check (direction in ('in', 'out')),
  -- What the browser called its message: sent again after a lost ack it is the same one.
  client_id text collate "C",
  -- The delivery it comes from, by which it is found again.
  marker text collate "C",
  content text not null,
  choices jsonb not null default '[]',
  author_name text,
  -- A placeholder: the answer will stand in its place.
  is_provisional boolean not null default false,
  -- Taken away; the row stays until retention takes it, for browsers that still show it.
  is_removed boolean not null default false,
  revision bigint not null,
  created_at timestamptz not null default now(),
  primary key (id, tenant_id),
  foreign key (tenant_id, connection_id, channel_id)
    references konstruct.mailboxes (tenant_id, connection_id, channel_id) on delete cascade,
  check ((direction = 'in') = (client_id is not null))
) with (fillfactor = 70);
create index mailbox_messages_revision on konstruct.mailbox_messages (connection_id, channel_id, revision);
create index mailbox_messages_newest on konstruct.mailbox_messages (connection_id, channel_id, id);
create unique index mailbox_messages_client on konstruct.mailbox_messages
  (connection_id, channel_id, client_id, tenant_id) where client_id is not null;
create index mailbox_messages_created on konstruct.mailbox_messages (created_at);
alter table konstruct.mailbox_messages enable row level security, force row level security;
create policy app on konstruct.mailbox_messages to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.mailbox_messages to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.mailbox_messages to konstruct_app, konstruct_pipeline;
