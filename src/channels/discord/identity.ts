import type { ChannelIdentity } from '../../core/channel.ts';
import type { Clock } from '../../core/clock.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecord, asText, type JsonRecord } from '../read-json.ts';
import { createRecentValues } from '../recent-values.ts';
import type { DiscordClient } from './client.ts';
import { unavailable } from './discord-error.ts';
import { asSnowflake, nameOf } from './ids.ts';

/**
 * The app a token belongs to.
 *
 * Source: https://discord.com/developers/docs/resources/application#get-current-application
 */
export async function readApplication(
  client: DiscordClient,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<JsonRecord> {
  const name = 'get application';
  const call = { name, method: 'GET', path: ['applications', '@me'], idempotent: true } as const;
  const application = asRecord(await client.call(access, call, signal));
  if (application === null || asSnowflake(application.id) === null)
    throw unavailable(name, 'id_missing', false);
  return application;
}

/** The bot's own user. Source: https://discord.com/developers/docs/resources/user#get-current-user */
async function readSelf(
  client: DiscordClient,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<JsonRecord & { readonly id: string }> {
  const name = 'get own user';
  const call = { name, method: 'GET', path: ['users', '@me'], idempotent: true } as const;
  const user = asRecord(await client.call(access, call, signal));
  const id = asSnowflake(user?.id);
  if (user === null || id === null) throw unavailable(name, 'id_missing', false);
  return { ...user, id };
}

/** A connection is the app; whom people mention is its bot's user, which in old apps has another id. */
export async function identify(
  client: DiscordClient,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<ChannelIdentity> {
  const [application, user] = await Promise.all([
    readApplication(client, access, signal),
    readSelf(client, access, signal),
  ]);
  return {
    externalId: asText(application.id),
    agentUserId: user.id,
    name: asText(application.name) || nameOf(user) || user.id,
    scopes: null,
  };
}

/** Who the bot of a connection is: which of the messages that are read are its own. */
export type OwnUserId = (access: ConnectionAccess, signal: AbortSignal) => Promise<string>;

const TTL_MS = 60 * 60_000;
const MAX_ENTRIES = 10_000;

export function createOwnUserId(client: DiscordClient, clock: Clock): OwnUserId {
  const known = createRecentValues<string>(MAX_ENTRIES, clock);
  return async (access, signal) => {
    // By the app as well: a connection may come to have another one's token.
    const key = `${access.connectionId} ${access.externalId}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const { id } = await readSelf(client, access, signal);
    known.set(key, id, TTL_MS);
    return id;
  };
}
