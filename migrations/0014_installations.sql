-- Connections that people made themselves in a browser, by a link of the operator's.

alter table konstruct.connections
  -- When it was installed in a browser; null: its credentials were applied.
  add column if not exists installed_at timestamptz,
  -- When its credentials have to be renewed at the latest; null: never. Known without decrypting them.
  add column if not exists credentials_expire_at timestamptz;
create index if not exists connections_expiring on konstruct.connections (credentials_expire_at)
  where credentials_expire_at is not null;

-- Each way to a platform's consent page and back is gone once. Nothing of a tenant's is in it.
create table if not exists konstruct.used_install_states (
  id text primary key,
  expires_at timestamptz not null
);
grant select, insert, delete on konstruct.used_install_states to konstruct_app;
