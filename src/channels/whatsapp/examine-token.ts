import type { ConnectionFinding } from '../../core/channel.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asId, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import type { GraphClient } from './client.ts';

const SENDING = 'whatsapp_business_messaging';
const READING = 'whatsapp_business_management';
/** An account is one call or two. A token for more is a provider's, who looks after subscriptions in other ways. */
const MAX_ACCOUNTS = 5;

/**
 * What the token may do, until when, and whether its app is sent what happens to the number. Of what Meta does not let us
 * read nothing is said.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/permissions
 */
export async function examineToken(
  client: GraphClient,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<readonly ConnectionFinding[]> {
  const read = createRead(client, access, signal);
  const token = encodeURIComponent(access.credentials.accessToken ?? '');
  const known = asRecord((await read('token', `/debug_token?input_token=${token}`))?.data) ?? null;
  const scopes = Array.isArray(known?.scopes) ? known.scopes.map(asText) : null;
  if (known === null || scopes === null) return [];
  return [
    ...examinePermissions(scopes),
    ...examineEnd(known.expires_at),
    ...(scopes.includes(READING) ? await examineSubscription(read, access, known) : []),
  ];
}

type Read = (name: string, path: string) => Promise<JsonRecord | null>;

function createRead(client: GraphClient, access: ConnectionAccess, signal: AbortSignal): Read {
  return async (name, path) => {
    const call = {
      name,
      httpMethod: 'GET',
      path,
      ofNumber: false,
      idempotent: true,
      personId: null,
    } as const;
    try {
      return await client.call(access, call, signal);
    } catch (error) {
      if (isKonstructError(error, 'platform_rejected')) return null;
      throw error;
    }
  };
}

function examinePermissions(scopes: readonly string[]): readonly ConnectionFinding[] {
  const remedy = `Generate a token for the system user again, with ${SENDING} and ${READING}, and apply it.`;
  const findings: ConnectionFinding[] = [];
  if (!scopes.includes(SENDING)) {
    findings.push({
      level: 'problem',
      text: `the token lacks the permission ${SENDING}: nothing can be sent, and nothing comes.`,
      remedy,
    });
  }
  if (!scopes.includes(READING)) {
    findings.push({
      level: 'warning',
      text: `the token lacks the permission ${READING}, so nobody can look whether its app hears of the number.`,
      remedy,
    });
  }
  return findings;
}

/** In seconds since 1970; 0: never. */
function examineEnd(expiresAt: unknown): readonly ConnectionFinding[] {
  if (typeof expiresAt !== 'number' || expiresAt <= 0 || expiresAt > 8.64e12) return [];
  return [
    {
      level: 'warning',
      text: `the token ends at ${new Date(expiresAt * 1_000).toISOString()}.`,
      remedy: 'Generate one without an expiry for a system user, and apply it.',
    },
  ];
}

/** Meta tells an app of a number only if the app is subscribed to the number's account. */
async function examineSubscription(
  read: Read,
  { externalId }: ConnectionAccess,
  { app_id: appId, granular_scopes: granted }: JsonRecord,
): Promise<readonly ConnectionFinding[]> {
  const targets = asRecords(granted)
    .filter(({ scope }) => scope === READING || scope === SENDING)
    .flatMap(({ target_ids: ids }) => (Array.isArray(ids) ? ids : []))
    .flatMap((id) => asId(id) ?? []);
  for (const account of [...new Set(targets)].slice(0, MAX_ACCOUNTS)) {
    const path = `/${encodeURIComponent(account)}`;
    const numbers = await read('numbers', `${path}/phone_numbers?fields=id&limit=100`);
    if (!asRecords(numbers?.data).some(({ id }) => asId(id) === externalId)) continue;
    const apps = await read('subscriptions', `${path}/subscribed_apps`);
    const isSubscribed = asRecords(apps?.data).some(
      ({ whatsapp_business_api_data: app }) => asId(asRecord(app)?.id) === asId(appId),
    );
    if (apps === null || isSubscribed) return [];
    return [
      {
        level: 'problem',
        text: `its app is not subscribed to the number's WhatsApp account ${account}, so Meta sends nothing here.`,
        remedy: `Send a POST to https://graph.facebook.com/v26.0/${account}/subscribed_apps with the token (Authorization: Bearer …).`,
      },
    ];
  }
  return [];
}
