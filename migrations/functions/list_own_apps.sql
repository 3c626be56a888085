-- Active connections that bring an app of their own: a gateway opens the sockets of those that have an app token.
create or replace function konstruct.list_own_apps(p_channel text)
  returns setof jsonb
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select konstruct.find_connection(c.channel, c.id) from connections c
  where c.channel = p_channel and c.own_signing_secret and c.status = 'active'
  order by c.id
$$;
