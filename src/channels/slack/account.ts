import type { AccountRef } from '../../core/channel-event.ts';
import { asId, asRecord, asRecords, type JsonRecord } from '../read-json.ts';

/**
 * Which installation an event belongs to. The first authorisation names it; what the envelope says besides is only
 * tried where that cannot be another company's installation:
 *
 * - `authorizations[0]`: the workspace, then, for an organisation-wide installation, the organisation;
 * - else `context_team_id` and `context_enterprise_id`: through whom this app received the event;
 * - else `team_id` and `enterprise_id`. In a Slack Connect channel these name the workspace of whoever wrote, so with
 *   authorisations present they are not believed there.
 *
 * Source: https://docs.slack.dev/apis/events-api/#events-JSON, slackapi/bolt-js#935
 */
export function accountOf(envelope: JsonRecord): AccountRef {
  const authorizations = asRecords(envelope.authorizations);
  const authorization = authorizations[0] ?? null;
  const authorizedUser = authorization === null ? null : asId(authorization.user_id);
  return {
    externalIds: externalIds(envelope, authorization),
    appId: asId(envelope.api_app_id),
    // An app that also has user tokens is authorised by a person now and then: that id is not the agent's.
    agentUserId: authorization?.is_bot === false ? null : authorizedUser,
  };
}

function externalIds(envelope: JsonRecord, authorization: JsonRecord | null): readonly string[] {
  if (authorization !== null) {
    const team = asId(authorization.team_id);
    const organisation = team !== null && authorization.is_enterprise_install === false;
    const named = present(team, organisation ? null : asId(authorization.enterprise_id));
    if (named.length > 0) return named;
  }
  const context = present(asId(envelope.context_team_id), asId(envelope.context_enterprise_id));
  if (context.length > 0) return context;
  if (authorization !== null && envelope.is_ext_shared_channel === true) return [];
  return present(asId(envelope.team_id), asId(envelope.enterprise_id));
}

/**
 * As `accountOf`, for the end of an installation. Where a workspace is named, its organisation is left out unless the
 * event says that the installation is organisation-wide: one workspace's goodbye must not end the organisation's.
 */
export function uninstalledAccountOf(envelope: JsonRecord): AccountRef {
  const account = accountOf(envelope);
  const [first] = account.externalIds;
  const organisationWide = asRecords(envelope.authorizations)[0]?.is_enterprise_install === true;
  return first === undefined || organisationWide ? account : { ...account, externalIds: [first] };
}

/** The account of an interaction or a slash command: form fields, or the objects in an interaction's payload. */
export function accountOfForm(payload: JsonRecord): AccountRef {
  const team = asId(asRecord(payload.team)?.id) ?? asId(payload.team_id);
  const organisation = asId(asRecord(payload.enterprise)?.id) ?? asId(payload.enterprise_id);
  return { externalIds: present(team, organisation), appId: asId(payload.api_app_id), agentUserId: null };
}

function present(...ids: readonly (string | null)[]): readonly string[] {
  return ids.filter((id, index): id is string => id !== null && ids.indexOf(id) === index);
}
