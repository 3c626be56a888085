-- Keeps what a person thinks of an answer: see AdmitFeedback in src/router/admit-feedback.ts. One row per person and turn,
-- and in it a mark for each message and verdict, put on or taken off. Marks carry the platform's time, so copies and late
-- ones change nothing, in whatever order they come; the newest that is on is the verdict.
-- Outcomes: rated (verdict: what it is now, null when it was taken back), duplicate, unknown_message.
create or replace function konstruct.apply_feedback(p_event jsonb)
  returns jsonb
  language plpgsql security definer
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  tenant constant uuid := (p_event->>'tenantId')::uuid;
  person constant text := p_event->>'personId';
  on_now constant boolean := (p_event->>'present')::boolean;
  mark constant text := concat_ws(' ', p_event->>'messageId', p_event->>'verdict');
  happened_ms constant double precision := (p_event->>'sentAtMs')::double precision;
  answered constant bigint := konstruct.find_answer(tenant, (p_event->>'connectionId')::uuid, p_event->>'channelId',
    p_event->>'messageId');
  given record;
  all_marks jsonb;
  newest text;
  outcome jsonb := '{"outcome": "duplicate"}';
begin
  if answered is null then
    return '{"outcome": "unknown_message"}';
  end if;
  insert into feedback (tenant_id, turn_id, person_id) values (tenant, answered, person)
  on conflict do nothing;
  for given in
    -- An answer that was made anew stands in the same message: what is taken off may have been meant for an earlier one.
    with recursive chain (id, revises) as (
      select t.id, t.revises from turns t where t.tenant_id = tenant and t.id = answered
      union all
      select t.id, t.revises from chain c
      join turns t on t.tenant_id = tenant and t.id = c.revises
      where not on_now
    )
    select f.turn_id, f.verdict, f.marks
    from chain c
    join feedback f on f.tenant_id = tenant and f.turn_id = c.id and f.person_id = person collate "C"
    order by f.turn_id
    for no key update of f
  loop
    continue when happened_ms < (given.marks->mark->>'at')::double precision;
    all_marks := given.marks || jsonb_build_object(mark, jsonb_build_object('at', happened_ms, 'on', on_now));
    newest := null;
    select split_part(m.key, ' ', -1) into newest
    from jsonb_each(all_marks) as m
    where (m.value->>'on')::boolean
    order by (m.value->>'at')::double precision desc, m.key desc
    limit 1;
    update feedback f
    set marks = all_marks, verdict = newest,
        given_at = case when newest is distinct from given.verdict then to_timestamp(happened_ms / 1000) else f.given_at end
    where f.tenant_id = tenant and f.turn_id = given.turn_id and f.person_id = person collate "C";
    if newest is distinct from given.verdict then
      outcome := jsonb_build_object('outcome', 'rated', 'verdict', newest);
    end if;
  end loop;
  return outcome;
end
$$;
