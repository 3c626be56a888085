-- What keeps one tenant's crowd from being everybody's: how many of its turns run at a time, and since when its people are
-- told that answers take a while.

-- Null: what the installation says (TENANT_CONCURRENCY).
alter table konstruct.tenants add column if not exists max_concurrent_turns integer check (max_concurrent_turns > 0);

-- The turns that run: what a claim counts of a tenant that has more waiting than may run. Those that wait for a retry are
-- in conversations_ready_of_tenant too, and after an outage they may be thousands. Of the condition, `ready_at is not null`
-- keeps it away from whoever looks for one conversation of an owner (commit, finish, renew): on a new database PostgreSQL
-- takes any index that begins with the tenant (0001_tenancy.sql).
create index if not exists conversations_leased on konstruct.conversations (tenant_id, ready_at)
  where ready_at is not null and lease_owner is not null;

-- Tenants with more waiting than is soon done, and since when: one episode. Unlogged: after a crash of the server another
-- episode begins, and somebody may be told twice.
create unlogged table if not exists konstruct.backlogs (
  tenant_id uuid primary key references konstruct.tenants on delete cascade,
  busy_since timestamptz not null default now()
);
alter table konstruct.backlogs enable row level security, force row level security;
create policy app on konstruct.backlogs to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.backlogs to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.backlogs to konstruct_app, konstruct_pipeline;
