-- Ends delivered turns and releases their conversations; what came in meanwhile makes them ready again, checked in this
-- transaction, so no wake-up is lost. Turns: see FinishTurn in src/core/turn.ts. Returns the ids of the turns ended.
-- Losing this write in a crash of the server is harmless (the committed answer is found on the platform by its marker or
-- edited to the same text once more), so it does not wait for the disk.
create or replace function konstruct.finish_turns(p_owner text, p_turns jsonb)
  returns setof bigint
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set random_page_cost = 1.1
as $$
declare
  held jsonb;
  more boolean;
begin
  perform set_config('synchronous_commit', 'off', true);

  -- The lock comes first and in a statement of its own: the check for pending messages below must see what a gateway
  -- committed while this transaction waited for the row.
  with locked as (
    select i as turn
    from jsonb_array_elements(p_turns) i
    join conversations c on c.tenant_id = (i->>'tenantId')::uuid and c.id = (i->>'conversationId')::bigint
    where c.fence = (i->>'fence')::bigint and c.lease_owner = p_owner and c.turn_id = (i->>'turnId')::bigint
    order by c.connection_id, c.channel_id, c.thread_id
    for no key update of c
  )
  select coalesce(jsonb_agg(l.turn), '[]') into held from locked l;

  with input as materialized (
    select i.* from jsonb_to_recordset(held) as i ("tenantId" uuid, "turnId" bigint, "conversationId" bigint,
      status text, "errorCode" text, "externalIds" jsonb)
  ), part as materialized (
    -- Looked up one by one, as in claim_turns.
    select d.tenant_id, d.id, e.external_id, i."errorCode" as error_code
    from input i
    cross join lateral jsonb_array_elements_text(i."externalIds") with ordinality as e (external_id, place)
    cross join lateral (
      select a.tenant_id, a.id from deliveries a
      where a.tenant_id = i."tenantId" and a.turn_id = i."turnId" and a.kind = 'answer' and a.position = e.place - 1
      offset 0
    ) d
  ), sent as (
    update deliveries d
    set status = case when p.external_id is null then 'failed' else 'sent' end,
        external_id = coalesce(p.external_id, d.external_id), error_code = p.error_code,
        sent_at = case when p.external_id is null then null else clock_timestamp() end,
        -- Nobody needs the bytes of a file any more.
        detail = d.detail #- '{file,content}'
    from part p
    where d.id = p.id and d.tenant_id = p.tenant_id
  ), further as (
    -- Reactions on it name the message only. A part of an earlier answer that this one replaces is this one's now.
    insert into answer_parts (tenant_id, connection_id, channel_id, external_id, turn_id)
    select c.tenant_id, c.connection_id, c.channel_id, e.external_id, i."turnId"
    from input i
    cross join lateral jsonb_array_elements_text(i."externalIds") with ordinality as e (external_id, place)
    join conversations c on c.tenant_id = i."tenantId" and c.id = i."conversationId"
    where e.place > 1 and e.external_id is not null
    on conflict (connection_id, channel_id, external_id, tenant_id) do update set turn_id = excluded.turn_id
  ), answer as materialized (
    select m.tenant_id, m.conversation_id, m.id, i."externalIds"->>0 as external_id
    from input i
    cross join lateral (
      select * from messages a
      where a.tenant_id = i."tenantId" and a.turn_id = i."turnId" and a.direction = 'out'
      offset 0
    ) m
    where i."externalIds"->>0 is not null
      -- Its own name since the commit; or whoever read the thread meanwhile stored the answer as a message of it.
      and not exists (select 1 from messages known
        where known.tenant_id = m.tenant_id and known.connection_id = m.connection_id
          and known.channel_id = m.channel_id and known.external_id = i."externalIds"->>0
        offset 0)
  ), message as (
    update messages m set external_id = a.external_id
    from answer a
    where m.conversation_id = a.conversation_id and m.id = a.id and m.tenant_id = a.tenant_id
  )
  update turns t
  set status = i.status, finished_at = clock_timestamp(), error_code = coalesce(i."errorCode", t.error_code)
  from input i
  where t.tenant_id = i."tenantId" and t.id = i."turnId";

  return query
  with input as materialized (
    select i.* from jsonb_to_recordset(held) as i ("tenantId" uuid, "turnId" bigint, "conversationId" bigint,
      "followMs" double precision)
  ), released as (
    update conversations c
    set lease_owner = null, turn_id = null, thread_unread = false,
        engaged_until = case when c.engaged_until = '-infinity' then null -- somebody said stop while it was delivered
                             when i."followMs" is null then c.engaged_until
                             else now() + i."followMs" * interval '1 ms' end,
        ready_at = case when exists (
          select 1 from messages m
          where m.tenant_id = c.tenant_id and m.conversation_id = c.id
            and m.turn_id is null and m.addressed and m.deleted_at is null) then now() end
    from input i
    where c.tenant_id = i."tenantId" and c.id = i."conversationId"
    returning i."turnId" as turn_id, c.ready_at
  )
  select r.turn_id from released r;

  -- What came in meanwhile, and what had to wait because the tenant had as many turns running as it may.
  select exists (
    select 1
    from (select distinct i."tenantId" as id from jsonb_to_recordset(held) as i ("tenantId" uuid)) t
    cross join lateral (
      select 1 from conversations c
      where c.tenant_id between t.id and t.id and c.ready_at <= now()
      order by c.tenant_id, c.ready_at limit 1
    ) waiting) into more;
  if more then
    notify konstruct_ready;
  end if;
end
$$;
