-- The words of a message on record, whoever wrote it: some platforms send a reply without what it replies to. Null: it is not
-- known (any more), or was taken back. Of a long answer it is the part that stands in this message; files are named.
create or replace function konstruct.find_words(p_tenant_id uuid, p_connection_id uuid, p_channel_id text,
    p_external_id text)
  returns text
  language sql stable security definer
  set search_path = konstruct, pg_temp
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
  select coalesce(
    (select coalesce(d.content, '[' || (d.detail->'file'->>'name') || ']') from deliveries d
     where d.tenant_id = p_tenant_id
       and d.turn_id = konstruct.find_answer(p_tenant_id, p_connection_id, p_channel_id, p_external_id)
       and d.kind = 'answer' and d.external_id = p_external_id collate "C"
     limit 1),
    (select concat_ws(e'\n', nullif(m.content, ''), (
       select string_agg('[' || (f.value->>'name') || ']', ' ') from jsonb_array_elements(m.attachments) f))
     from messages m
     where m.tenant_id = p_tenant_id and m.connection_id = p_connection_id
       and m.channel_id = p_channel_id collate "C" and m.external_id = p_external_id collate "C"
       and m.deleted_at is null))
$$;
