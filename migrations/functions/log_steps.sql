-- Logs steps of turns that go on, as soon as they are known: a worker that takes such a turn over does nothing of it
-- again. Refused (not in the result) when fence or owner no longer fit. Turns: see LogSteps in src/core/turn.ts.
-- A tool call that must not be made twice is logged as `started` before it runs; its end replaces that row, once. So a
-- write that is repeated because its outcome was unknown changes nothing.
create or replace function konstruct.log_steps(p_owner text, p_steps jsonb)
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
    from jsonb_to_recordset(p_steps) as i ("tenantId" uuid, "conversationId" bigint, "turnId" bigint, fence bigint,
      steps jsonb)
    join conversations c on c.tenant_id = i."tenantId" and c.id = i."conversationId"
    join turns t on t.tenant_id = i."tenantId" and t.id = i."turnId"
    where c.fence = i.fence and c.lease_owner = p_owner and c.turn_id = i."turnId" and t.status = 'running'
    order by c.connection_id, c.channel_id, c.thread_id
    for no key update of c
  ), step as (
    insert into steps as logged (tenant_id, turn_id, position, kind, outcome, provider, model, input_tokens,
      output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, nano_usd, detail, started_at, duration_ms)
    select h."tenantId", h."turnId", s.position, s.kind, s.outcome, s.provider, s.model, s."inputTokens",
      s."outputTokens", s."cachedInputTokens", s."cacheWriteTokens", s."reasoningTokens", s."nanoUsd", s.detail,
      to_timestamp(s."startedAtMs" / 1000), s."durationMs"
    from held h, jsonb_to_recordset(h.steps) as s (position integer, kind text, outcome text, provider text, model text,
      "inputTokens" integer, "outputTokens" integer, "cachedInputTokens" integer, "cacheWriteTokens" integer,
      "reasoningTokens" integer, "nanoUsd" bigint, detail jsonb, "startedAtMs" double precision, "durationMs" integer)
    on conflict (turn_id, position, tenant_id) do update
    set outcome = excluded.outcome, detail = excluded.detail, duration_ms = excluded.duration_ms
    where logged.outcome = 'started'
  )
  select h."turnId" from held h;
end
$$;
