-- The functions that must look across tenants. This file is the one place where they are (invariant 5).
--
-- Each is `security definer`, owned by konstruct_pipeline (which cannot log in and has a policy of its own on every
-- table), has a pinned search_path and may be called by konstruct_app only. They are also the hot path: three calls a
-- turn and one per message, each for a whole batch.
--
-- Plans are pinned where a batch comes in as jsonb: jsonb_array_elements is estimated at 100 rows, which turns into
-- hash joins and sequential scans on a full database (measured: 5.7 ms instead of 0.7 ms a call at a million rows).
--
-- Locks are always taken in the same order, or two batches could wait for each other: rate buckets by key, then
-- conversations by (connection_id, channel_id, thread_id), then everything that belongs to the conversation: nobody
-- changes a message, turn or delivery of a conversation without holding it. (What cannot know the order does not wait:
-- `skip locked`.) `no key`, because a foreign key's check of the conversation need not wait for any of this.

-- Which tenant and connection an event belongs to. The external ids are tried in the order given; a connection for
-- just this app wins over one for any app.
create function konstruct.resolve_connection(p_channel text, p_external_ids text[], p_app_id text)
  returns jsonb
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select jsonb_build_object(
    'id', c.id, 'tenantId', c.tenant_id, 'agentId', c.agent_id, 'channel', c.channel,
    'externalId', c.external_id, 'appId', c.app_id, 'agentUserId', c.agent_user_id, 'settings', c.settings,
    'status', c.status, 'ownSigningSecret', c.own_signing_secret,
    'credentials', encode(c.credentials, 'base64'))
  from unnest(p_external_ids) with ordinality as wanted (external_id, place)
  join connections c on c.channel = p_channel and c.external_id = wanted.external_id
    and (c.app_id = '' or c.app_id = p_app_id)
  order by wanted.place, c.app_id desc
  limit 1
$$;

-- The same by the id in a path such as /slack/events/{connectionId}.
create function konstruct.find_connection(p_channel text, p_id uuid)
  returns jsonb
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select konstruct.resolve_connection(c.channel, array[c.external_id], c.app_id)
  from connections c
  where c.id = p_id and c.channel = p_channel
$$;

-- Tenants of the installation, for operators (`konstruct apply`, `export`, `doctor`).
create function konstruct.list_tenants()
  returns table (id uuid, slug text, name text)
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select t.id, t.slug, t.name from tenants t order by t.slug
$$;

-- Stores a batch of events and makes their conversations ready. One transaction: when it has committed, the events may
-- be acked. Events: see AdmitEvent in src/router/admit.ts. Returns one outcome per event, in the order given:
--   new          stored, the conversation is or becomes ready
--   context      stored, but the agent was not asked
--   duplicate    stored before
--   not_engaged  nothing stored: a thread in which the agent takes no part
--   limited      nothing stored: the tenant's bucket is empty; retryAfterMs says for how long
--   edited, deleted, unknown_message   for edits and deletions
create function konstruct.admit_batch(p_events jsonb)
  returns jsonb
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set enable_bitmapscan = off
  set random_page_cost = 1.1
as $$
declare
  event record;
  bucket record;
  bucket_known text := '';
  known record;
  conversation record;
  asked boolean;
  became_ready boolean := false;
  outcomes jsonb[] := array_fill(null::jsonb, array[jsonb_array_length(p_events)]);
  outcome jsonb;
  capacity double precision;
  notice bigint;
