-- Stops answering for a connection (uninstalled, token revoked). Returns whether it was active.
create or replace function konstruct.disable_connection(p_tenant_id uuid, p_id uuid, p_reason text)
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
