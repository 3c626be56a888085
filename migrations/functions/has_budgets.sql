-- Whether any limit can apply to a call of the tenant. Calls of those without are not reserved, only written down.
create or replace function konstruct.has_budgets(p_tenant_id uuid)
  returns boolean
  language sql stable security definer
  set search_path = konstruct, pg_temp
  set enable_seqscan = off
as $$
  select exists (
      select 1 from tenants t
      where t.id = p_tenant_id and num_nonnulls(t.budget_daily_usd, t.budget_monthly_usd, t.budget_daily_tokens,
        t.budget_monthly_tokens, t.person_budget_daily_usd, t.person_budget_monthly_usd, t.person_budget_daily_tokens,
        t.person_budget_monthly_tokens) > 0)
    or exists (
      select 1 from agents a
      where a.tenant_id = p_tenant_id and num_nonnulls(a.budget_daily_usd, a.budget_monthly_usd,
        a.budget_daily_tokens, a.budget_monthly_tokens, a.max_turn_usd) > 0)
$$;
