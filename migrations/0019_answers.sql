-- What answers have beside text: buttons, files, and the face of who gives them.

-- Shown beside the agent's name where the platform can: an https address of a picture, or an emoji (`:owl:`). Null: the app's.
alter table konstruct.agents add column icon text;

-- `deliveries.detail` says more of an answer too (until now of notices only):
--   {"choices": [text, …]}                       buttons below it; on the last part of the text
--   {"file": {"name", "mediaType", "content"}}   it is a file, with its bytes (base64) until it is sent; behind the text
-- A file is a part of the answer, so whatever holds for the parts of a long one holds for it: one row before it is sent, its
-- id as the marker, tried again only where that is safe.

-- As in 0005_etiquette.sql; what an earlier answer has beside text is known to the turn that replaces it.
create or replace function konstruct.resume_replay() returns trigger
  language plpgsql
  set search_path = konstruct, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_seqscan = off
as $$
declare
  resumed record;
begin
  -- Nobody needs a second look after a worker that read the newest words after all, or after a stop.
  update turns w
  set status = 'cancelled', finished_at = clock_timestamp()
  from turns t
  where w.tenant_id = new.tenant_id and w.conversation_id = new.id and w.status = 'replaying' and w.cancel is null
    and t.tenant_id = w.tenant_id and t.id = w.revises
    and (t.answered_revision >= t.revision or t.status = 'cancelled');
  update turns t
  set status = case when t.committed_at is null then 'running' else 'committed' end,
      started_at = case when t.revises is null or exists (
        select 1 from deliveries d where d.tenant_id = t.tenant_id and d.turn_id = t.id)
        then t.started_at else clock_timestamp() end
  where t.tenant_id = new.tenant_id and t.id = (
    select w.id from turns w
    where w.tenant_id = new.tenant_id and w.conversation_id = new.id and w.status = 'replaying'
    order by w.id limit 1)
  returning t.id, t.revises, t.cancel into resumed;
  if found then
    new.turn_id := resumed.id;
    new.replays_waiting := new.replays_waiting - 1;
    new.ready_at := least(new.ready_at, now());
    insert into deliveries (tenant_id, turn_id, kind, position, channel_id, thread_id, status, attempts, external_id,
      sent_at, detail)
    select d.tenant_id, resumed.id, 'placeholder', d.position, d.channel_id, d.thread_id, 'sent', 1, d.external_id,
      d.sent_at, d.detail
    from deliveries d
    where d.tenant_id = new.tenant_id and d.turn_id = resumed.revises and d.external_id is not null
      and (d.kind = 'answer' or not exists (
        select 1 from deliveries a
        where a.tenant_id = d.tenant_id and a.turn_id = d.turn_id and a.kind = 'answer' and a.external_id is not null))
    on conflict do nothing;
    if resumed.cancel is null then
      update messages m set turn_id = resumed.id
      where m.tenant_id = new.tenant_id and m.turn_id = resumed.revises and m.direction = 'in';
    end if;
  else
    new.replays_waiting := 0;
  end if;
  return new;
end
$$;