begin
  -- Locking the buckets first also makes admissions to one conversation follow each other, in every gateway: what one
  -- has stored, the next one sees.
  insert into rate_buckets as b (tenant_id, key, tokens, refilled_at)
  select distinct on (e->>'bucketKey', e->>'tenantId')
    (e->>'tenantId')::uuid, e->>'bucketKey', (e->>'ratePerMinute')::double precision, clock_timestamp()
  from jsonb_array_elements(p_events) e
  where e->>'type' = 'message'
  order by e->>'bucketKey', e->>'tenantId'
  on conflict (tenant_id, key) do update set key = excluded.key
  where false; -- `where false` locks the row and writes nothing

  for event in
    select
      e.place, e.value->>'type' as type,
      (e.value->>'tenantId')::uuid as tenant_id, (e.value->>'connectionId')::uuid as connection_id,
      e.value->>'bucketKey' as bucket_key, (e.value->>'ratePerMinute')::double precision as rate_per_minute,
      (e.value->>'channelId') collate "C" as channel_id,
      coalesce(e.value->>'conversationThreadId', known_message.thread_id) collate "C" as thread_id,
      e.value->>'messageId' as message_id, e.value->>'eventId' as event_id, e.value->>'addressed' as addressed,
      to_timestamp((e.value->>'sentAtMs')::double precision / 1000) as sent_at, e.value as body
    from jsonb_array_elements(p_events) with ordinality as e (value, place)
    -- Edits and deletions name a message only: its conversation says in which order they are due.
    left join lateral (
      select c.thread_id
      from messages m
      join conversations c on c.tenant_id = m.tenant_id and c.id = m.conversation_id
      where e.value->>'type' <> 'message'
        and m.tenant_id = (e.value->>'tenantId')::uuid and m.connection_id = (e.value->>'connectionId')::uuid
        and m.channel_id = e.value->>'channelId' and m.external_id = e.value->>'messageId'
    ) known_message on true
    order by connection_id, channel_id, thread_id, place
  loop
    if event.type <> 'message' then
      perform 1
      from messages m
      join conversations c on c.tenant_id = m.tenant_id and c.id = m.conversation_id
      where m.tenant_id = event.tenant_id and m.connection_id = event.connection_id
        and m.channel_id = event.channel_id and m.external_id = event.message_id
      for no key update of c;
    end if;
    if event.type = 'edit' then
      update messages m
      set content = event.body->>'content', mentions = event.body->'mentions', edited_at = event.sent_at
      where m.tenant_id = event.tenant_id and m.connection_id = event.connection_id
        and m.channel_id = event.channel_id and m.external_id = event.message_id
        and m.direction = 'in' and m.deleted_at is null
        and (m.edited_at is null or m.edited_at <= event.sent_at);
      outcomes[event.place] := jsonb_build_object('outcome', case when found then 'edited' else 'unknown_message' end);
      continue;
    elsif event.type = 'deletion' then
      -- The words go with the message; that there was one stays, so that a late copy of it is not stored again.
      update messages m
      set content = '', mentions = '[]', attachments = '[]', deleted_at = event.sent_at
      where m.tenant_id = event.tenant_id and m.connection_id = event.connection_id
        and m.channel_id = event.channel_id and m.external_id = event.message_id and m.deleted_at is null;
      outcomes[event.place] := jsonb_build_object('outcome', case when found then 'deleted' else 'unknown_message' end);
      continue;
    end if;

    -- The conversation first: what is known of the message is then known for good.
    select c.id, c.ready_at, c.engaged_until into conversation
    from conversations c
    where c.tenant_id = event.tenant_id and c.connection_id = event.connection_id
      and c.channel_id = event.channel_id and c.thread_id = event.thread_id
    for no key update;

    select m.conversation_id, m.id, m.addressed, m.turn_id, m.deleted_at into known
    from messages m
    where m.tenant_id = event.tenant_id and m.connection_id = event.connection_id
      and m.channel_id = event.channel_id and m.external_id = event.message_id;
    if found and (known.addressed or event.addressed <> 'yes' or known.turn_id is not null
                  or known.deleted_at is not null) then
      outcomes[event.place] := jsonb_build_object('outcome', 'duplicate');
      continue;
    end if;
    if known.conversation_id <> conversation.id or known.id is not null and conversation.id is null then
      -- Read as part of another thread (the message that a thread in a DM began with).
      select c.id, c.ready_at, c.engaged_until into conversation
      from conversations c
      where c.tenant_id = event.tenant_id and c.id = known.conversation_id
      for no key update;
    end if;

    if conversation.id is null and event.addressed <> 'yes' then
      outcomes[event.place] := jsonb_build_object('outcome', 'not_engaged');
      continue;
    end if;
    asked := event.addressed = 'yes'
      or event.addressed = 'if_engaged'
        and (conversation.ready_at is not null or coalesce(conversation.engaged_until > now(), false));

    if asked then
      if bucket_known <> event.tenant_id || event.bucket_key then
        select b.tokens, b.refilled_at, b.limited_since into bucket
        from rate_buckets b where b.tenant_id = event.tenant_id and b.key = event.bucket_key;
        bucket_known := event.tenant_id || event.bucket_key;
      end if;
      capacity := event.rate_per_minute;
      bucket.tokens := least(capacity, bucket.tokens
        + greatest(0, extract(epoch from clock_timestamp() - bucket.refilled_at)) * capacity / 60);
      bucket.refilled_at := clock_timestamp();
      if bucket.tokens >= capacity / 2 then
        bucket.limited_since := null; -- the episode is over
      end if;
      if bucket.tokens < 1 then
        bucket.limited_since := coalesce(bucket.limited_since, clock_timestamp());
        outcome := jsonb_build_object('outcome', 'limited',
          'retryAfterMs', ceil((1 - bucket.tokens) * 60000 / capacity));
        insert into deliveries (tenant_id, connection_id, kind, channel_id, thread_id, dedupe_key, detail)
        values (event.tenant_id, event.connection_id, 'notice', event.channel_id, event.body->>'noticeThreadId',
          concat_ws(':', 'rate', extract(epoch from bucket.limited_since), event.body->>'senderId'),
          jsonb_build_object('code', 'rate_limited', 'personId', event.body->>'senderId',
            'waitSeconds', ceil((1 - bucket.tokens) * 60 / capacity), 'ratePerMinute', capacity))
        on conflict (tenant_id, connection_id, dedupe_key) where dedupe_key is not null do nothing
        returning id into notice;
        if found then
          outcome := outcome || jsonb_build_object('noticeId', notice);
        end if;
        outcomes[event.place] := outcome;
      else
        bucket.tokens := bucket.tokens - 1;
      end if;
      update rate_buckets b
      set tokens = bucket.tokens, refilled_at = bucket.refilled_at, limited_since = bucket.limited_since
      where b.tenant_id = event.tenant_id and b.key = event.bucket_key;
      continue when outcomes[event.place] is not null;
    end if;

    if known.id is not null then
      -- The plain `message` of a mention came first and was taken for context: the mention upgrades it.
      update messages m set addressed = true, reply_thread_id = event.body->>'replyThreadId'
      where m.tenant_id = event.tenant_id and m.conversation_id = known.conversation_id and m.id = known.id;
      update conversations c set ready_at = coalesce(c.ready_at, now()), last_message_at = now()
      where c.tenant_id = event.tenant_id and c.id = known.conversation_id;
      became_ready := became_ready or conversation.ready_at is null;
      outcomes[event.place] := jsonb_build_object('outcome', 'new',
        'conversationId', known.conversation_id, 'wasIdle', conversation.ready_at is null);
      continue;
    end if;

    if conversation.id is null then
      insert into conversations as c
        (tenant_id, connection_id, channel_id, thread_id, scope, ready_at, thread_unread)
      values (event.tenant_id, event.connection_id, event.channel_id, event.thread_id, event.body->>'scope', now(),
        (event.body->>'threadBegan')::boolean)
      -- Only while gateways disagree about the limit of a connection, and so about its bucket.
      on conflict (tenant_id, connection_id, channel_id, thread_id)
        do update set ready_at = coalesce(c.ready_at, now()), last_message_at = now()
      returning c.id into conversation.id;
    elsif asked then
      update conversations c set ready_at = coalesce(c.ready_at, now()), last_message_at = now()
      where c.tenant_id = event.tenant_id and c.id = conversation.id;
    else
      -- For retention only, hence not with every message.
      update conversations c set last_message_at = now()
      where c.tenant_id = event.tenant_id and c.id = conversation.id
        and c.last_message_at < now() - interval '1 hour';
    end if;
    insert into messages (tenant_id, conversation_id, connection_id, channel_id, external_id, event_id, direction,
      sender_id, sender_name, content, mentions, attachments, channel_metadata, addressed, reply_thread_id, sent_at)
    values (event.tenant_id, conversation.id, event.connection_id, event.channel_id, event.message_id, event.event_id,
      'in', event.body->>'senderId', event.body->>'senderName', event.body->>'content', event.body->'mentions',
      event.body->'attachments', event.body->'channelMetadata', asked, event.body->>'replyThreadId', event.sent_at)
    on conflict do nothing;
    if not found then
      outcomes[event.place] := jsonb_build_object('outcome', 'duplicate'); -- the same event id under another message id
      continue;
    end if;
    became_ready := became_ready or (asked and conversation.ready_at is null);
    outcomes[event.place] := jsonb_build_object('outcome', case when asked then 'new' else 'context' end,
      'conversationId', conversation.id, 'wasIdle', conversation.ready_at is null);
  end loop;

  if became_ready then
    notify konstruct_ready; -- once per batch, and only if a conversation was idle
  end if;
  return to_jsonb(outcomes);
