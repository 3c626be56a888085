-- Tenants and all that belongs to them. Every table with a tenant_id has row-level security, enabled and forced,
-- and one policy per role, in this file beside the table (test/tenancy.test.ts walks the catalogue).
--
-- Two roles, neither can log in and neither can bypass row-level security:
--   konstruct_app       what the application runs as; sees one tenant, set by set_config('konstruct.tenant_id', …, true)
--   konstruct_pipeline  owns the few `security definer` functions that must look across tenants (0002_pipeline.sql)
--
-- References between tenant tables carry the tenant_id, because foreign keys are checked without row-level security:
-- a key on the id alone would let one tenant point at another's row and learn that it exists.
--
-- Keys of the tables that grow begin with the id and end with the tenant. The other way round, every index of a table
-- fits every look-up by its first column, and as long as PostgreSQL knows little of a table (new, or a partial index
-- that was empty when it looked) all of them seem equally good. Measured on a new database, 100 admissions a call: from
-- 26 to 89 ms within 600 messages, because each key was looked up among all rows of the tenant. Those tables reach
-- their tenant through their connection or conversation; a second key to `tenants` would only be checked with every row.
--
-- A row that changes in no indexed column is updated within its page, without new index entries (heap-only). An index's
-- condition counts as such a column. Hence no index of turns and deliveries names what changes on the way of an answer.

do $$
declare
  wanted text;
  -- Up to PostgreSQL 15 every member of a role may set it.
  usable text := case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end;
begin
  foreach wanted in array array['konstruct_app', 'konstruct_pipeline'] loop
    -- Roles belong to the server: another database of it may have made them, or be making them at this moment.
    if not exists (select 1 from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin nosuperuser nobypassrls', wanted);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
    if exists (select 1 from pg_roles where rolname = wanted and (rolsuper or rolbypassrls or rolcanlogin)) then
      raise exception 'role % exists with login or the right to bypass row-level security: take both away', wanted;
    end if;
    if not pg_has_role(current_user, wanted, usable) then
      begin
        execute format('grant %I to current_user', wanted);
      exception when unique_violation then
        null;
      end;
    end if;
  end loop;
exception when insufficient_privilege then
  raise exception 'the user % may not make or use the role % (%)', current_user, wanted, sqlerrm using hint = format(
    'An administrator of the server can: create role konstruct_app nologin; create role konstruct_pipeline nologin; '
    'grant konstruct_app, konstruct_pipeline to %I;', current_user);
end
$$;

grant usage on schema konstruct to konstruct_app, konstruct_pipeline;

-- After a transaction-local set_config the setting is '' and not null outside it: hence nullif.
-- No `set search_path`: it would keep the function from being inlined, and the body is parsed when it is created.
create function konstruct.current_tenant() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('konstruct.tenant_id', true), '')::uuid;

create table konstruct.tenants (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name text not null,
  budget_daily_usd numeric(12, 4) check (budget_daily_usd >= 0),
  budget_monthly_usd numeric(12, 4) check (budget_monthly_usd >= 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table konstruct.tenants enable row level security, force row level security;
create policy app on konstruct.tenants to konstruct_app
  using (id = konstruct.current_tenant()) with check (id = konstruct.current_tenant());
create policy pipeline on konstruct.tenants to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.tenants to konstruct_app;
grant select on konstruct.tenants to konstruct_pipeline;

create table konstruct.agents (
  tenant_id uuid not null references konstruct.tenants on delete cascade,
  id uuid not null default gen_random_uuid(),
  slug text not null check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name text not null,
  role text not null default '',
  persona text not null default '',
  instructions text not null default '',
  route text not null default 'default',
  placeholder text not null default 'Thinking…',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, slug)
);
alter table konstruct.agents enable row level security, force row level security;
create policy app on konstruct.agents to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.agents to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.agents to konstruct_app;
grant select on konstruct.agents to konstruct_pipeline;

create table konstruct.connections (
  tenant_id uuid not null references konstruct.tenants on delete cascade,
  id uuid not null default gen_random_uuid(),
  agent_id uuid not null,
  channel text not null,
  -- The platform's id of the installation (Slack: workspace or organisation) and of the app ('': any app).
  external_id text not null,
  app_id text not null default '',
  agent_user_id text not null default '',
  -- Encrypted with AES-256-GCM, bound to tenant and connection (src/core/cipher.ts).
  credentials bytea not null,
  -- Whether the credentials hold a signing secret of their own: known without decrypting them.
  own_signing_secret boolean not null default false,
  settings jsonb not null default '{}',
  status text not null default 'active' check (status in ('active', 'disabled')),
  disabled_reason text,
  disabled_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, agent_id) references konstruct.agents (tenant_id, id),
  -- One installation of one app belongs to one tenant only.
  unique (channel, external_id, app_id)
);
create index connections_id on konstruct.connections (id);
create index connections_agent on konstruct.connections (tenant_id, agent_id);
alter table konstruct.connections enable row level security, force row level security;
create policy app on konstruct.connections to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.connections to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.connections to konstruct_app;
grant select, update on konstruct.connections to konstruct_pipeline;

