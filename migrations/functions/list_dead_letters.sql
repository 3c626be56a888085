-- Ids of dead letters, the newest turn first, and to whom they belong. p_tenant_id null: of all tenants.
create or replace function konstruct.list_dead_letters(p_tenant_id uuid, p_discarded boolean, p_limit integer)
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