end
$$;

-- Leases up to p_limit ready conversations to p_owner for p_lease_ms, opens or resumes a turn for each and returns all
-- that is needed to run it: see ClaimedTurn in src/core/turn.ts. The longest waiting come first; if more are ready than
-- asked for, the tenants take turns, beginning after p_after, and nobody waits behind another tenant's thousands.
-- It waits for the disk: what the worker then sends carries the ids of these rows. Were they lost in a crash of the server,
-- nobody would know the placeholder that stands there, and the next claim would give the same ids and fence again.
create function konstruct.claim_turns(p_owner text, p_limit integer, p_lease_ms integer, p_history integer,
    p_after uuid)
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
begin
  -- The lock comes in a statement of its own: what the next one sees of the messages is then at least as new as it.
  with picked as (
    select c.tenant_id, c.id from conversations c
    where c.ready_at <= now()
    order by c.ready_at
    limit p_limit
    for no key update skip locked
  )
  select jsonb_agg(to_jsonb(picked)) into ready from picked;
  if ready is null then
    return;
  end if;

  if jsonb_array_length(ready) = p_limit then
    -- From tenant to tenant along the index, at most p_limit of them, however much each of them has. The order by both
    -- columns, and `between` for `=`, leave no other index to choose.
    with recursive ahead (tenant_id, place) as (
      (select c.tenant_id, 1 from conversations c
       where c.tenant_id > p_after and c.ready_at <= now()
       order by c.tenant_id, c.ready_at limit 1)
      union all
      select n.tenant_id, a.place + 1
      from ahead a
      cross join lateral (
        select c.tenant_id from conversations c
        where c.tenant_id > a.tenant_id and c.ready_at <= now()
        order by c.tenant_id, c.ready_at limit 1
      ) n
      where a.place < p_limit
    ), behind (tenant_id, place) as (
      (select c.tenant_id, (select count(*) from ahead) + 1 from conversations c
       where c.tenant_id <= p_after and c.ready_at <= now() and (select count(*) from ahead) < p_limit
       order by c.tenant_id, c.ready_at limit 1)
      union all
      select n.tenant_id, b.place + 1
      from behind b
      cross join lateral (
        select c.tenant_id from conversations c
        where c.tenant_id > b.tenant_id and c.tenant_id <= p_after and c.ready_at <= now()
        order by c.tenant_id, c.ready_at limit 1
      ) n
      where b.place < p_limit
    ), due as materialized (
      select a.tenant_id, a.place from ahead a
      union all
      select b.tenant_id, b.place from behind b
    ), candidate as materialized (
      select f.tenant_id, f.id
      from due d
      cross join lateral (
        select o.tenant_id, o.id, row_number() over () as round
        from (
          select c.tenant_id, c.id from conversations c
          where c.tenant_id between d.tenant_id and d.tenant_id and c.ready_at <= now()
          order by c.tenant_id, c.ready_at
          limit ceil(p_limit::double precision / (select count(*) from due))
        ) o
      ) f
      order by f.round, d.place
      limit p_limit
    ), fair as (
      select c.tenant_id, c.id
      from candidate n
      join conversations c on c.tenant_id = n.tenant_id and c.id = n.id
      where c.ready_at <= now()
      for no key update of c skip locked
    ), chosen as (
      select f.tenant_id, f.id, 0 as choice from fair f
      union all
      -- Held already: instead of what other workers took meanwhile.
      (select r.tenant_id, r.id, 1 from jsonb_to_recordset(ready) as r (tenant_id uuid, id bigint)
       where not exists (select 1 from fair f where f.tenant_id = r.tenant_id and f.id = r.id))
      order by choice
      limit p_limit
    )
    select jsonb_agg(jsonb_build_object('tenant_id', c.tenant_id, 'id', c.id)) into ready from chosen c;
  end if;

  return query
  with picked as materialized (
    select c.tenant_id, c.id, c.turn_id, c.connection_id, c.channel_id, c.thread_id, c.lease_owner
    from jsonb_to_recordset(ready) as r (tenant_id uuid, id bigint)
    join conversations c on c.tenant_id = r.tenant_id and c.id = r.id
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
    insert into turns (tenant_id, conversation_id, agent_id, reply_thread_id)
    select p.tenant_id, p.id, k.agent_id, last_pending.reply_thread_id
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
  ), work as materialized (
    select o.*, null as error_code, true as fresh from opened o
    union all
    -- An agent that was removed meanwhile is replaced by the one that the connection names now.
    select t.tenant_id, t.id, t.conversation_id, coalesce(t.agent_id, k.agent_id), t.status, t.reply_thread_id,
      t.attempts, t.started_at, case when t.status = 'committed' then t.error_code end, false
    from resumed t
    join connections k on k.tenant_id = t.tenant_id and k.id = t.connection_id
  ), leased as (
    update conversations c
    set lease_owner = case when w.id is null then null else p_owner end,
        ready_at = case when w.id is null then null else now() + p_lease_ms * interval '1 ms' end,
        fence = c.fence + 1,
        turn_id = w.id
    from picked p
    left join work w on w.tenant_id = p.tenant_id and w.conversation_id = p.id
    where c.tenant_id = p.tenant_id and c.id = p.id
    returning c.tenant_id, c.id, c.connection_id, c.channel_id, c.thread_id, c.scope, c.fence, c.thread_unread
  )
  select jsonb_build_object(
    'tenantId', w.tenant_id, 'conversationId', w.conversation_id, 'turnId', w.id, 'status', w.status,
    'failureCode', w.error_code, 'fresh', w.fresh, 'attempts', w.attempts, 'fence', c.fence, 'threadUnread', c.thread_unread,
    'channelId', c.channel_id, 'threadId', c.thread_id, 'replyThreadId', w.reply_thread_id, 'scope', c.scope,
    'startedAtMs', extract(epoch from w.started_at) * 1000,
    'tenantName', n.name,
    'agent', jsonb_build_object('id', a.id, 'tenantId', a.tenant_id, 'slug', a.slug, 'name', a.name, 'role', a.role,
      'persona', a.persona, 'instructions', a.instructions, 'route', a.route, 'placeholder', a.placeholder),
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
        'content', d.content, 'externalId', d.external_id, 'attempts', d.attempts) order by d.kind desc, d.position)
      from deliveries d where d.tenant_id = w.tenant_id and d.turn_id = w.id), '[]') end,
    'steps', case when w.fresh then 0 else (
      select count(*) from steps s where s.tenant_id = w.tenant_id and s.turn_id = w.id) end)
  from work w
  join leased c on c.tenant_id = w.tenant_id and c.id = w.conversation_id
  join tenants n on n.id = w.tenant_id
  join agents a on a.tenant_id = w.tenant_id and a.id = w.agent_id
  join connections k on k.tenant_id = c.tenant_id and k.id = c.connection_id;
