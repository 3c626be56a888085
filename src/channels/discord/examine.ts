import type { ConnectionFinding, ExaminedEnvironment } from '../../core/channel.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import type { DiscordClient } from './client.ts';
import { readApplication } from './identity.ts';
import { inviteUrl, missingPermissions } from './permissions.ts';

/** Source: https://discord.com/developers/docs/resources/application#application-object-application-flags */
const MESSAGE_CONTENT = (1 << 18) | (1 << 19);
/** Fewer sessions left of the day than this is more than restarts. */
const FEW_SESSIONS = 100;
const PORTAL = 'https://discord.com/developers/applications';

/** Whether an app may read what is written in servers, and not only what mentions it. */
export function mayReadMessages(application: JsonRecord): boolean {
  const { flags } = application;
  return typeof flags === 'number' && (flags & MESSAGE_CONTENT) !== 0;
}

/** What Discord says about an app, its servers and its sessions. */
export async function examine(
  client: DiscordClient,
  access: ConnectionAccess,
  environment: ExaminedEnvironment,
  signal: AbortSignal,
): Promise<readonly ConnectionFinding[]> {
  const get = (name: string, path: readonly string[]) =>
    client.call(access, { name, method: 'GET', path, idempotent: true }, signal);
  const [application, servers, gateway] = await Promise.all([
    readApplication(client, access, signal),
    get('get own servers', ['users', '@me', 'guilds']).then(asRecords),
    get('get gateway', ['gateway', 'bot']).then(asRecord),
  ]);
  return [
    ...examineIntent(application),
    ...examineServers(asText(application.id), servers),
    ...examineEndpoint(application, access, environment),
    ...examinePublicity(application),
    ...examineGateway(gateway),
  ];
}

function examineIntent(application: JsonRecord): readonly ConnectionFinding[] {
  const ok = 'in servers it sees every message where it is allowed in, and follows threads by itself.';
  if (mayReadMessages(application)) return [{ level: 'ok', text: ok, remedy: null }];
  return [
    {
      level: 'warning',
      text: 'the Message Content Intent is off: in servers it sees mentions only, and follows no thread without them.',
      remedy: `Switch on "Message Content Intent" at ${PORTAL} → the app → Bot, then restart Konstruct.`,
    },
  ];
}

function examineServers(applicationId: string, servers: readonly JsonRecord[]): readonly ConnectionFinding[] {
  if (servers.length === 0) {
    const remedy = `Open ${inviteUrl(applicationId)} and choose your server.`;
    return [{ level: 'problem', text: 'the bot is in no server.', remedy }];
  }
  return servers.flatMap((server): readonly ConnectionFinding[] => {
    const missing = missingPermissions(server.permissions) ?? [];
    if (missing.length === 0) return [];
    const name = asText(server.name) || 'a server';
    return [
      {
        level: missing.includes('View Channels') || missing.includes('Send Messages') ? 'problem' : 'warning',
        text: `in "${name}" the bot lacks these permissions: ${missing.join(', ')}.`,
        remedy: `Open ${inviteUrl(applicationId)} again, or give them to the bot's role in Server Settings → Roles.`,
      },
    ];
  });
}

/** Presses and commands go to the endpoint that is entered, and come over the gateway if none is. */
function examineEndpoint(
  application: JsonRecord,
  { credentials }: ConnectionAccess,
  { webhookUrl }: ExaminedEnvironment,
): readonly ConnectionFinding[] {
  const { publicKey } = credentials;
  const url = asText(application.interactions_endpoint_url);
  const findings: ConnectionFinding[] = [];
  if (publicKey !== undefined && publicKey.toLowerCase() !== asText(application.verify_key).toLowerCase()) {
    findings.push({
      level: 'problem',
      text: 'the public key is not that of the app.',
      remedy: `Copy "Public Key" from ${PORTAL} → the app → General Information.`,
    });
  }
  if (url === '') return findings; // over the gateway, which needs no key
  if (publicKey === undefined) {
    findings.push({
      level: 'problem',
      text: 'Discord sends buttons and commands to an Interactions Endpoint, and the connection has no public key.',
      remedy: `Remove "Interactions Endpoint URL" at ${PORTAL} → the app → General Information, or add publicKey.`,
    });
  } else if (webhookUrl !== null && url !== webhookUrl) {
    findings.push({
      level: 'problem',
      text: 'Discord sends buttons and commands to another address.',
      remedy: `Enter ${webhookUrl} as "Interactions Endpoint URL" at ${PORTAL} → the app → General Information, or leave it empty.`,
    });
  }
  return findings;
}

function examinePublicity(application: JsonRecord): readonly ConnectionFinding[] {
  if (application.bot_public !== true) return [];
  return [
    {
      level: 'warning',
      text: 'anybody may invite the bot into a server of theirs and talk to it there.',
      remedy: `Set "Install Link" to None at ${PORTAL} → the app → Installation, and switch off "Public Bot" under Bot.`,
    },
  ];
}

function examineGateway(gateway: JsonRecord | null): readonly ConnectionFinding[] {
  const findings: ConnectionFinding[] = [];
  const { remaining, total } = asRecord(gateway?.session_start_limit) ?? {};
  if (typeof remaining === 'number' && remaining < FEW_SESSIONS) {
    findings.push({
      level: 'warning',
      text: `${remaining} of ${typeof total === 'number' ? total : 1_000} sessions of the day are left.`,
      remedy:
        'Look into the log for discord.session_lost: something makes Konstruct sign in again and again.',
    });
  }
  if (typeof gateway?.shards === 'number' && gateway.shards > 1) {
    findings.push({
      level: 'warning',
      text: `Discord recommends ${gateway.shards} shards; Konstruct opens one connection, which serves up to 2,500 servers.`,
      remedy: 'Take the bot out of servers that do not need it, or give companies a bot each.',
    });
  }
  return findings;
}
