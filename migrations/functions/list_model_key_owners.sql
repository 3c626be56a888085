-- Which tenants brought keys of their own for model providers, so that a turn of another tenant asks nothing. No keys.
create or replace function konstruct.list_model_key_owners()
  returns setof uuid
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select distinct k.tenant_id from model_keys k
$$;