end
$$;

-- Prolongs leases. p_leases: [{tenantId, conversationId, fence}]. Returns those of them that are still held.
create function konstruct.renew_leases(p_owner text, p_lease_ms integer, p_leases jsonb)
  returns setof jsonb
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set random_page_cost = 1.1
as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  return query
  with held as materialized (
    select c.tenant_id, c.id, c.fence
    from jsonb_to_recordset(p_leases) as l ("tenantId" uuid, "conversationId" bigint, fence bigint)
    join conversations c on c.tenant_id = l."tenantId" and c.id = l."conversationId"
    where c.fence = l.fence and c.lease_owner = p_owner
    order by c.connection_id, c.channel_id, c.thread_id
    for no key update of c
  )
  update conversations c set ready_at = now() + p_lease_ms * interval '1 ms'
  from held h
  where c.tenant_id = h.tenant_id and c.id = h.id
  returning jsonb_build_object('conversationId', c.id, 'fence', c.fence);
end
$$;

-- Records what a turn has come to: the steps, the reply and what is to be delivered. Refused (not in the result) when
-- fence or owner no longer fit: another worker has the conversation. Turns: see CommitTurn in src/core/turn.ts.
-- A placeholder that is known by now is recorded on the way. Returns per turn the ids of the new deliveries.
create function konstruct.commit_turns(p_owner text, p_turns jsonb)
  returns setof jsonb
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set random_page_cost = 1.1
as $$
begin
  return query
  with input as materialized (
    select i.* from jsonb_to_recordset(p_turns) as i ("tenantId" uuid, "conversationId" bigint, "turnId" bigint,
      fence bigint, "placeholderExternalId" text, steps jsonb, reply text, parts jsonb, "agentUserId" text,
      "errorCode" text, "errorDetails" jsonb)
  ), held as materialized (
    select i.*, c.connection_id, c.channel_id, t.reply_thread_id
    from input i
    join conversations c on c.tenant_id = i."tenantId" and c.id = i."conversationId"
    join turns t on t.tenant_id = i."tenantId" and t.id = i."turnId"
    where c.fence = i.fence and c.lease_owner = p_owner and c.turn_id = i."turnId" and t.status = 'running'
    order by c.connection_id, c.channel_id, c.thread_id
    for no key update of c
  ), turn as (
    update turns t
    set status = 'committed', committed_at = clock_timestamp(), attempts = 0, error_code = h."errorCode",
        error_details = h."errorDetails"
    from held h
    where t.tenant_id = h."tenantId" and t.id = h."turnId"
  ), step as (
    insert into steps (tenant_id, turn_id, position, kind, outcome, provider, model, input_tokens, output_tokens,
      cached_input_tokens, reasoning_tokens, detail, started_at, duration_ms)
    select h."tenantId", h."turnId", s.position, s.kind, s.outcome, s.provider, s.model, s."inputTokens",
      s."outputTokens", s."cachedInputTokens", s."reasoningTokens", s.detail,
      to_timestamp(s."startedAtMs" / 1000), s."durationMs"
    from held h, jsonb_to_recordset(h.steps) as s (position integer, kind text, outcome text, provider text, model text,
      "inputTokens" integer, "outputTokens" integer, "cachedInputTokens" integer, "reasoningTokens" integer,
      detail jsonb, "startedAtMs" double precision, "durationMs" integer)
  ), message as (
    -- The first part replaces the placeholder, so its name is known and the end of the turn need not write the row again.
    insert into messages (tenant_id, conversation_id, connection_id, channel_id, external_id, direction, sender_id,
      content, addressed, turn_id, sent_at)
    select h."tenantId", h."conversationId", h.connection_id, h.channel_id,
      case when not exists (
        select 1 from messages known
        where known.tenant_id = h."tenantId" and known.connection_id = h.connection_id
          and known.channel_id = h.channel_id and known.external_id = h."placeholderExternalId"
        offset 0) then h."placeholderExternalId" end,
      'out', h."agentUserId", h.reply, false, h."turnId", clock_timestamp()
    from held h
  ), shown as (
    update deliveries d set status = 'sent', external_id = h."placeholderExternalId", sent_at = clock_timestamp()
    from held h
    where h."placeholderExternalId" is not null and d.tenant_id = h."tenantId" and d.turn_id = h."turnId"
      and d.kind = 'placeholder' and d.position = 0
  ), outbox as (
    insert into deliveries (tenant_id, turn_id, kind, position, channel_id, thread_id, content, status, attempts)
    select h."tenantId", h."turnId", 'answer', (part.place - 1)::integer, h.channel_id, h.reply_thread_id, part.content,
      'sending', 1
    from held h, jsonb_array_elements_text(h.parts) with ordinality as part (content, place)
    returning tenant_id, turn_id, id, position
  )
  select jsonb_build_object('turnId', h."turnId", 'deliveryIds', (
    select jsonb_agg(o.id order by o.position) from outbox o
    where o.tenant_id = h."tenantId" and o.turn_id = h."turnId"))
  from held h;
