-- As resolve_connection, by the id in a path such as /slack/events/{connectionId}.
create or replace function konstruct.find_connection(p_channel text, p_id uuid)
  returns jsonb
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select konstruct.resolve_connection(c.channel, array[c.external_id], c.app_id)
  from connections c
  where c.id = p_id and c.channel = p_channel
$$;
