-- Stores a batch of events and makes their conversations ready. One transaction: when it has committed, the events may
-- be acked. Events: see AdmitEvent in src/router/admit.ts. Returns one outcome per event, in the order given:
--   new          stored, the conversation is or becomes ready
--   context      stored, but the agent was not asked
--   duplicate    stored before
--   not_engaged  nothing stored: a thread in which the agent takes no part
--   limited      nothing stored: the tenant's bucket is empty; retryAfterMs says for how long
--   edited, deleted, unknown_message   for edits and deletions
-- Who asks while the tenant has a backlog (the event brings busySince and busyAhead) is told so, once per conversation and
-- backlog: noticeId says that there is a new notice to be sent.
-- p_announce false: the caller sees to it that what becomes ready is claimed or announced.
drop function if exists konstruct.admit_batch(jsonb);
create or replace function konstruct.admit_batch(p_events jsonb, p_announce boolean default true)
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
  begins boolean;
  became_ready boolean := false;
  -- When the conversation is due: now, or when all parts of the message have come.
  due timestamptz;
  outcomes jsonb[] := array_fill(null::jsonb, array[jsonb_array_length(p_events)]);
  outcome jsonb;
  capacity double precision;
  notice bigint;
  -- The running turn that a message joins instead of waiting for the next one.
  joined bigint;
  wish jsonb;
