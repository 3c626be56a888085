-- Removes rows of the ledger that are older than p_before, at most p_limit of them; returns how many. What counts in a
-- budget of this month or the last stays whatever p_before says.
create or replace function konstruct.expire_model_calls(p_before timestamptz, p_limit integer)
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
  cut_off constant timestamptz := least(p_before, now() - interval '62 days');
  -- Ids begin with 48 bits of ms since 1970, by the caller's clock: with a day to spare, because `at` is what counts.
  newest constant uuid := (lpad(to_hex((extract(epoch from cut_off + interval '1 day') * 1000)::bigint), 12, '0')
    || repeat('0', 20))::uuid;
  gone integer;
begin
  with old as (
    select m.id, m.tenant_id from model_calls m
    where m.id < newest and m.at < cut_off
    order by m.id
    limit p_limit
    for update skip locked
  )
  delete from model_calls m using old where m.id = old.id and m.tenant_id = old.tenant_id;
  get diagnostics gone = row_count;
  return gone;
end
$$;
