-- Which turn's answer a message of ours is (or a part of it); null: it is none. The platform tells its id only.
create or replace function konstruct.find_answer(p_tenant_id uuid, p_connection_id uuid, p_channel_id text,
    p_external_id text)
  returns bigint
  language sql stable security definer
  set search_path = konstruct, pg_temp
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
  select coalesce(
    (select m.turn_id from messages m
     where m.tenant_id = p_tenant_id and m.connection_id = p_connection_id
       and m.channel_id = p_channel_id collate "C" and m.external_id = p_external_id collate "C"
       and m.direction = 'out'),
    (select p.turn_id from answer_parts p
     where p.tenant_id = p_tenant_id and p.connection_id = p_connection_id
       and p.channel_id = p_channel_id collate "C" and p.external_id = p_external_id collate "C"))
$$;