begin
  -- Locking the buckets first also makes admissions to one conversation follow each other, in every gateway: what one
  -- has stored, the next one sees.
  insert into rate_buckets as b (tenant_id, key, tokens, refilled_at)
  select distinct on (e->>'bucketKey', e->>'tenantId')
    (e->>'tenantId')::uuid, e->>'bucketKey', (e->>'ratePerMinute')::double precision, clock_timestamp()
  from jsonb_array_elements(p_events) e
  -- Edits and deletions too: what overtakes its message is kept, and seen by the admission that comes after.
  where e->>'bucketKey' is not null
  order by e->>'bucketKey', e->>'tenantId'
  on conflict (tenant_id, key) do update set key = excluded.key
  where false; -- `where false` locks the row and writes nothing

  for event in
    select
      e.place, e.value->>'type' as type,
      (e.value->>'tenantId')::uuid as tenant_id, (e.value->>'connectionId')::uuid as connection_id,
      e.value->>'bucketKey' as bucket_key, (e.value->>'ratePerMinute')::double precision as rate_per_minute,
      (e.value->>'channelId') collate "C" as channel_id,
      coalesce(known_message.thread_id, e.value->>'conversationThreadId') collate "C" as thread_id,
      e.value->>'messageId' as message_id, e.value->>'eventId' as event_id, e.value->>'addressed' as addressed,
      to_timestamp((e.value->>'sentAtMs')::double precision / 1000) as sent_at,
      e.value || coalesce(early.edit, '{}') as body, early.edited_at, early.deleted_at, early.wishes
    from jsonb_array_elements(p_events) with ordinality as e (value, place)
    -- Edits and deletions name a message only: its conversation says in which order they are due. And where threads are
    -- chains of replies, a message belongs to the conversation of what it replies to.
    left join lateral (
      select c.thread_id
      from messages m
      join conversations c on c.tenant_id = m.tenant_id and c.id = m.conversation_id
      where m.tenant_id = (e.value->>'tenantId')::uuid and m.connection_id = (e.value->>'connectionId')::uuid
        and m.channel_id = e.value->>'channelId'
        and m.external_id = case e.value->>'type' when 'message' then e.value->>'repliesToId' else e.value->>'messageId' end
    ) known_message on true
    left join early_signals early on e.value->>'type' = 'message'
      and early.tenant_id = (e.value->>'tenantId')::uuid and early.connection_id = (e.value->>'connectionId')::uuid
      and early.channel_id = (e.value->>'channelId') collate "C"
      and early.external_id = (e.value->>'messageId') collate "C"
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
      outcomes[event.place] := konstruct.apply_edit(event.body);
      continue;
    elsif event.type = 'deletion' then
      outcomes[event.place] := konstruct.apply_deletion(event.body);
      continue;
    elsif event.deleted_at is not null then
      outcomes[event.place] := jsonb_build_object('outcome', 'deleted'); -- before it came
      continue;
    end if;

    due := now() + coalesce((event.body->>'settleMs')::double precision, 0) * interval '1 ms';
    -- The conversation first: what is known of the message is then known for good.
    select c.id, c.ready_at, c.engaged_until, c.lease_owner, c.muted, c.turn_id into conversation
    from conversations c
    where c.tenant_id = event.tenant_id and c.connection_id = event.connection_id
      and c.channel_id = event.channel_id and c.thread_id = event.thread_id
    for no key update;

    select m.conversation_id, m.id, m.addressed, m.turn_id, m.deleted_at into known
    from messages m
    where m.tenant_id = event.tenant_id and m.connection_id = event.connection_id
      and m.channel_id = event.channel_id and m.external_id = event.message_id;
    if found and event.body ? 'settleMs' and known.turn_id is null and known.deleted_at is null then
      -- One more part of what people see as one message (an album).
      update messages m
      set attachments = m.attachments || (event.body->'attachments'),
          content = case m.content when '' then event.body->>'content' else m.content end
      where m.tenant_id = event.tenant_id and m.conversation_id = known.conversation_id and m.id = known.id
        and not m.attachments @> (event.body->'attachments');
    end if;
    if known.id is not null and (known.addressed or event.addressed <> 'yes' or known.turn_id is not null
                  or known.deleted_at is not null) then
      outcomes[event.place] := jsonb_build_object('outcome', 'duplicate');
      continue;
    end if;
    if known.conversation_id <> conversation.id or known.id is not null and conversation.id is null then
      -- Read as part of another thread (the message that a thread in a DM began with).
      select c.id, c.ready_at, c.engaged_until, c.lease_owner, c.muted, c.turn_id into conversation
      from conversations c
      where c.tenant_id = event.tenant_id and c.id = known.conversation_id
      for no key update;
    end if;

    if conversation.id is null and event.addressed <> 'yes' then
      outcomes[event.place] := jsonb_build_object('outcome', 'not_engaged');
      continue;
    end if;
    asked := not coalesce(conversation.muted, false) and (event.addressed = 'yes'
      or event.addressed = 'if_engaged'
        and (conversation.ready_at is not null or coalesce(conversation.engaged_until > now(), false)));
    if known.id is not null and not asked then
      outcomes[event.place] := jsonb_build_object('outcome', 'duplicate'); -- of a message in a muted thread
      continue;
    end if;

    -- Charged: paid out of the bucket that Redis keeps (src/core/admission-filter.ts).
    if asked and not coalesce((event.body->>'charged')::boolean, false) then
      if event.body->'emptyBucket'->'tokens' is not null then
        -- That bucket is empty. Refilled by nobody here: its time lies ahead.
        select (event.body->'emptyBucket'->>'tokens')::double precision as tokens,
          clock_timestamp() + interval '1 day' as refilled_at,
          to_timestamp((event.body->'emptyBucket'->>'limitedSinceMs')::double precision / 1000) as limited_since
        into bucket;
        bucket_known := '';
      elsif bucket_known <> event.tenant_id || event.bucket_key then
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
      where bucket_known <> '' and b.tenant_id = event.tenant_id and b.key = event.bucket_key;
      continue when outcomes[event.place] is not null;
    end if;

    joined := null;
    if asked and conversation.turn_id is not null and event.body->>'busyMode' in ('steer', 'interrupt') then
      -- The agent takes in at once what comes while it works, unless it is too late for that.
      update turns t set revision = t.revision + 1
      where t.tenant_id = event.tenant_id and t.id = conversation.turn_id and t.status = 'running'
        and t.cancel is null and t.revises is null
        and t.revision < 10 -- or a lively thread would keep it from ever answering: what comes then is the next turn
      returning t.id into joined;
      if found then
        perform pg_notify('konstruct_turns', coalesce(known.conversation_id, conversation.id)::text);
      end if;
    end if;

    if known.id is not null then
      -- The plain `message` of a mention came first and was taken for context, or an agent read it with its thread: the
      -- mention upgrades it. What was read knows less (no files), and still has the agent's own mention in it.
      update messages m
      set addressed = true, reply_thread_id = event.body->>'replyThreadId', turn_id = joined,
          content = case when m.edited_at is null then event.body->>'content' else m.content end,
          mentions = case when m.edited_at is null then event.body->'mentions' else m.mentions end,
          attachments = case m.attachments when '[]' then event.body->'attachments' else m.attachments end,
          channel_metadata = m.channel_metadata || (event.body->'channelMetadata')
      where m.tenant_id = event.tenant_id and m.conversation_id = known.conversation_id and m.id = known.id;
      update conversations c set ready_at = coalesce(c.ready_at, due), last_message_at = now()
      where c.tenant_id = event.tenant_id and c.id = known.conversation_id;
      became_ready := became_ready or conversation.ready_at is null;
      outcomes[event.place] := jsonb_build_object('outcome', 'new',
        'conversationId', known.conversation_id, 'wasIdle', conversation.ready_at is null);
      continue;
    end if;

    begins := conversation.id is null;
    if begins then
      insert into conversations as c
        (tenant_id, connection_id, channel_id, thread_id, scope, ready_at, thread_unread)
      values (event.tenant_id, event.connection_id, event.channel_id, event.thread_id, event.body->>'scope', due,
        (event.body->>'threadBegan')::boolean)
      -- Only while gateways disagree about the limit of a connection, and so about its bucket.
      on conflict (tenant_id, connection_id, channel_id, thread_id)
        do update set ready_at = coalesce(c.ready_at, due), last_message_at = now()
      returning c.id into conversation.id;
      if (event.body->>'announce')::boolean then
        -- Gateways remember threads in which the agent takes no part (src/redis/create-quiet-threads.ts).
        perform pg_notify('konstruct_begun',
          md5(concat_ws('/', event.connection_id, event.channel_id, event.thread_id)));
      end if;
    elsif asked then
      update conversations c set ready_at = coalesce(c.ready_at, due), last_message_at = now()
      where c.tenant_id = event.tenant_id and c.id = conversation.id;
    else
      -- For retention only, hence not with every message.
      update conversations c set last_message_at = now()
      where c.tenant_id = event.tenant_id and c.id = conversation.id
        and c.last_message_at < now() - interval '1 hour';
    end if;
    insert into messages (tenant_id, conversation_id, connection_id, channel_id, external_id, event_id, direction,
      sender_id, sender_name, content, mentions, attachments, channel_metadata, addressed, reply_thread_id, sent_at,
      turn_id, edited_at)
    values (event.tenant_id, conversation.id, event.connection_id, event.channel_id, event.message_id, event.event_id,
      'in', event.body->>'senderId', event.body->>'senderName', event.body->>'content', event.body->'mentions',
      event.body->'attachments', event.body->'channelMetadata', asked, event.body->>'replyThreadId', event.sent_at,
      joined, event.edited_at)
    on conflict do nothing;
    if not found then
      outcomes[event.place] := jsonb_build_object('outcome', 'duplicate'); -- the same event id under another message id
      continue;
    end if;
    became_ready := became_ready or (asked and conversation.ready_at is null);
    outcomes[event.place] := jsonb_build_object('outcome', case when asked then 'new' else 'context' end,
      'conversationId', conversation.id, 'wasIdle', conversation.ready_at is null)
      || case when begins then '{"begins": true}'::jsonb else '{}' end;
    -- A stop or a mute that overtook it.
    if event.wishes is not null then
      for wish in select w.value from jsonb_array_elements(event.wishes) as w loop
        if wish->>'type' = 'stop' then
          perform konstruct.apply_stop(wish);
        else
          perform konstruct.apply_mute(wish);
        end if;
      end loop;
    end if;
    -- Not while a turn runs there: "Thinking…" says enough.
    if asked and event.body ? 'busySince' and conversation.lease_owner is null and event.wishes is null then
      insert into deliveries (tenant_id, connection_id, kind, channel_id, thread_id, dedupe_key, detail)
      values (event.tenant_id, event.connection_id, 'notice', event.channel_id, event.body->>'replyThreadId',
        concat_ws(':', 'busy', conversation.id, event.body->>'busySince'),
        jsonb_build_object('code', 'busy', 'conversationId', conversation.id, 'ahead', event.body->'busyAhead'))
      on conflict (tenant_id, connection_id, dedupe_key) where dedupe_key is not null do nothing
      returning id into notice;
      if found then
        outcomes[event.place] := outcomes[event.place] || jsonb_build_object('noticeId', notice);
      end if;
    end if;
  end loop;

  if became_ready and p_announce then
    notify konstruct_ready; -- once per batch, and only if a conversation was idle
  end if;
  return to_jsonb(outcomes);
end
$$;
