-- The newest notices for operators of all tenants since p_since (`konstruct doctor`).
create or replace function konstruct.list_operator_notices(p_since timestamptz, p_limit integer)
  returns table (tenant text, kind text, detail jsonb, created_at timestamptz)
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select t.slug, n.kind, n.detail, n.created_at
  from operator_notices n
  join tenants t on t.id = n.tenant_id
  where n.created_at >= p_since
  order by n.created_at desc
  limit p_limit
$$;
