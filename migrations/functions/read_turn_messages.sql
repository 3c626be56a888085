-- What a turn has to answer by now: its messages as they stand, and the revision that they are of. Null when the lease was
-- lost. Asked between the steps of a turn that takes in what comes while it runs.
create or replace function konstruct.read_turn_messages(p_owner text, p_tenant_id uuid, p_conversation_id bigint,
    p_turn_id bigint, p_fence bigint)
  returns jsonb
  language sql stable security definer
  set search_path = konstruct, pg_temp
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
  select jsonb_build_object('revision', t.revision, 'messages', coalesce((
    select jsonb_agg(jsonb_build_object('id', m.id, 'externalId', m.external_id, 'direction', m.direction,
      'senderId', m.sender_id, 'senderName', m.sender_name, 'content', m.content, 'mentions', m.mentions,
      'attachments', m.attachments, 'addressed', m.addressed, 'sentAtMs', extract(epoch from m.sent_at) * 1000,
      'receivedAtMs', extract(epoch from m.received_at) * 1000, 'turnId', m.turn_id, 'ofTurn', true)
      order by m.sent_at, m.id)
    from messages m
    where m.tenant_id = t.tenant_id and m.turn_id = t.id and m.direction = 'in' and m.deleted_at is null), '[]'))
  from conversations c
  join turns t on t.tenant_id = c.tenant_id and t.id = c.turn_id
  where c.tenant_id = p_tenant_id and c.id = p_conversation_id and c.turn_id = p_turn_id and c.fence = p_fence
    and c.lease_owner = p_owner
$$;
