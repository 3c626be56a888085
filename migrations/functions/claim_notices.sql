-- Takes notices that are due (rate limits, backlogs), with what sending them needs. Notices live outside of turns.
-- That answers take a while need not be said any more (`moot`) where a turn has begun or nothing waits.
create or replace function konstruct.claim_notices(p_limit integer)
  returns setof jsonb
  language sql security definer
  set search_path = konstruct, pg_temp
  set enable_seqscan = off
as $$
  with due as (
    select d.tenant_id, d.id from deliveries d
    where d.kind = 'notice' and d.attempts < 3 and d.status = 'pending'
    order by d.id
    limit p_limit
    for update skip locked
  ), taken as (
    update deliveries d set status = 'sending', attempts = d.attempts + 1
    from due
    where d.tenant_id = due.tenant_id and d.id = due.id
    returning d.*
  )
  select jsonb_build_object('id', t.id, 'tenantId', t.tenant_id, 'channelId', t.channel_id, 'threadId', t.thread_id,
    'detail', t.detail, 'attempts', t.attempts,
    'moot', t.detail->>'code' = 'busy' and not exists (
      select 1 from conversations c
      where c.tenant_id = t.tenant_id and c.id = (t.detail->>'conversationId')::bigint
        and c.ready_at is not null and c.lease_owner is null),
    'createdAtMs', extract(epoch from t.created_at) * 1000,
    'connection', jsonb_build_object('id', k.id, 'channel', k.channel, 'externalId', k.external_id,
      'agentUserId', k.agent_user_id, 'settings', k.settings, 'status', k.status,
      'credentials', encode(k.credentials, 'base64')))
  from taken t
  join connections k on k.tenant_id = t.tenant_id and k.id = t.connection_id
$$;
