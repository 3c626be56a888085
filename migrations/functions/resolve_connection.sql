-- Which tenant and connection an event belongs to. The external ids are tried in the order given; a connection for
-- just this app wins over one for any app.
create or replace function konstruct.resolve_connection(p_channel text, p_external_ids text[], p_app_id text)
  returns jsonb
  language sql stable security definer
  set search_path = konstruct, pg_temp
as $$
  select jsonb_build_object(
    'id', c.id, 'tenantId', c.tenant_id, 'agentId', c.agent_id, 'channel', c.channel,
    'externalId', c.external_id, 'appId', c.app_id, 'agentUserId', c.agent_user_id, 'settings', c.settings,
    'status', c.status, 'ownSigningSecret', c.own_signing_secret,
    'installedAtMs', floor(extract(epoch from c.installed_at) * 1000),
    'credentials', encode(c.credentials, 'base64'),
    'colleagueUserIds', (select coalesce(jsonb_agg(o.agent_user_id order by o.id), '[]') from connections o
      where o.tenant_id = c.tenant_id and o.channel = c.channel and o.id <> c.id and o.status = 'active'
        and o.agent_user_id <> ''),
    'busyMode', (select a.busy_mode from agents a where a.tenant_id = c.tenant_id and a.id = c.agent_id))
  from unnest(p_external_ids) with ordinality as wanted (external_id, place)
  join connections c on c.channel = p_channel and c.external_id = wanted.external_id
    and (c.app_id = '' or c.app_id = p_app_id)
  order by wanted.place, c.app_id desc
  limit 1
$$;
