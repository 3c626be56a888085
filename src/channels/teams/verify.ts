import type { ChannelRequest } from '../../core/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { KonstructError } from '../../core/errors.ts';
import { createJwtKeySet, type JwtKeySet, keysOfDocument } from '../create-jwt-key-set.ts';
import type { KeptAliveHttp } from '../kept-alive-http.ts';
import { asRecord, type JsonRecord, readRecord } from '../read-json.ts';
import { verifyBearerToken } from '../verify-jwt.ts';
import { readActivity } from './read-activity.ts';
import type { ServiceUrls } from './service-urls.ts';
import { asGuid } from './teams-app.ts';
import { teamsError } from './teams-error.ts';

const ISSUER = 'https://api.botframework.com';
/** What a key has to be endorsed for, and what activities of Teams call their channel. */
const CHANNEL = 'msteams';

/**
 * Checks that the Bot Framework sent this activity, for this app and from Teams: the token's signature, issuer and
 * audience, that its key is endorsed for Teams, and that the token names the activity's own `serviceUrl`, which has to
 * be one of Microsoft's.
 *
 * Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication#connector-to-bot
 *
 * @throws KonstructError `signing_secret_missing`, `signature_missing`, `signature_invalid`, `signature_expired`,
 *   `body_malformed`, `platform_unavailable`
 */
export async function verifyTeamsRequest(
  request: ChannelRequest,
  appId: string,
  nowMs: number,
  keys: JwtKeySet,
  serviceUrls: ServiceUrls,
): Promise<void> {
  if (appId === '') throw new KonstructError('signing_secret_missing');
  const { claims, key } = await verifyBearerToken(request, keys, { issuer: ISSUER, audience: appId, nowMs });
  const { endorsements } = key.published;
  if (!Array.isArray(endorsements) || !endorsements.includes(CHANNEL))
    throw new KonstructError('signature_invalid');
  const activity = readActivity(request);
  const { serviceUrl } = activity;
  const claimed = claims.serviceurl ?? claims.serviceUrl;
  if (activity.channelId !== CHANNEL || typeof serviceUrl !== 'string' || claimed !== serviceUrl)
    throw new KonstructError('signature_invalid');
  if (!serviceUrls.isTrusted(serviceUrl)) throw new KonstructError('signature_invalid');
  const tenantId = asGuid(tenantOf(activity));
  if (tenantId !== null) serviceUrls.remember(appId, tenantId, serviceUrl);
}

/** The Microsoft tenant that an activity comes from, as it is written. */
export function tenantOf(activity: JsonRecord): unknown {
  return (
    asRecord(asRecord(activity.channelData)?.tenant)?.id ?? asRecord(activity.conversation)?.tenantId ?? null
  );
}

/**
 * The keys that the Bot Framework signs with, by way of its OpenID document.
 *
 * Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication#openid-metadata-document
 */
export function createBotFrameworkKeys(
  openIdUrl: string,
  http: KeptAliveHttp,
  timeoutMs: number,
  clock: Clock,
): JwtKeySet {
  const get = async (url: string): Promise<string> => {
    const call = { base: url, method: 'GET', headers: { accept: 'application/json' }, body: '', timeoutMs };
    const { status, text } = await http.exchange(call);
    if (status !== 200) throw teamsError.unavailable('openid', `http_${status}`, false);
    return text;
  };
  return createJwtKeySet({
    clock,
    async load() {
      const keysUrl = readRecord(await get(openIdUrl))?.jwks_uri;
      // Whoever may say where the keys are says what is believed: only from beside the document itself.
      if (typeof keysUrl !== 'string' || URL.parse(keysUrl)?.origin !== new URL(openIdUrl).origin)
        throw teamsError.unavailable('openid', 'jwks_uri_foreign', false);
      const keys = keysOfDocument(await get(keysUrl));
      if (keys === null) throw teamsError.unavailable('openid', 'keys_missing', false);
      return keys;
    },
  });
}