-- Model routes belong to the installation, not to a tenant. Keys inside the entries are encrypted.
create table konstruct.routes (
  name text primary key,
  entries jsonb not null,
  updated_at timestamptz not null default now()
);
grant select, insert, update, delete on konstruct.routes to konstruct_app;

-- One thread or DM on a connection: the unit of ordering, and the queue.
--   ready_at null            idle
--   ready_at <= now()        a worker may claim it
--   ready_at in the future   leased until then (lease_owner set), or waiting for a retry (lease_owner null)
-- A worker that dies leaves nothing to sweep: its lease is a ready_at that comes.
create table konstruct.conversations (
  tenant_id uuid not null,
  id bigint generated always as identity,
  connection_id uuid not null,
  channel_id text collate "C" not null,
  -- '' for a DM outside any thread.
  thread_id text collate "C" not null default '',
  scope text not null check (scope in ('direct', 'group', 'channel')),
  ready_at timestamptz,
  lease_owner text,
  -- Grows with every claim: only the holder of the newest number may commit.
  fence bigint not null default 0,
  -- The turn that is under way, from its first claim until its answer is delivered.
  turn_id bigint,
  engaged_until timestamptz,
  -- The agent came into the middle of the thread and must read it before its first turn.
  thread_unread boolean not null default false,
  created_at timestamptz not null default now(),
  last_message_at timestamptz not null default now(),
  primary key (id, tenant_id),
  unique (connection_id, channel_id, thread_id, tenant_id),
  foreign key (tenant_id, connection_id) references konstruct.connections (tenant_id, id) on delete cascade
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
create index conversations_ready on konstruct.conversations (ready_at) where ready_at is not null;
-- For taking turns among tenants when more is ready than workers have room for.
create index conversations_ready_of_tenant on konstruct.conversations (tenant_id, ready_at) where ready_at is not null;
create index conversations_last_message on konstruct.conversations (last_message_at);
alter table konstruct.conversations enable row level security, force row level security;
create policy app on konstruct.conversations to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.conversations to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.conversations to konstruct_app, konstruct_pipeline;

-- One agent's work on the pending messages of a conversation, ending in one reply.
--   running    claimed, or waiting for a retry
--   committed  the answer is known and being delivered
--   answered   delivered
--   dead       given up after the retries: a dead letter
--   cancelled  nothing left to answer
create table konstruct.turns (
  tenant_id uuid not null,
  id bigint generated always as identity,
  conversation_id bigint not null,
  -- Null: the agent was removed. What it answered stays, without naming it.
  agent_id uuid,
  status text not null default 'running'
    check (status in ('running', 'committed', 'answered', 'dead', 'cancelled')),
  -- Where the answer goes: in a DM the thread of the message, otherwise the conversation's.
  reply_thread_id text,
  attempts integer not null default 0,
  error_code text,
  error_details jsonb,
  started_at timestamptz not null default now(),
  committed_at timestamptz,
  finished_at timestamptz,
  primary key (id, tenant_id),
  foreign key (tenant_id, conversation_id) references konstruct.conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, agent_id) references konstruct.agents (tenant_id, id) on delete set null (agent_id)
) with (fillfactor = 80);
create unique index turns_conversation on konstruct.turns (conversation_id, id, tenant_id);
create index turns_started on konstruct.turns (started_at);
-- The dead ones and few others: they all have a code, and what goes well never gets one.
create index turns_failed on konstruct.turns (id) where error_code is not null;
alter table konstruct.turns enable row level security, force row level security;
create policy app on konstruct.turns to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.turns to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.turns to konstruct_app, konstruct_pipeline;

-- With the conversation's own id: a turn that retention removes looks at that one row, without an index on turn_id.
alter table konstruct.conversations
  add foreign key (tenant_id, id, turn_id) references konstruct.turns (tenant_id, conversation_id, id);

create table konstruct.messages (
  tenant_id uuid not null,
  conversation_id bigint not null,
  id bigint generated always as identity,
  connection_id uuid not null,
  channel_id text collate "C" not null,
  -- What the platform calls the message within its channel (Slack: ts). An answer has its placeholder's from the start,
  -- because it replaces it; null while one without a placeholder is on its way out.
  external_id text collate "C",
  event_id text collate "C",
  direction text not null check (direction in ('in', 'out')),
  sender_id text not null,
  sender_name text,
  content text not null,
  mentions jsonb not null default '[]',
  attachments jsonb not null default '[]',
  channel_metadata jsonb not null default '{}',
  -- Whether the agent was asked; otherwise the message is context of the thread.
  addressed boolean not null,
  -- In a DM the answer stands in the thread of the message.
  reply_thread_id text,
  -- The turn that answers it, or that wrote it; null: pending.
  turn_id bigint,
  sent_at timestamptz not null,
  received_at timestamptz not null default now(),
  edited_at timestamptz,
  deleted_at timestamptz,
  primary key (conversation_id, id, tenant_id),
  foreign key (tenant_id, conversation_id) references konstruct.conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, connection_id) references konstruct.connections (tenant_id, id) on delete cascade,
  foreign key (tenant_id, turn_id) references konstruct.turns (tenant_id, id),
  -- Invariant 2: what the platform calls one message is stored once.
  constraint messages_external unique (connection_id, channel_id, external_id, tenant_id)
);
create unique index messages_event on konstruct.messages (event_id, connection_id, tenant_id)
  where event_id is not null;