end
$$;

-- Ends delivered turns and releases their conversations; what came in meanwhile makes them ready again, checked in this
-- transaction, so no wake-up is lost. Turns: see FinishTurn in src/core/turn.ts. Returns the ids of the turns ended.
-- Losing this write in a crash of the server is harmless (the committed answer is found on the platform by its marker or
-- edited to the same text once more), so it does not wait for the disk.
create function konstruct.finish_turns(p_owner text, p_turns jsonb)
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
        sent_at = case when p.external_id is null then null else clock_timestamp() end
    from part p
    where d.id = p.id and d.tenant_id = p.tenant_id
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
        engaged_until = case when i."followMs" is null then c.engaged_until
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

  select exists (
    select 1 from jsonb_to_recordset(held) as i ("tenantId" uuid, "conversationId" bigint)
    join conversations c on c.tenant_id = i."tenantId" and c.id = i."conversationId"
    where c.ready_at is not null) into more;
  if more then
    notify konstruct_ready;
  end if;
end
$$;

-- Puts turns back: after p_turns[].delayMs they are claimed again, from the last logged step. Also how a worker that
-- shuts down hands its work over (delay 0, attempt not counted). Turns: see RetryTurn in src/core/turn.ts.
create function konstruct.retry_turns(p_owner text, p_turns jsonb)
  returns setof bigint
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set random_page_cost = 1.1
as $$
begin
  return query
  with held as materialized (
    select i.*
    from jsonb_to_recordset(p_turns) as i ("tenantId" uuid, "conversationId" bigint, "turnId" bigint, fence bigint,
      "delayMs" double precision, counts boolean, steps jsonb, "placeholderExternalId" text, "errorCode" text,
      "errorDetails" jsonb, "externalIds" jsonb)
    join conversations c on c.tenant_id = i."tenantId" and c.id = i."conversationId"
    where c.fence = i.fence and c.lease_owner = p_owner and c.turn_id = i."turnId"
    order by c.connection_id, c.channel_id, c.thread_id
    for no key update of c
  ), turn as (
    update turns t
    set attempts = t.attempts + h.counts::integer,
        -- Once committed, error_code says why the answer is an apology: trouble with its delivery is another matter.
        error_code = case t.status when 'committed' then t.error_code else coalesce(h."errorCode", t.error_code) end,
        error_details = case t.status when 'committed' then t.error_details
                                      else coalesce(h."errorDetails", t.error_details) end
    from held h
    where t.tenant_id = h."tenantId" and t.id = h."turnId"
  ), step as (
    insert into steps (tenant_id, turn_id, position, kind, outcome, provider, model, detail, started_at, duration_ms)
    select h."tenantId", h."turnId", s.position, s.kind, s.outcome, s.provider, s.model, s.detail,
      to_timestamp(s."startedAtMs" / 1000), s."durationMs"
    from held h, jsonb_to_recordset(h.steps) as s (position integer, kind text, outcome text, provider text, model text,
      detail jsonb, "startedAtMs" double precision, "durationMs" integer)
  ), shown as (
    update deliveries d set status = 'sent', external_id = h."placeholderExternalId", sent_at = clock_timestamp()
    from held h
    where h."placeholderExternalId" is not null and d.tenant_id = h."tenantId" and d.turn_id = h."turnId"
      and d.kind = 'placeholder' and d.position = 0
  ), sent as (
    update deliveries d
    set status = 'sent', external_id = part.external_id, sent_at = clock_timestamp()
    from held h, jsonb_array_elements_text(h."externalIds") with ordinality as part (external_id, place)
    where part.external_id is not null and d.tenant_id = h."tenantId" and d.turn_id = h."turnId"
      and d.kind = 'answer' and d.position = part.place - 1
  )
  update conversations c
  set lease_owner = null, ready_at = now() + h."delayMs" * interval '1 ms'
  from held h
  where c.tenant_id = h."tenantId" and c.id = h."conversationId"
  returning h."turnId";
  notify konstruct_ready;
