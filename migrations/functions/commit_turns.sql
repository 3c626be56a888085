-- Records what a turn has come to: the steps, the reply and what is to be delivered. Refused (not in the result) when
-- fence or owner no longer fit: another worker has the conversation; or when the turn was cancelled or, if it is to be
-- `strict`, has more to answer than the worker has read (check_turns says which). Turns: see CommitTurn in src/core/turn.ts.
-- A placeholder that is known by now is recorded on the way. Returns per turn the ids of the new deliveries, parts before
-- files.
create or replace function konstruct.commit_turns(p_owner text, p_turns jsonb)
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
      fence bigint, "placeholderExternalId" text, steps jsonb, reply text, parts jsonb, choices jsonb,
      files jsonb, "agentUserId" text, "errorCode" text, "errorDetails" jsonb, revision integer, strict boolean,
      "answerElsewhere" boolean)
  ), locked as materialized (
    select i.*, c.connection_id, c.channel_id, t.reply_thread_id
    from input i
    join conversations c on c.tenant_id = i."tenantId" and c.id = i."conversationId"
    join turns t on t.tenant_id = i."tenantId" and t.id = i."turnId"
    where c.fence = i.fence and c.lease_owner = p_owner and c.turn_id = i."turnId" and t.status = 'running'
    order by c.connection_id, c.channel_id, c.thread_id
    for no key update of c
  ), turn as (
    -- The update, and not the reading above, sees what was said of the turn while this waited for the conversation.
    update turns t
    set status = 'committed', committed_at = clock_timestamp(), attempts = 0, error_code = l."errorCode",
        error_details = l."errorDetails", answered_revision = coalesce(l.revision, t.revision)
    from locked l
    where t.tenant_id = l."tenantId" and t.id = l."turnId" and t.status = 'running' and t.cancel is null
      -- An answer to other words than those that stand there now goes out only if a second look waits behind it: how an
      -- agent treats what comes while it works may have changed since the claim.
      -- What was taken back is answered in no case.
      and (l.revision is null or t.revision = l.revision or l.strict is not true and exists (
        select 1 from turns w
        where w.tenant_id = t.tenant_id and w.conversation_id = t.conversation_id and w.revises = t.id
          and w.status = 'replaying') and not exists (
        select 1 from messages m
        where m.tenant_id = t.tenant_id and m.turn_id = t.id and m.direction = 'in' and m.deleted_at is not null))
    returning t.id, t.revises
  ), held as materialized (
    select l.*, t.revises from locked l join turn t on t.id = l."turnId"
  ), revised as (
    -- The answer stands where the earlier one stood, also in our own record.
    update messages m
    set content = h.reply, turn_id = h."turnId", edited_at = clock_timestamp(),
        external_id = case when h."answerElsewhere" is not true then m.external_id end
    from held h
    where m.tenant_id = h."tenantId" and m.turn_id = h.revises and m.direction = 'out' and m.deleted_at is null
    returning m.conversation_id
  ), step as (
    insert into steps (tenant_id, turn_id, position, kind, outcome, provider, model, input_tokens, output_tokens,
      cached_input_tokens, cache_write_tokens, reasoning_tokens, nano_usd, detail, started_at, duration_ms)
    select h."tenantId", h."turnId", s.position, s.kind, s.outcome, s.provider, s.model, s."inputTokens",
      s."outputTokens", s."cachedInputTokens", s."cacheWriteTokens", s."reasoningTokens", s."nanoUsd", s.detail,
      to_timestamp(s."startedAtMs" / 1000), s."durationMs"
    from held h, jsonb_to_recordset(h.steps) as s (position integer, kind text, outcome text, provider text, model text,
      "inputTokens" integer, "outputTokens" integer, "cachedInputTokens" integer, "cacheWriteTokens" integer,
      "reasoningTokens" integer, "nanoUsd" bigint, detail jsonb, "startedAtMs" double precision, "durationMs" integer)
  ), message as (
    -- Where the first part replaces the placeholder its name is known, and the end of the turn need not write the row again.
    -- Where the placeholder goes, its name must not be the answer's: the platform will say that it was deleted.
    insert into messages (tenant_id, conversation_id, connection_id, channel_id, external_id, direction, sender_id,
      content, addressed, turn_id, sent_at)
    select h."tenantId", h."conversationId", h.connection_id, h.channel_id,
      case when h."answerElsewhere" is not true and not exists (
        select 1 from messages known
        where known.tenant_id = h."tenantId" and known.connection_id = h.connection_id
          and known.channel_id = h.channel_id and known.external_id = h."placeholderExternalId"
        offset 0) then h."placeholderExternalId" end,
      'out', h."agentUserId", h.reply, false, h."turnId", clock_timestamp()
    from held h
    where h.revises is null or not exists (select 1 from revised r where r.conversation_id = h."conversationId")
  ), shown as (
    update deliveries d set status = 'sent', external_id = h."placeholderExternalId", sent_at = clock_timestamp()
    from held h
    where h."placeholderExternalId" is not null and d.tenant_id = h."tenantId" and d.turn_id = h."turnId"
      and d.kind = 'placeholder' and d.position = 0
  ), outbox as (
    insert into deliveries (tenant_id, turn_id, kind, position, channel_id, thread_id, content, detail, status, attempts)
    select h."tenantId", h."turnId", 'answer', (part.place - 1)::integer, h.channel_id, h.reply_thread_id, part.content,
      case when h.choices is not null and part.place = jsonb_array_length(h.parts)
        then jsonb_build_object('choices', h.choices) end,
      'sending', 1
    from held h, jsonb_array_elements_text(h.parts) with ordinality as part (content, place)
    union all
    -- Files stand behind the text.
    select h."tenantId", h."turnId", 'answer', (jsonb_array_length(h.parts) + f.place - 1)::integer, h.channel_id,
      h.reply_thread_id, f.file->>'name', jsonb_build_object('file', f.file), 'sending', 1
    from held h, jsonb_array_elements(h.files) with ordinality as f (file, place)
    returning tenant_id, turn_id, id, position
  )
  select jsonb_build_object('turnId', h."turnId", 'deliveryIds', (
    select jsonb_agg(o.id order by o.position) from outbox o
    where o.tenant_id = h."tenantId" and o.turn_id = h."turnId"))
  from held h;
end
$$;
