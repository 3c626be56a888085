import type { ChannelIdentity, ConnectionFinding, ExaminedEnvironment } from '../../core/channel.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import type { JwtKeySet } from '../create-jwt-key-set.ts';
import type { TeamsClient } from './client.ts';
import { APP_REMEDY, asGuid, type TeamsSettings, teamsAppOf } from './teams-app.ts';
import { teamsError } from './teams-error.ts';

/**
 * Who we are in Teams. A bot cannot ask: that its token is given shows that app and password are right, and the company is
 * the one that the connection names.
 *
 * @throws KonstructError `platform_rejected`: `app_missing`, or what Microsoft says of app, password or tenant
 */
export async function identify(
  client: TeamsClient,
  settings: TeamsSettings,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<ChannelIdentity> {
  const app = teamsAppOf(access, settings);
  if (app === null) throw teamsError.rejected('login', 'app_missing', { remedy: APP_REMEDY });
  await client.token(access, signal);
  return {
    externalId: access.externalId,
    agentUserId: `28:${app.appId}`,
    name: `the Microsoft tenant ${access.externalId}`,
    scopes: null,
  };
}

/** What is amiss beside the app and its password. Where Azure sends messages no bot may ask, so it is said instead. */
export async function examine(
  keys: JwtKeySet,
  settings: TeamsSettings,
  access: ConnectionAccess,
  { webhookUrl, hasSharedSecret }: ExaminedEnvironment,
): Promise<readonly ConnectionFinding[]> {
  const findings: ConnectionFinding[] = [];
  const { credentials, connectionId, externalId } = access;
  const isOwn = credentials.appId !== undefined;
  if (!isOwn && !hasSharedSecret) {
    findings.push({
      level: 'problem',
      text: 'there is no app id, so everything Teams sends is refused.',
      remedy: APP_REMEDY,
    });
  }
  const appTenantId = isOwn ? asGuid(credentials.tenantId) : settings.appTenantId;
  if (appTenantId !== null && appTenantId !== externalId) {
    findings.push({
      level: 'warning',
      text: `the app is registered for the single tenant ${appTenantId}, not for this one.`,
      remedy:
        'Microsoft lets nobody register a multi-tenant bot any more: give this connection an app of its own tenant (appId, appPassword, tenantId). If it is a multi-tenant one of before, leave its tenant id out.',
    });
  }
  try {
    await keys.find('none');
  } catch (error) {
    if (!isKonstructError(error, 'platform_unavailable')) throw error;
    findings.push({
      level: 'problem',
      text: 'the keys that Teams signs its messages with cannot be fetched, so nothing it sends can be believed.',
      remedy: `Let this machine reach ${new URL(settings.openIdUrl).host}.`,
    });
  }
  if (webhookUrl === null) {
    findings.push({
      level: 'warning',
      text: 'nobody knows under which address Teams reaches this installation.',
      remedy: 'Set KONSTRUCT_PUBLIC_URL, and enter the address at the Azure Bot (Settings, Configuration).',
    });
  } else {
    const endpoint = isOwn ? webhookUrl : webhookUrl.replace(`/${connectionId}`, '');
    findings.push({
      level: 'ok',
      text: `its messaging endpoint at Azure has to be ${endpoint}.`,
      remedy: null,
    });
  }
  return findings;
}
