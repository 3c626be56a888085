-- Leases up to p_limit ready conversations to p_owner for p_lease_ms, opens or resumes a turn for each and returns all
-- that is needed to run it: see ClaimedTurn in src/core/turn.ts. The longest waiting come first; if more are ready than
-- asked for, the tenants take turns, beginning after p_after, and nobody waits behind another tenant's thousands.
-- It waits for the disk: what the worker then sends carries the ids of these rows. Were they lost in a crash of the server,
-- nobody would know the placeholder that stands there, and the next claim would give the same ids and fence again.
-- A tenant has at most max_concurrent_turns of them at a time, or p_tenant_turns (null: any number), over all workers and
-- without a lock of its own: of its ready conversations a claim looks only at the first ones, as many as may run beside
-- those that are leased. What another worker is claiming at this moment is not leased yet for anybody else to see, but it
-- is among those first ones, and locked. So the number can be passed only by what others cannot see at all yet: a batch of
-- messages of this tenant that is stored and claimed by one call (admit_and_claim), and conversations that become visible
-- out of their order (their admission began before that of one that is being claimed, and is committed after it).
drop function if exists konstruct.claim_turns(text, integer, integer, integer, uuid); -- without p_tenant_turns
create or replace function konstruct.claim_turns(p_owner text, p_limit integer, p_lease_ms integer, p_history integer,
    p_after uuid, p_tenant_turns integer default null)
  returns setof jsonb
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set enable_sort = off
  set random_page_cost = 1.1
as $$
declare
  ready jsonb;
  crowded uuid[];
  rest jsonb := '[]';
  is_plain boolean;
  conversation record;
  agent record;
  history record;
  turn record;
  placeholder bigint;
