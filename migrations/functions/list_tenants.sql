-- Tenants of the installation, for operators (`konstruct apply`, `export`, `doctor`).
create or replace function konstruct.list_tenants()
  returns table (id uuid, slug text, name text)
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select t.id, t.slug, t.name from tenants t order by t.slug
$$;
