-- Records that the honest sentence stands in the thread, in the message p_external_id. Refused (false) when fence or
-- owner no longer fit.
create or replace function konstruct.record_apology(p_owner text, p_tenant_id uuid, p_conversation_id bigint, p_turn_id bigint,
  p_fence bigint, p_external_id text)
  returns boolean
  language plpgsql security definer
  set search_path = konstruct, pg_temp
as $$
begin
  perform 1 from conversations c
  where c.tenant_id = p_tenant_id and c.id = p_conversation_id
    and c.fence = p_fence and c.lease_owner = p_owner and c.turn_id = p_turn_id
  for no key update;
  if not found then
    return false;
  end if;
  update turns t set told_at = clock_timestamp() where t.tenant_id = p_tenant_id and t.id = p_turn_id;
  update deliveries d
  set status = 'sent', external_id = p_external_id, sent_at = coalesce(d.sent_at, clock_timestamp())
  where d.tenant_id = p_tenant_id and d.turn_id = p_turn_id and d.kind = 'placeholder' and d.position = 0;
  return true;
end
$$;
