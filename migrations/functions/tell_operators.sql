-- Notes something about a budget for the tenant's operators, once per budget, period, unit and limit. Returns whether it is
-- news.
create or replace function konstruct.tell_operators(p_tenant_id uuid, p_kind text, p_scope text, p_subject text,
    p_period text, p_starts_at timestamptz, p_ends_at timestamptz, p_unit text, p_limit bigint, p_spent bigint)
  returns boolean
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
as $$
declare
  key constant text := concat_ws(' ', p_kind, p_unit, p_period, extract(epoch from p_starts_at)::bigint, p_limit, p_scope,
    p_subject);
begin
  if exists (select 1 from operator_notices n where n.dedupe_key = key and n.tenant_id = p_tenant_id) then
    return false;
  end if;
  insert into operator_notices (tenant_id, kind, dedupe_key, detail)
  values (p_tenant_id, p_kind, key, jsonb_build_object('scope', p_scope, 'subject', p_subject, 'period', p_period,
    'unit', p_unit, 'limit', p_limit, 'spent', p_spent, 'endsAtMs', extract(epoch from p_ends_at) * 1000))
  on conflict do nothing;
  return found;
end
$$;
