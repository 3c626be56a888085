-- Puts turns back: after p_turns[].delayMs they are claimed again, from the last logged step. Also how a worker that
-- shuts down hands its work over (delay 0, attempt not counted). Turns: see RetryTurn in src/core/turn.ts.
create or replace function konstruct.retry_turns(p_owner text, p_turns jsonb)
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
      "errorDetails" jsonb, "externalIds" jsonb, "untriedFrom" integer)
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
    insert into steps (tenant_id, turn_id, position, kind, outcome, provider, model, input_tokens, output_tokens,
      cached_input_tokens, cache_write_tokens, reasoning_tokens, nano_usd, detail, started_at, duration_ms)
    select h."tenantId", h."turnId", s.position, s.kind, s.outcome, s.provider, s.model, s."inputTokens",
      s."outputTokens", s."cachedInputTokens", s."cacheWriteTokens", s."reasoningTokens", s."nanoUsd", s.detail,
      to_timestamp(s."startedAtMs" / 1000), s."durationMs"
    from held h, jsonb_to_recordset(h.steps) as s (position integer, kind text, outcome text, provider text, model text,
      "inputTokens" integer, "outputTokens" integer, "cachedInputTokens" integer, "cacheWriteTokens" integer,
      "reasoningTokens" integer, "nanoUsd" bigint, detail jsonb, "startedAtMs" double precision, "durationMs" integer)
    -- A commit whose outcome was not known may have written them.
    on conflict (turn_id, position, tenant_id) do nothing
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
  ), untried as (
    -- What certainly was not sent may be sent without a look on the platform; claim_turns makes it `sending` again.
    update deliveries d set status = 'pending'
    from held h
    where h."untriedFrom" is not null and d.tenant_id = h."tenantId" and d.turn_id = h."turnId"
      and d.kind = 'answer' and d.position >= h."untriedFrom" and d.status = 'sending'
  )
  update conversations c
  set lease_owner = null, ready_at = now() + h."delayMs" * interval '1 ms'
  from held h
  where c.tenant_id = h."tenantId" and c.id = h."conversationId"
  returning h."turnId";
  notify konstruct_ready;
end
$$;
