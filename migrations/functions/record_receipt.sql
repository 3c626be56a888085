-- What a platform says, by itself, became of a message of ours: see AdmitReceipt in src/router/admit-receipt.ts. The
-- message is found by our marker (the id of its delivery) or by the platform's id of it.
--   sent    an answer whose fate nobody knew was sent: it is not sent again, and a turn that waits for nothing else ends
--   failed  an answer that the platform had accepted did not arrive: its turn becomes a dead letter
-- A failure that comes before the turn has ended (within milliseconds of being accepted, or while an answer is in doubt) is
-- only reported: the worker that holds the turn decides how it ends.
-- Outcomes: receipt (ready: there is work), undelivered (with turnId), unknown_message.
create or replace function konstruct.record_receipt(p_receipt jsonb)
  returns jsonb
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  tenant constant uuid := (p_receipt->>'tenantId')::uuid;
  on_connection constant uuid := (p_receipt->>'connectionId')::uuid;
  named constant text := p_receipt->>'messageId';
  failure constant jsonb := nullif(p_receipt->'failure', 'null');
  of_turn bigint;
  conversation record;
  delivery record;
  turn record;
  ready boolean := false;
begin
  if p_receipt->>'deliveryId' is not null then
    select d.turn_id into of_turn from deliveries d
    where d.tenant_id = tenant and d.id = (p_receipt->>'deliveryId')::bigint;
  else
    select m.turn_id into of_turn from messages m
    where m.tenant_id = tenant and m.connection_id = on_connection
      and m.channel_id = (p_receipt->>'channelId') collate "C" and m.external_id = named collate "C"
      and m.direction = 'out';
  end if;
  -- The conversation first, as everybody does. Whose connection it is, only our own record says.
  select c.id, c.turn_id, c.lease_owner into conversation
  from turns t
  join conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
  where t.tenant_id = tenant and t.id = of_turn and c.connection_id = on_connection
  for no key update of c;
  if not found then
    return '{"outcome": "unknown_message"}';
  end if;

  select d.id, d.position, d.status, d.external_id, d.error_code into delivery
  from deliveries d
  where d.tenant_id = tenant and d.turn_id = of_turn and d.kind = 'answer'
    and case when p_receipt->>'deliveryId' is null then d.position = 0
             else d.id = (p_receipt->>'deliveryId')::bigint end;
  -- Of an attempt that another has replaced.
  if not found or delivery.external_id is distinct from named and delivery.external_id is not null then
    return '{"outcome": "unknown_message"}';
  end if;
  select t.status, t.error_code into turn from turns t where t.tenant_id = tenant and t.id = of_turn;

  if failure is not null then
    -- Also of a dead letter that died because nobody knew: now somebody does.
    if turn.status = 'answered' or turn.status = 'dead' and turn.error_code = 'delivery_uncertain' then
      update deliveries d set status = 'failed', external_id = null, sent_at = null, error_code = failure->>'code'
      where d.tenant_id = tenant and d.id = delivery.id;
      update turns t
      set status = 'dead', error_code = failure->>'code',
        error_details = jsonb_build_object('platformError', failure->'platformError')
      where t.tenant_id = tenant and t.id = of_turn;
    end if;
    return jsonb_build_object('outcome', 'undelivered', 'turnId', of_turn);
  end if;

  if delivery.external_id is not null
    or delivery.status <> 'sending' and delivery.error_code is distinct from 'delivery_uncertain'
  then
    return '{"outcome": "receipt"}';
  end if;
  update deliveries d set status = 'sent', external_id = named, sent_at = clock_timestamp(), error_code = null
  where d.tenant_id = tenant and d.id = delivery.id;
  if delivery.position = 0 then
    update messages m set external_id = named
    where m.tenant_id = tenant and m.conversation_id = conversation.id and m.turn_id = of_turn and m.direction = 'out'
      and m.external_id is null
      and not exists (
        select 1 from messages known
        where known.tenant_id = tenant and known.connection_id = on_connection
          and known.channel_id = m.channel_id and known.external_id = named collate "C");
  end if;
  if conversation.turn_id = of_turn and conversation.lease_owner is null then
    -- It waits for the next attempt, which has nothing to wait for any more.
    update conversations c set ready_at = least(c.ready_at, now())
    where c.tenant_id = tenant and c.id = conversation.id and c.ready_at is not null;
    ready := found;
  elsif turn.status = 'dead' and turn.error_code = 'delivery_uncertain' and not exists (
    select 1 from deliveries d
    where d.tenant_id = tenant and d.turn_id = of_turn and d.kind = 'answer' and d.status <> 'sent')
  then
    update turns t set status = 'answered', error_code = null, error_details = null
    where t.tenant_id = tenant and t.id = of_turn;
  end if;
  if ready then
    notify konstruct_ready;
  end if;
  return jsonb_build_object('outcome', 'receipt') || case when ready then '{"ready": true}'::jsonb else '{}' end;
end
$$;
