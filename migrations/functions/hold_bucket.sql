-- Holds an event's rate bucket until the end of the transaction, and so the admissions of its connection: what they have
-- stored is seen afterwards, and those that come later see what was stored here.
create or replace function konstruct.hold_bucket(p_event jsonb)
  returns void
  language sql security definer
  set search_path = konstruct, pg_temp
as $$
  insert into rate_buckets as b (tenant_id, key, tokens, refilled_at)
  select t.id, p_event->>'bucketKey', (p_event->>'ratePerMinute')::double precision, clock_timestamp()
  from tenants t
  where t.id = (p_event->>'tenantId')::uuid and p_event->>'bucketKey' is not null
  on conflict (tenant_id, key) do update set key = excluded.key
  where false -- locks the row and writes nothing
$$;
