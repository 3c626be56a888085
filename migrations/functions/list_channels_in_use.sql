-- The channels that have an active connection in any tenant: what a process loads before it is ready.
create or replace function konstruct.list_channels_in_use()
  returns setof text
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select distinct c.channel from connections c where c.status = 'active' order by 1
$$;
