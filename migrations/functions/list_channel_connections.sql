-- The active connections of a channel in all tenants: whose events we have to ask the platform for.
create or replace function konstruct.list_channel_connections(p_channel text)
  returns setof jsonb
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select konstruct.resolve_connection(c.channel, array[c.external_id], c.app_id)
  from connections c
  where c.channel = p_channel and c.status = 'active'
  order by c.id
$$;