create index messages_pending on konstruct.messages (conversation_id)
  where turn_id is null and addressed and deleted_at is null;
create index messages_turn on konstruct.messages (turn_id) where turn_id is not null;
create index messages_sent on konstruct.messages (sent_at);
alter table konstruct.messages enable row level security, force row level security;
create policy app on konstruct.messages to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.messages to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.messages to konstruct_app, konstruct_pipeline;

-- The log of a turn: written as soon as a step is known, so that nothing finished is done again.
create table konstruct.steps (
  tenant_id uuid not null,
  turn_id bigint not null,
  position integer not null,
  kind text not null check (kind in ('model', 'tool', 'delegation', 'approval')),
  outcome text not null,
  provider text,
  model text,
  input_tokens integer,
  output_tokens integer,
  cached_input_tokens integer,
  reasoning_tokens integer,
  detail jsonb not null default '{}',
  started_at timestamptz not null,
  duration_ms integer not null,
  primary key (turn_id, position, tenant_id),
  foreign key (tenant_id, turn_id) references konstruct.turns (tenant_id, id) on delete cascade
);
alter table konstruct.steps enable row level security, force row level security;
create policy app on konstruct.steps to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.steps to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.steps to konstruct_app, konstruct_pipeline;

-- The outbox: one intended outbound action. The id is the marker by which the platform's copy is found again.
--   pending   not tried yet
--   sending   being sent; after a crash its outcome is unknown
--   sent      done, external_id is the platform's id of the message
--   failed    given up
create table konstruct.deliveries (
  tenant_id uuid not null,
  id bigint generated always as identity,
  -- One of the two: notices belong to a connection, all else to a turn, which says which conversation and connection.
  connection_id uuid,
  turn_id bigint,
  kind text not null check (kind in ('placeholder', 'answer', 'notice')),
  -- An answer that is too long for one message has several parts.
  position integer not null default 0,
  channel_id text collate "C" not null,
  thread_id text,
  content text,
  -- For notices: what is said to whom, rendered when it is sent.
  detail jsonb,
  -- A notice with the same key is said once.
  dedupe_key text,
  status text not null default 'pending' check (status in ('pending', 'sending', 'sent', 'failed')),
  attempts integer not null default 0,
  external_id text collate "C",
  error_code text,
  created_at timestamptz not null default now(),
  sent_at timestamptz,
  primary key (id, tenant_id),
  foreign key (tenant_id, connection_id) references konstruct.connections (tenant_id, id) on delete cascade,
  foreign key (tenant_id, turn_id) references konstruct.turns (tenant_id, id) on delete cascade,
  check (connection_id is not null or turn_id is not null)
) with (fillfactor = 70);
-- Invariant 2: one placeholder and one final answer per turn.
create unique index deliveries_turn on konstruct.deliveries (turn_id, kind, position, tenant_id)
  where turn_id is not null;
create unique index deliveries_dedupe on konstruct.deliveries (dedupe_key, connection_id, tenant_id)
  where dedupe_key is not null;
create index deliveries_notices on konstruct.deliveries (id) where kind = 'notice' and attempts = 0;
create index deliveries_old_notices on konstruct.deliveries (created_at) where kind = 'notice';
alter table konstruct.deliveries enable row level security, force row level security;
create policy app on konstruct.deliveries to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.deliveries to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.deliveries to konstruct_app, konstruct_pipeline;

-- Token buckets. Unlogged: after a crash of the server they start full, which harms nobody.
create unlogged table konstruct.rate_buckets (
  tenant_id uuid not null references konstruct.tenants on delete cascade,
  key text collate "C" not null,
  tokens double precision not null,
  refilled_at timestamptz not null,
  -- When the bucket ran empty; null while it has tokens. One notice per person and episode.
  limited_since timestamptz,
  primary key (tenant_id, key)
) with (fillfactor = 50);
alter table konstruct.rate_buckets enable row level security, force row level security;
create policy app on konstruct.rate_buckets to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.rate_buckets to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.rate_buckets to konstruct_app, konstruct_pipeline;

-- A change to who answers where reaches every process by NOTIFY (router and orchestrator hold caches).
create function konstruct.announce_change() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  perform pg_notify('konstruct_changed', tg_table_name);
  return null;
end
$$;
create trigger announce after insert or update or delete or truncate on konstruct.tenants
  for each statement execute function konstruct.announce_change();
create trigger announce after insert or update or delete or truncate on konstruct.agents
  for each statement execute function konstruct.announce_change();
create trigger announce after insert or update or delete or truncate on konstruct.connections
  for each statement execute function konstruct.announce_change();
create trigger announce after insert or update or delete or truncate on konstruct.routes
  for each statement execute function konstruct.announce_change();
