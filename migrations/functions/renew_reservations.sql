-- Prolongs the leases of reservations whose calls are still under way. What a process does not name is given up.
create or replace function konstruct.renew_reservations(p_owner text, p_lease_ms integer, p_ids uuid[])
  returns integer
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set enable_bitmapscan = off
  set random_page_cost = 1.1
as $$
declare
  renewed integer;
begin
  -- A row that is locked is being settled or given up at this moment.
  with held as (
    select r.id, r.tenant_id from budget_reservations r
    where r.id = any (p_ids) and r.owner = p_owner
    for update skip locked
  )
  update budget_reservations r set lease_until = clock_timestamp() + p_lease_ms * interval '1 ms'
  from held h
  where r.id = h.id and r.tenant_id = h.tenant_id;
  get diagnostics renewed = row_count;
  return renewed;
end
$$;
