-- How much waits, for health and metrics: conversations that are due (counted to 10,000) and since when.
create or replace function konstruct.queue_status()
  returns table (waiting bigint, oldest_ms double precision)
  language sql stable security definer
  set search_path = konstruct, pg_temp
  set enable_seqscan = off
as $$
  select count(*), coalesce(extract(epoch from now() - min(due.ready_at)) * 1000, 0)
  from (select c.ready_at from conversations c where c.ready_at <= now() order by c.ready_at limit 10000) due
$$;
