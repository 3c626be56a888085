-- In which conversation a message stands that a reaction names. The platform tells its id only. A placeholder, and an
-- answer on its way out, are not among the messages yet: they are looked for among the turns under way.
create or replace function konstruct.find_conversation(p_tenant_id uuid, p_connection_id uuid, p_channel_id text,
    p_external_id text)
  returns bigint
  language sql stable security definer
  set search_path = konstruct, pg_temp
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
  select coalesce(
    (select m.conversation_id from messages m
     where m.tenant_id = p_tenant_id and m.connection_id = p_connection_id
       and m.channel_id = p_channel_id collate "C" and m.external_id = p_external_id collate "C"),
    (select t.conversation_id
     from answer_parts p
     join turns t on t.tenant_id = p.tenant_id and t.id = p.turn_id
     where p.tenant_id = p_tenant_id and p.connection_id = p_connection_id
       and p.channel_id = p_channel_id collate "C" and p.external_id = p_external_id collate "C"),
    (select c.id
     from conversations c
     join deliveries d on d.tenant_id = c.tenant_id and d.turn_id = c.turn_id
     where c.tenant_id = p_tenant_id and c.ready_at is not null and c.connection_id = p_connection_id
       and c.channel_id = p_channel_id collate "C" and d.external_id = p_external_id collate "C"
     limit 1))
$$;