begin
  -- The lock comes in a statement of its own: what the next one sees of the messages is then at least as new as it.
  with picked as (
    select c.tenant_id, c.id from conversations c
    where c.ready_at <= now()
    order by c.ready_at
    limit p_limit
    for no key update skip locked
  ), crowd as (
    -- Tenants that have more ready, leased or waiting for a retry than may run: only these have to be counted exactly.
    select t.tenant_id
    from (select distinct p.tenant_id from picked p) t
    join tenants n on n.id = t.tenant_id
    where coalesce(n.max_concurrent_turns, p_tenant_turns) < (
      select count(*) from (
        select 1 from conversations c
        where c.tenant_id between t.tenant_id and t.tenant_id and c.ready_at is not null
        order by c.tenant_id, c.ready_at
        limit coalesce(n.max_concurrent_turns, p_tenant_turns, 0) + 1) counted)
  )
  select (select jsonb_agg(to_jsonb(p)) from picked p), (select array_agg(c.tenant_id) from crowd c)
  into ready, crowded;
  if ready is null then
    return;
  end if;

  if jsonb_array_length(ready) = p_limit or crowded is not null then
    -- From tenant to tenant along the index, round to p_after, until p_limit of them have room, however much each of them
    -- has. The order by both columns, and `between` for `=`, leave no other index to choose.
    with recursive walk (tenant_id, lap, place, room) as (
      select p_after, 0, 0, 0::bigint
      union all
      select n.tenant_id, n.lap, w.place + (n.room > 0)::integer, n.room
      from walk w
      cross join lateral (
        select f.tenant_id, f.lap,
          case when l.turns is null then p_limit else l.turns - (
            select count(*) from (
              select 1 from conversations c
              where c.tenant_id between f.tenant_id and f.tenant_id and c.lease_owner is not null and c.ready_at > now()
              order by c.tenant_id, c.ready_at
              limit l.turns) running) end as room
        from (
          (select c.tenant_id, 0 as lap from conversations c
           where w.lap = 0 and c.tenant_id > w.tenant_id and c.ready_at <= now()
           order by c.tenant_id, c.ready_at limit 1)
          union all
          (select c.tenant_id, 1 from conversations c
           where c.tenant_id > case w.lap when 0 then '00000000-0000-0000-0000-000000000000' else w.tenant_id end
             and c.tenant_id <= p_after and c.ready_at <= now()
           order by c.tenant_id, c.ready_at limit 1)
          limit 1
        ) f
        cross join lateral (
          select coalesce(t.max_concurrent_turns, p_tenant_turns) as turns from tenants t where t.id = f.tenant_id
        ) l
      ) n
      where w.place < p_limit
    ), due as materialized (
      select w.tenant_id, w.place, w.room from walk w where w.room > 0
    ), candidate as materialized (
      select f.tenant_id, f.id, f.round, d.place
      from due d
      cross join lateral (
        select o.tenant_id, o.id, row_number() over () as round
        from (
          select c.tenant_id, c.id from conversations c
          where c.tenant_id between d.tenant_id and d.tenant_id and c.ready_at <= now()
          order by c.tenant_id, c.ready_at
          -- All that may run of a crowded tenant: of the first ones, others hold some at this moment.
          limit case when d.tenant_id = any (crowded) then d.room
                     else least(d.room, ceil(p_limit::double precision / (select count(*) from due))) end
        ) o
      ) f
    ), fair as (
      select c.tenant_id, c.id
      from (select n.* from candidate n order by n.round, n.place) n
      join conversations c on c.tenant_id = n.tenant_id and c.id = n.id
      -- Not `ready_at <= now()`: that would let all that is ready of the tenant be read for each of them (seen).
      where coalesce(c.ready_at, 'infinity') <= now()
      limit p_limit
      for no key update of c skip locked
    ), chosen as (
      select f.tenant_id, f.id, 0 as choice from fair f
      union all
      -- Held already: instead of what other workers took meanwhile. Of a crowded tenant they may be too many.
      (select r.tenant_id, r.id, 1 from jsonb_to_recordset(ready) as r (tenant_id uuid, id bigint)
       where not exists (select 1 from fair f where f.tenant_id = r.tenant_id and f.id = r.id)
         and r.tenant_id <> all (coalesce(crowded, '{}')))
      order by choice
      limit p_limit
    )
    select jsonb_agg(jsonb_build_object('tenant_id', c.tenant_id, 'id', c.id)) into ready from chosen c;
    if ready is null then
      return;
    end if;
  end if;

  -- At little load: new turns of short conversations (nearly all are) one by one, in small statements. For one or two turns
  -- setting the large one below up costs more than running it, from four on it is cheaper (docs/performance.md).
  for conversation in
    select c.tenant_id, c.id, c.connection_id, c.channel_id, c.thread_id, c.scope, c.fence, c.thread_unread, c.turn_id
    from jsonb_to_recordset(case when jsonb_array_length(ready) <= 2 then ready end) as r (tenant_id uuid, id bigint)
    join conversations c on c.tenant_id = r.tenant_id and c.id = r.id
  loop
    is_plain := false;
    if conversation.turn_id is null and (conversation.scope <> 'direct' or conversation.thread_id = '') then
      select k.agent_id as id, n.name as tenant_name,
        jsonb_build_object('id', a.id, 'tenantId', a.tenant_id, 'slug', a.slug, 'name', a.name, 'role', a.role,
          'persona', a.persona, 'instructions', a.instructions, 'route', a.route, 'placeholder', a.placeholder,
          'icon', a.icon, 'tools', a.tools, 'busyMode', a.busy_mode,
          'limits', jsonb_build_object('maxSteps', a.max_steps, 'maxToolCalls', a.max_tool_calls,
          'maxTurnSeconds', a.max_turn_seconds, 'maxTurnUsd', a.max_turn_usd)) as agent,
        jsonb_build_object('id', k.id, 'channel', k.channel, 'externalId', k.external_id,
          'agentUserId', k.agent_user_id, 'settings', k.settings, 'status', k.status,
          'credentials', encode(k.credentials, 'base64')) as connection
      into agent
      from connections k
      join agents a on a.tenant_id = k.tenant_id and a.id = k.agent_id
      join tenants n on n.id = k.tenant_id
      where k.tenant_id = conversation.tenant_id and k.id = conversation.connection_id and k.status = 'active';
      is_plain := found;
      select count(*) as messages, array_agg(m.id) filter (where m.of_turn) as pending,
        (array_agg(m.reply_thread_id order by m.sent_at desc, m.id desc) filter (where m.of_turn))[1] as reply_thread_id,
        jsonb_agg(jsonb_build_object('id', m.id, 'externalId', m.external_id, 'direction', m.direction,
          'senderId', m.sender_id, 'senderName', m.sender_name, 'content', m.content, 'mentions', m.mentions,
          'attachments', m.attachments, 'addressed', m.addressed, 'sentAtMs', extract(epoch from m.sent_at) * 1000,
          'receivedAtMs', extract(epoch from m.received_at) * 1000, 'turnId', m.turn_id, 'ofTurn', m.of_turn)
          order by m.sent_at, m.id) as shown
      into history
      from (
        select n.*, n.turn_id is null and n.addressed as of_turn from messages n
        where n.tenant_id = conversation.tenant_id and n.conversation_id = conversation.id and n.deleted_at is null
        order by n.id desc limit p_history
      ) m;
      is_plain := is_plain and history.pending is not null and history.messages < p_history;
    end if;
    if not is_plain then
      rest := rest || jsonb_build_object('tenant_id', conversation.tenant_id, 'id', conversation.id);
      continue;
    end if;
    -- By the clock: this transaction may have begun, and waited to admit, while the turn before was still running.
    insert into turns (tenant_id, conversation_id, agent_id, reply_thread_id, started_at)
    values (conversation.tenant_id, conversation.id, agent.id, history.reply_thread_id, clock_timestamp())
    returning id, status, attempts, started_at into turn;
    update messages m set turn_id = turn.id
    where m.tenant_id = conversation.tenant_id and m.conversation_id = conversation.id and m.id = any (history.pending);
    insert into deliveries (tenant_id, turn_id, kind, channel_id, thread_id, status, attempts)
    values (conversation.tenant_id, turn.id, 'placeholder', conversation.channel_id, history.reply_thread_id, 'sending', 1)
    returning id into placeholder;
    update conversations c
    set lease_owner = p_owner, ready_at = now() + p_lease_ms * interval '1 ms', fence = c.fence + 1, turn_id = turn.id
    where c.tenant_id = conversation.tenant_id and c.id = conversation.id;
    return next jsonb_build_object(
      'tenantId', conversation.tenant_id, 'conversationId', conversation.id, 'turnId', turn.id, 'status', turn.status,
      'failureCode', null, 'revision', 0, 'cancel', null, 'revises', null, 'fresh', true, 'attempts', turn.attempts, 'fence', conversation.fence + 1,
      'threadUnread', conversation.thread_unread, 'channelId', conversation.channel_id,
      'threadId', conversation.thread_id, 'replyThreadId', history.reply_thread_id, 'scope', conversation.scope,
      'startedAtMs', extract(epoch from turn.started_at) * 1000, 'tenantName', agent.tenant_name,
      'agent', agent.agent, 'connection', agent.connection, 'messages', history.shown,
      'placeholderId', placeholder, 'deliveries', '[]'::jsonb, 'steps', 0, 'loggedSteps', '[]'::jsonb);
  end loop;
  if jsonb_array_length(ready) > 2 then
    rest := ready;
  elsif rest = '[]' then
    return;
  end if;

  -- Everything else: turns that go on, long conversations, threads in DMs, and what has nothing to answer any more.
  return query
  with picked as materialized (
    select c.tenant_id, c.id, c.turn_id, c.connection_id, c.channel_id, c.thread_id, c.lease_owner
    from jsonb_to_recordset(rest) as r (tenant_id uuid, id bigint)
    join conversations c on c.tenant_id = r.tenant_id and c.id = r.id
  ), shut as materialized (
    -- What waits for a disabled connection is set aside; whoever enables it wakes it (resumeConversations). He who does so
    -- at this moment holds it, and does not see what is set aside here: then it is not. Others wait until this is committed.
    select k.tenant_id, k.id
    from (select distinct p.tenant_id, p.connection_id from picked p where p.turn_id is null) p
    join connections k on k.tenant_id = p.tenant_id and k.id = p.connection_id
    where k.status <> 'active'
    for share of k skip locked
  ), pending as materialized (
    select p.tenant_id, p.id as conversation_id, m.id, m.reply_thread_id, m.sent_at
    from picked p
    -- `offset 0`: looked up for each conversation. As a join it may read all that is pending, once for each of them,
    -- because the index was empty when PostgreSQL looked.
    cross join lateral (
      select * from messages n
      where n.tenant_id = p.tenant_id and n.conversation_id = p.id
        and n.turn_id is null and n.addressed and n.deleted_at is null
      offset 0
    ) m
    where p.turn_id is null
  ), opened as (
    insert into turns (tenant_id, conversation_id, agent_id, reply_thread_id, started_at)
    select p.tenant_id, p.id, k.agent_id, last_pending.reply_thread_id, clock_timestamp()
    from picked p
    join connections k on k.tenant_id = p.tenant_id and k.id = p.connection_id
    join lateral (
      select q.reply_thread_id from pending q
      where q.tenant_id = p.tenant_id and q.conversation_id = p.id
      order by q.sent_at desc, q.id desc limit 1
    ) last_pending on true
    where p.turn_id is null and k.status = 'active'
    returning tenant_id, id, conversation_id, agent_id, status, reply_thread_id, attempts, started_at
  ), taken as (
    update messages m set turn_id = o.id
    from pending q
    join opened o on o.tenant_id = q.tenant_id and o.conversation_id = q.conversation_id
    where m.tenant_id = q.tenant_id and m.conversation_id = q.conversation_id and m.id = q.id
    returning m.tenant_id, m.conversation_id, m.id
  ), placeholder as (
    insert into deliveries (tenant_id, turn_id, kind, channel_id, thread_id, status, attempts)
    select o.tenant_id, o.id, 'placeholder', p.channel_id, o.reply_thread_id, 'sending', 1
    from opened o
    join picked p on p.tenant_id = o.tenant_id and p.id = o.conversation_id
    returning tenant_id, turn_id, id
  ), resumed as (
    -- A lease that ran out is an attempt that wrote nothing back: it counts, or a turn that ends every worker would be
    -- tried for ever.
    update turns t set attempts = t.attempts + (p.lease_owner is not null)::integer
    from picked p
    where t.tenant_id = p.tenant_id and t.id = p.turn_id
    returning t.*, p.connection_id
  ), resending as (
    -- Read below as it was: what is tried now is uncertain from now on, and was not until now. Without attempts: an
    -- operator wants it to be sent.
    update deliveries d set status = 'sending', attempts = greatest(d.attempts, 1)
    from resumed t
    where t.status = 'committed' and d.tenant_id = t.tenant_id and d.turn_id = t.id and d.kind = 'answer'
      and (d.status = 'pending' or d.status = 'sending' and d.attempts = 0)
  ), work as materialized (
    select o.*, null as error_code, true as fresh, 0 as revision, null as cancel, null::bigint as revises from opened o
    union all
    -- An agent that was removed meanwhile is replaced by the one that the connection names now.
    select t.tenant_id, t.id, t.conversation_id, coalesce(t.agent_id, k.agent_id), t.status, t.reply_thread_id,
      t.attempts, t.started_at, case when t.status = 'committed' then t.error_code end, false,
      t.revision, t.cancel, t.revises
    from resumed t
    join connections k on k.tenant_id = t.tenant_id and k.id = t.connection_id
  ), leased as (
    update conversations c
    set lease_owner = case when w.id is null then null else p_owner end,
        ready_at = case when w.id is not null then now() + p_lease_ms * interval '1 ms'
                        when s.id is null and exists (
                          select 1 from pending q where q.tenant_id = p.tenant_id and q.conversation_id = p.id)
                        then now() + interval '1 second' end,
        fence = c.fence + 1,
        turn_id = w.id
    from picked p
    left join work w on w.tenant_id = p.tenant_id and w.conversation_id = p.id
    left join shut s on s.tenant_id = p.tenant_id and s.id = p.connection_id
    where c.tenant_id = p.tenant_id and c.id = p.id
    returning c.tenant_id, c.id, c.connection_id, c.channel_id, c.thread_id, c.scope, c.fence, c.thread_unread
  )
  select jsonb_build_object(
    'tenantId', w.tenant_id, 'conversationId', w.conversation_id, 'turnId', w.id, 'status', w.status,
    'failureCode', w.error_code, 'revision', w.revision, 'cancel', w.cancel, 'revises', w.revises,
    'fresh', w.fresh, 'attempts', w.attempts, 'fence', c.fence, 'threadUnread', c.thread_unread,
    'channelId', c.channel_id, 'threadId', c.thread_id, 'replyThreadId', w.reply_thread_id, 'scope', c.scope,
    'startedAtMs', extract(epoch from w.started_at) * 1000,
    'tenantName', n.name,
    'agent', jsonb_build_object('id', a.id, 'tenantId', a.tenant_id, 'slug', a.slug, 'name', a.name, 'role', a.role,
      'persona', a.persona, 'instructions', a.instructions, 'route', a.route, 'placeholder', a.placeholder,
      'icon', a.icon, 'tools', a.tools, 'busyMode', a.busy_mode,
        'limits', jsonb_build_object('maxSteps', a.max_steps, 'maxToolCalls', a.max_tool_calls,
        'maxTurnSeconds', a.max_turn_seconds, 'maxTurnUsd', a.max_turn_usd)),
    'connection', jsonb_build_object('id', k.id, 'channel', k.channel, 'externalId', k.external_id,
      'agentUserId', k.agent_user_id, 'settings', k.settings, 'status', k.status,
      'credentials', encode(k.credentials, 'base64')),
    -- A fresh turn has no earlier rows to look up: its messages are still unmarked in this statement's snapshot.
    'messages', coalesce((
      select jsonb_agg(jsonb_build_object('id', m.id, 'externalId', m.external_id, 'direction', m.direction,
        'senderId', m.sender_id, 'senderName', m.sender_name, 'content', m.content, 'mentions', m.mentions,
        'attachments', m.attachments, 'addressed', m.addressed, 'sentAtMs', extract(epoch from m.sent_at) * 1000,
        'receivedAtMs', extract(epoch from m.received_at) * 1000,
        'turnId', m.turn_id,
        'ofTurn', coalesce(m.turn_id = w.id, false) or exists (
          select 1 from taken t
          where t.tenant_id = m.tenant_id and t.conversation_id = m.conversation_id and t.id = m.id))
        order by m.sent_at, m.id)
      from (
        -- The newest messages, and the first one, which says what the conversation is about.
        select distinct on (h.id) h.* from (
          (select * from messages n
           where n.tenant_id = w.tenant_id and n.conversation_id = w.conversation_id and n.deleted_at is null
           order by n.id desc limit p_history)
          union all
          (select * from messages f
           where f.tenant_id = w.tenant_id and f.conversation_id = w.conversation_id and f.deleted_at is null
           order by f.id limit 1)
          union all
          -- What the turn answers, however much was said since.
          (select t.* from messages t
           where t.tenant_id = w.tenant_id and t.conversation_id = w.conversation_id and t.deleted_at is null
             and t.turn_id is null and t.addressed and w.fresh)
          union all
          (select t.* from messages t
           where t.tenant_id = w.tenant_id and t.turn_id = w.id and t.deleted_at is null and not w.fresh)
          union all
          -- A thread in a DM begins with a message of the DM, which is another conversation: that message and what was
          -- answered to it.
          (select r.* from messages r
           where c.scope = 'direct' and c.thread_id <> '' and r.conversation_id <> w.conversation_id
             and r.tenant_id = w.tenant_id and r.connection_id = c.connection_id and r.channel_id = c.channel_id
             and r.external_id = c.thread_id and r.deleted_at is null)
          union all
          (select b.* from messages r
           join messages b on b.tenant_id = r.tenant_id and b.turn_id = r.turn_id and b.direction = 'out'
           where c.scope = 'direct' and c.thread_id <> '' and r.conversation_id <> w.conversation_id
             and r.tenant_id = w.tenant_id and r.connection_id = c.connection_id and r.channel_id = c.channel_id
             and r.external_id = c.thread_id)
        ) h order by h.id
      ) m), '[]'),
    'placeholderId', (select d.id from placeholder d where d.tenant_id = w.tenant_id and d.turn_id = w.id),
    'deliveries', case when w.fresh then '[]' else coalesce((
      select jsonb_agg(jsonb_build_object('id', d.id, 'kind', d.kind, 'position', d.position, 'status', d.status,
        'content', d.content, 'detail', d.detail, 'externalId', d.external_id, 'attempts', d.attempts)
        order by d.kind desc, d.position)
      from deliveries d where d.tenant_id = w.tenant_id and d.turn_id = w.id), '[]') end,
    -- Where the log goes on. A worker that died may have left out a position: a tool call that did not come to its end.
    'steps', case when w.fresh then 0 else coalesce((
      select max(s.position) + 1 from steps s where s.tenant_id = w.tenant_id and s.turn_id = w.id), 0) end,
    'loggedSteps', case when w.fresh or w.status <> 'running' then '[]' else coalesce((
      select jsonb_agg(jsonb_build_object('position', s.position, 'kind', s.kind, 'outcome', s.outcome,
        'detail', s.detail, 'durationMs', s.duration_ms) order by s.position)
      from steps s where s.tenant_id = w.tenant_id and s.turn_id = w.id), '[]') end)
  from work w
  join leased c on c.tenant_id = w.tenant_id and c.id = w.conversation_id
  join tenants n on n.id = w.tenant_id
  join agents a on a.tenant_id = w.tenant_id and a.id = w.agent_id
  join connections k on k.tenant_id = c.tenant_id and k.id = c.connection_id;
end
$$;
