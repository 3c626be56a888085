import type { Kysely } from 'kysely';
import { createSlackChannel, slack } from '../channels/slack/index.ts';
import type { ChannelIdentity } from '../core/channel.ts';
import type { Cipher } from '../core/cipher.ts';
import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';
import {
  findConnectionOwners,
  listConnections,
  openCredentials,
  replaceCredentials,
  updateConnection,
} from '../stores/connections.ts';
import { systemTime } from '../system-time.ts';

export interface ConnectSlackWorkspaceOptions {
  readonly database: Kysely<Database>;
  readonly cipher: Cipher;
  readonly apiUrl: string;
  readonly botToken: string;
  readonly log: Log;
}

const IDENTIFY_TIMEOUT_MS = 15_000;

/**
 * The workspace of SLACK_BOT_TOKEN; which one it is, Slack says (`auth.test`). A workspace that is connected keeps its
 * tenant and agent as they are and gets the token, if it is a new one. For one that is not, returns the konstruct.yaml
 * of a first tenant.
 *
 * @throws KonstructError `config_invalid` when Slack does not accept the token or cannot be asked
 */
export async function connectSlackWorkspace(options: ConnectSlackWorkspaceOptions): Promise<string | null> {
  const identity = await identify(options);
  const key = { channel: 'slack', externalId: identity.externalId, appId: '' };
  const [owner] = await findConnectionOwners(options.database, [key]);
  if (!owner) return firstTenant(identity);
  await withTenant(options.database, owner, async (transaction) => {
    const connections = await listConnections(transaction);
    const connection = connections.find(
      ({ channel, externalId, appId }) =>
        channel === key.channel && externalId === key.externalId && appId === key.appId,
    );
    if (!connection) return;
    const credentials = openCredentials(options.cipher, connection);
    if (credentials.botToken === options.botToken && connection.status === 'active') return;
    // What renewed an earlier token does not renew this one.
    const kept = Object.entries(credentials).filter(([name]) => slack.connection.optional.includes(name));
    await replaceCredentials(transaction, options.cipher, connection, {
      ...Object.fromEntries(kept),
      botToken: options.botToken,
    });
    await updateConnection(transaction, { ...connection, status: 'active' });
    options.log.info('connection.token_replaced', { tenantId: owner, connectionId: connection.id });
  });
  return null;
}

async function identify({ apiUrl, botToken, log }: ConnectSlackWorkspaceOptions): Promise<ChannelIdentity> {
  const channel = createSlackChannel({ apiUrl, ...systemTime, log });
  try {
    const access = { connectionId: 'SLACK_BOT_TOKEN', externalId: '', credentials: { botToken } };
    return await channel.identify(access, AbortSignal.timeout(IDENTIFY_TIMEOUT_MS));
  } catch (cause) {
    const reason =
      cause instanceof KonstructError ? (cause.details.platformError ?? cause.message) : String(cause);
    throw new KonstructError('config_invalid', `SLACK_BOT_TOKEN: Slack does not accept it (${reason}).`, {
      cause,
    });
  } finally {
    channel.close();
  }
}

function firstTenant(identity: ChannelIdentity): string {
  const slug = identity.name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return JSON.stringify({
    tenants: [
      {
        slug: slug || 'workspace',
        name: identity.name,
        agents: [{ slug: 'ada', name: 'Ada', role: 'AI coworker' }],
        connections: [
          {
            channel: 'slack',
            externalId: identity.externalId,
            agent: 'ada',
            // biome-ignore lint/suspicious/noTemplateCurlyInString: apply takes it from the environment
            credentials: { botToken: '${SLACK_BOT_TOKEN}' },
          },
        ],
      },
    ],
  });
}
