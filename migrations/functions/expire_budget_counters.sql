-- Removes counters of periods that are over, and of turns that are over, and notices made before p_before. At most p_limit
-- of each; returns how many.
create or replace function konstruct.expire_budget_counters(p_before timestamptz, p_limit integer)
  returns integer
  language plpgsql security definer
  set search_path = konstruct, pg_temp
as $$
declare
  counters integer;
  notices integer;
begin
  with old as (
    select c.tenant_id, c.scope, c.subject, c.period, c.starts_at from budget_counters c
    -- Two days for calls that were reserved before the end and are settled after it.
    where c.ends_at < now() - interval '2 days' or c.period = 'turn' and not exists (
      select 1 from turns t where t.id = c.subject::bigint and t.tenant_id = c.tenant_id
        and t.status in ('running', 'committed', 'replaying'))
    limit p_limit
    for update skip locked
  )
  delete from budget_counters c using old
  where c.tenant_id = old.tenant_id and c.scope = old.scope and c.subject = old.subject and c.period = old.period
    and c.starts_at = old.starts_at;
  get diagnostics counters = row_count;
  with old as (
    select n.id, n.tenant_id from operator_notices n
    where n.created_at < least(p_before, now() - interval '32 days')
    order by n.created_at
    limit p_limit
    for update skip locked
  )
  delete from operator_notices n using old where n.id = old.id and n.tenant_id = old.tenant_id;
  get diagnostics notices = row_count;
  return greatest(counters, notices);
end
$$;
