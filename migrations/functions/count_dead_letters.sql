-- How many dead letters there are, and how many of them died since p_since.
create or replace function konstruct.count_dead_letters(p_since timestamptz)
  returns table (total bigint, recent bigint)
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select count(*), count(*) filter (where t.finished_at >= p_since) from turns t
  where t.error_code is not null and t.status = 'dead'
$$;
