-- Active connections of a channel whose credentials expire before a point in time, the most urgent first.
create or replace function konstruct.list_expiring_connections(p_channel text, p_before timestamptz)
  returns setof jsonb
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select konstruct.find_connection(c.channel, c.id) from connections c
  where c.channel = p_channel and c.status = 'active' and c.credentials_expire_at < p_before
  order by c.credentials_expire_at
  limit 1000
$$;
