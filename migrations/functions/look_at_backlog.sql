-- The tenants of which more waits than p_waiting conversations, or one for longer than p_oldest_ms (null: this bound is
-- off): how many wait (counted to 1,000) and since when it is so. An episode ends at half of the bounds, so that it does
-- not end and begin with every answer. Every gateway asks about once a second; while nothing waits that is one look at an
-- index, and only the beginning and the end of an episode are written.
create or replace function konstruct.look_at_backlog(p_waiting integer, p_oldest_ms double precision)
  returns table (tenant_id uuid, waiting bigint, busy_since timestamptz)
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set enable_sort = off
  set random_page_cost = 1.1
as $$
#variable_conflict use_column
begin
  perform set_config('synchronous_commit', 'off', true);
  return query
  with recursive due (tenant_id, oldest) as (
    -- From tenant to tenant along the index, as in claim_turns.
    (select c.tenant_id, c.ready_at from conversations c
     where c.ready_at <= now()
     order by c.tenant_id, c.ready_at limit 1)
    union all
    select n.tenant_id, n.ready_at
    from due d
    cross join lateral (
      select c.tenant_id, c.ready_at from conversations c
      where c.tenant_id > d.tenant_id and c.ready_at <= now()
      order by c.tenant_id, c.ready_at limit 1
    ) n
  ), judged as materialized (
    select d.tenant_id, w.waiting
    from due d
    left join backlogs b on b.tenant_id = d.tenant_id
    cross join lateral (select case when b.tenant_id is null then 1 else 0.5 end as part) p
    cross join lateral (
      select count(*) as waiting from (
        select 1 from conversations c
        where c.tenant_id between d.tenant_id and d.tenant_id and c.ready_at <= now()
        order by c.tenant_id, c.ready_at
        limit 1000) counted
    ) w
    where w.waiting > p_waiting * p.part or d.oldest < now() - p_oldest_ms * p.part * interval '1 ms'
  ), ended as (
    delete from backlogs b
    where not exists (select 1 from judged j where j.tenant_id = b.tenant_id)
  ), begun as (
    -- Whoever was first says when it began. One that others are writing at this moment is left to them.
    insert into backlogs as b (tenant_id)
    select j.tenant_id from judged j
    where not exists (select 1 from backlogs k where k.tenant_id = j.tenant_id)
    on conflict (tenant_id) do update set busy_since = b.busy_since
    returning b.tenant_id, b.busy_since
  )
  select j.tenant_id, j.waiting, coalesce(b.busy_since, n.busy_since)
  from judged j
  left join backlogs b on b.tenant_id = j.tenant_id
  left join begun n on n.tenant_id = j.tenant_id;
end
$$;