end
$$;

-- Records the platform's ids of placeholders whose model takes its time. Only a convenience for recovery (it saves a
-- look-up on the platform), so it does not wait for the disk.
create function konstruct.record_placeholders(p_placeholders jsonb)
  returns void
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
  set random_page_cost = 1.1
as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  with free as (
    -- The conversation is not held here: a row that is locked is being recorded by its turn at this moment.
    select d.tenant_id, d.id, i."externalId"
    from jsonb_to_recordset(p_placeholders) as i ("tenantId" uuid, "deliveryId" bigint, "externalId" text)
    join deliveries d on d.tenant_id = i."tenantId" and d.id = i."deliveryId"
    where d.kind = 'placeholder' and d.status = 'sending'
    for update of d skip locked
  )
  update deliveries d set status = 'sent', external_id = f."externalId", sent_at = clock_timestamp()
  from free f
  where d.tenant_id = f.tenant_id and d.id = f.id;
end
$$;

-- How much waits, for health and metrics: conversations that are due (counted to 10,000) and since when.
create function konstruct.queue_status()
  returns table (waiting bigint, oldest_ms double precision)
  language sql stable security definer
  set search_path = konstruct, pg_temp
  set enable_seqscan = off
as $$
  select count(*), coalesce(extract(epoch from now() - min(due.ready_at)) * 1000, 0)
  from (select c.ready_at from conversations c where c.ready_at <= now() order by c.ready_at limit 10000) due
