-- To whom a turn belongs: operators name a dead letter by its id alone.
create or replace function konstruct.find_turn_tenant(p_id bigint)
  returns uuid
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select t.tenant_id from turns t where t.id = p_id
$$;
