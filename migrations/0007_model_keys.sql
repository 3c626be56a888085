-- A tenant's own keys for model providers, and what a route says beside its entries.

create table konstruct.model_keys (
  tenant_id uuid not null references konstruct.tenants on delete cascade,
  provider text not null,
  -- A JSON list, encrypted with AES-256-GCM, bound to tenant and provider (src/core/cipher.ts).
  keys bytea not null,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, provider)
);
alter table konstruct.model_keys enable row level security, force row level security;
create policy app on konstruct.model_keys to konstruct_app
  using (tenant_id = konstruct.current_tenant()) with check (tenant_id = konstruct.current_tenant());
create policy pipeline on konstruct.model_keys to konstruct_pipeline using (true) with check (true);
grant select, insert, update, delete on konstruct.model_keys to konstruct_app;
-- Who has keys, and never the keys.
grant select (tenant_id) on konstruct.model_keys to konstruct_pipeline;

create trigger announce after insert or update or delete or truncate on konstruct.model_keys
  for each statement execute function konstruct.announce_change();

-- Timeouts, hedging, what becomes of a refusal.
alter table konstruct.routes add column options jsonb not null default '{}';