$$;

-- Takes notices that are due (rate limits), with what sending them needs. Notices live outside of turns.
create function konstruct.claim_notices(p_limit integer)
  returns setof jsonb
  language sql security definer
  set search_path = konstruct, pg_temp
  set enable_seqscan = off
as $$
  with due as (
    select d.tenant_id, d.id from deliveries d
    where d.kind = 'notice' and d.attempts = 0 and d.status = 'pending'
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
    'detail', t.detail, 'attempts', t.attempts, 'createdAtMs', extract(epoch from t.created_at) * 1000,
    'connection', jsonb_build_object('id', k.id, 'channel', k.channel, 'externalId', k.external_id,
      'agentUserId', k.agent_user_id, 'settings', k.settings, 'status', k.status,
      'credentials', encode(k.credentials, 'base64')))
  from taken t
  join connections k on k.tenant_id = t.tenant_id and k.id = t.connection_id
$$;

-- Stops answering for a connection (uninstalled, token revoked). Returns whether it was active.
create function konstruct.disable_connection(p_tenant_id uuid, p_id uuid, p_reason text)
  returns boolean
  language sql security definer
  set search_path = konstruct, pg_temp
as $$
  with changed as (
    update connections c
    set status = 'disabled', disabled_reason = p_reason, disabled_at = now(), updated_at = now()
    where c.tenant_id = p_tenant_id and c.id = p_id and c.status = 'active'
    returning 1
  )
  select exists (select 1 from changed)
