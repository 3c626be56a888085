import type { ChannelIdentity, ConnectionFinding, ExaminedEnvironment } from '../../core/channel.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecords } from '../read-json.ts';
import type { GoogleChatClient } from './client.ts';
import { serviceAccountOf } from './service-account.ts';
import type { GoogleKeys } from './verify.ts';

/** Who we are: Chat knows an app by its project, and does not say which one a service account speaks for. */
export async function identify(
  client: GoogleChatClient,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<ChannelIdentity> {
  const { email, projectId } = serviceAccountOf(access);
  await client.token(access, signal);
  return { externalId: access.externalId, agentUserId: email, name: projectId || email, scopes: null };
}

/** What is amiss beside the key: whether the Chat API lets the app in, and whether what Chat sends can be believed. */
export async function examine(
  client: GoogleChatClient,
  keys: GoogleKeys,
  access: ConnectionAccess,
  { webhookUrl, hasSharedSecret }: ExaminedEnvironment,
  signal: AbortSignal,
): Promise<readonly ConnectionFinding[]> {
  const { audience } = access.credentials;
  return [
    ...(await examineApi(client, access, signal)),
    ...(await examineKeys(keys)),
    ...examineAudience(access.externalId, audience, webhookUrl, hasSharedSecret),
  ];
}

async function examineApi(
  client: GoogleChatClient,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<readonly ConnectionFinding[]> {
  const call = { name: 'spaces.list', method: 'GET', path: 'spaces', query: { pageSize: '1' } } as const;
  try {
    const { spaces } = await client.call(access, { ...call, space: null, idempotent: true }, signal);
    if (asRecords(spaces).length > 0) return [];
    return [
      {
        level: 'warning',
        text: 'the app is in no space and no direct message yet.',
        remedy: 'Write it a direct message in Google Chat, or add it to a space.',
      },
    ];
  } catch (error) {
    if (!isKonstructError(error, 'platform_rejected')) throw error;
    return [
      {
        level: 'problem',
        text: `the Chat API refuses the service account (${String(error.details.platformError)}).`,
        remedy:
          'Enable the Google Chat API in the project, fill in its Configuration page, and use a key of that project.',
      },
    ];
  }
}

async function examineKeys({ chat, identity }: GoogleKeys): Promise<readonly ConnectionFinding[]> {
  try {
    await Promise.all([chat.find('none'), identity.find('none')]);
    return [];
  } catch (error) {
    if (!isKonstructError(error, 'platform_unavailable')) throw error;
    return [
      {
        level: 'problem',
        text: 'the keys that Google signs with cannot be fetched, so nothing that Chat sends can be believed.',
        remedy: 'Let this machine reach www.googleapis.com.',
      },
    ];
  }
}

function examineAudience(
  project: string,
  audience: string | undefined,
  webhookUrl: string | null,
  hasSharedSecret: boolean,
): readonly ConnectionFinding[] {
  if (audience === undefined) {
    if (hasSharedSecret) return [];
    return [
      {
        level: 'problem',
        text: 'there is no audience, so everything Chat sends is refused.',
        remedy: `Give the connection the audience "${project}", and choose Project Number as Authentication Audience.`,
      },
    ];
  }
  if (audience === project) {
    if (webhookUrl === null) return [];
    return [{ level: 'ok', text: `its HTTP endpoint URL has to be ${webhookUrl}.`, remedy: null }];
  }
  if (/^\d+$/.test(audience) || (webhookUrl !== null && audience !== webhookUrl)) {
    return [
      {
        level: 'problem',
        text: 'its audience is neither its project number nor its own address.',
        remedy: `Enter the audience "${project}"${webhookUrl === null ? '' : `, or ${webhookUrl}`}.`,
      },
    ];
  }
  const addOn =
    'the app a Workspace add-on: of a plain one Google does not say whose it is, so it is refused';
  return [{ level: 'ok', text: `its HTTP endpoint URL has to be ${audience}, and ${addOn}.`, remedy: null }];
}
