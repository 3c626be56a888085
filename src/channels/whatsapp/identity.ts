import type { ChannelIdentity, ConnectionFinding, ExaminedEnvironment } from '../../core/channel.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asId, asRecord, asText, type JsonRecord } from '../read-json.ts';
import type { GraphClient } from './client.ts';
import { examineToken } from './examine-token.ts';
import { unavailable } from './graph-error.ts';

const IDENTITY_FIELDS = 'id,display_phone_number,verified_name';
const HEALTH_FIELDS = 'id,quality_rating,status,webhook_configuration';

/**
 * Which number it is. The agent is known by the number, because that is what people's replies name.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/phone-numbers
 */
export async function identify(
  client: GraphClient,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<ChannelIdentity> {
  const number = await readNumber(client, access, IDENTITY_FIELDS, signal);
  const externalId = asId(number.id);
  const shownNumber = asText(number.display_phone_number);
  if (externalId === null || shownNumber === '') throw unavailable('number', 'number_incomplete', false);
  return {
    externalId,
    agentUserId: shownNumber.replaceAll(/\D/g, ''),
    name: asText(number.verified_name) || shownNumber,
    scopes: null,
  };
}

/** What Meta says about a number beside which it is. */
export async function examine(
  client: GraphClient,
  access: ConnectionAccess,
  { webhookUrl, hasSharedSecret }: ExaminedEnvironment,
  signal: AbortSignal,
): Promise<readonly ConnectionFinding[]> {
  const number = await readNumber(client, access, HEALTH_FIELDS, signal);
  const hasOwnSecret = Boolean(access.credentials.appSecret);
  return [
    ...(await examineToken(client, access, signal)),
    ...examineSecrets(access, hasSharedSecret, hasOwnSecret),
    ...examineWebhook(number, webhookUrl, hasOwnSecret),
    ...examineHealth(number),
  ];
}

function examineSecrets(
  { credentials }: ConnectionAccess,
  hasSharedSecret: boolean,
  hasOwnSecret: boolean,
): readonly ConnectionFinding[] {
  if (!hasOwnSecret && !hasSharedSecret) {
    return [
      {
        level: 'problem',
        text: 'there is no app secret, so everything WhatsApp sends is refused.',
        remedy: 'Set WHATSAPP_APP_SECRET, or give the connection an appSecret (App settings, Basic).',
      },
    ];
  }
  if (!hasOwnSecret || credentials.verifyToken) return [];
  return [
    {
      level: 'warning',
      text: 'it has an appSecret of its own and no verifyToken, so Meta cannot check its own address.',
      remedy: 'Give the connection a verifyToken, and enter the same at Meta beside the address.',
    },
  ];
}

/** Meta sends to the address of the number, of its account, or of the app: the first that is set. */
function examineWebhook(
  number: JsonRecord,
  webhookUrl: string | null,
  hasOwnSecret: boolean,
): readonly ConnectionFinding[] {
  if (webhookUrl === null) return [];
  const configured = asRecord(number.webhook_configuration) ?? {};
  const url =
    asText(configured.phone_number) ||
    asText(configured.whatsapp_business_account) ||
    asText(configured.application);
  const shared = webhookUrl.slice(0, webhookUrl.lastIndexOf('/'));
  const wanted = hasOwnSecret ? webhookUrl : shared;
  if (url === shared || (hasOwnSecret && url === webhookUrl)) {
    return [{ level: 'ok', text: 'WhatsApp sends its messages here.', remedy: null }];
  }
  return [
    {
      level: 'problem',
      text:
        url === ''
          ? 'WhatsApp does not send its messages here.'
          : 'WhatsApp sends its messages to another address.',
      remedy: `At Meta, under WhatsApp, Configuration, set the webhook to ${wanted} and subscribe to "messages".`,
    },
  ];
}

function examineHealth(number: JsonRecord): readonly ConnectionFinding[] {
  const findings: ConnectionFinding[] = [];
  const status = asText(number.status);
  if (status !== '' && status !== 'CONNECTED') {
    findings.push({
      level: 'problem',
      text: `the number is ${status.toLowerCase()} at WhatsApp.`,
      remedy: 'Look at the number in WhatsApp Manager; it has to be registered and connected.',
    });
  }
  if (asText(number.quality_rating) === 'RED') {
    findings.push({
      level: 'warning',
      text: 'people block or report the number; WhatsApp may restrict it.',
      remedy: 'Look at its quality in WhatsApp Manager.',
    });
  }
  return findings;
}

function readNumber(
  client: GraphClient,
  access: ConnectionAccess,
  fields: string,
  signal: AbortSignal,
): Promise<JsonRecord> {
  const path = `?fields=${fields}`;
  return client.call(
    access,
    { name: 'number', httpMethod: 'GET', path, idempotent: true, personId: null },
    signal,
  );
}