$$;

-- Retention, in calls that remove at most p_limit rows and what belongs to them, and return how many they were. What
-- came in within a day stays whatever p_before says, because platforms repeat events that long (invariant 2).

-- Conversations in which nobody has written since p_before. Those with work in them stay.
create function konstruct.expire_conversations(p_before timestamptz, p_limit integer)
  returns integer
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  gone integer;
begin
  with old as (
    select c.tenant_id, c.id from conversations c
    where c.last_message_at < least(p_before, now() - interval '1 day') and c.ready_at is null
    order by c.last_message_at
    limit p_limit
    for update skip locked
  )
  delete from conversations c using old where c.tenant_id = old.tenant_id and c.id = old.id;
  get diagnostics gone = row_count;
  return gone;
end
$$;

-- Messages older than p_before in conversations that go on. What waits for an answer stays.
create function konstruct.expire_messages(p_before timestamptz, p_limit integer)
  returns integer
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  gone integer;
begin
  with old as (
    select m.tenant_id, m.conversation_id, m.id from messages m
    where m.sent_at < least(p_before, now() - interval '1 day') and m.received_at < now() - interval '1 day'
      and (m.turn_id is not null or not m.addressed or m.deleted_at is not null)
      and not exists (select 1 from conversations c
        where c.tenant_id = m.tenant_id and c.id = m.conversation_id and c.ready_at is not null)
    order by m.sent_at
    limit p_limit
    for update skip locked
  )
  delete from messages m using old
  where m.tenant_id = old.tenant_id and m.conversation_id = old.conversation_id and m.id = old.id;
  get diagnostics gone = row_count;
  return gone;
end
$$;

-- Turns that ended before p_before and of whose messages nothing is left, with their steps and deliveries.
create function konstruct.expire_turns(p_before timestamptz, p_limit integer)
  returns integer
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  gone integer;
begin
  with old as (
    select t.tenant_id, t.id from turns t
    where t.started_at < least(p_before, now() - interval '1 day')
      and t.finished_at < least(p_before, now() - interval '1 day')
      and not exists (select 1 from messages m where m.tenant_id = t.tenant_id and m.turn_id = t.id)
    order by t.started_at
    limit p_limit
    for update skip locked
  )
  delete from turns t using old where t.tenant_id = old.tenant_id and t.id = old.id;
  get diagnostics gone = row_count;
  return gone;
end
$$;

-- Notices made before p_before: they belong to no turn.
create function konstruct.expire_notices(p_before timestamptz, p_limit integer)
  returns integer
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  gone integer;
begin
  with old as (
    select d.tenant_id, d.id from deliveries d
    where d.kind = 'notice' and d.created_at < least(p_before, now() - interval '1 day')
    order by d.created_at
    limit p_limit
    for update skip locked
  )
  delete from deliveries d using old where d.tenant_id = old.tenant_id and d.id = old.id;
  get diagnostics gone = row_count;
  return gone;
end
$$;

do $$
declare
  f regprocedure;
begin
  revoke execute on all functions in schema konstruct from public;
  grant execute on function konstruct.current_tenant() to konstruct_app, konstruct_pipeline;
  -- A new owner of a function needs the right to create in its schema while it becomes the owner.
  grant create on schema konstruct to konstruct_pipeline;
  for f in
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'konstruct'::regnamespace and p.prosecdef
  loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to konstruct_app', f);
    execute format('alter function %s owner to konstruct_pipeline', f);
  end loop;
  revoke create on schema konstruct from konstruct_pipeline;
end
$$;
