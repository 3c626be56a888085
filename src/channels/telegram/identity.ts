import type { ChannelIdentity } from '../../core/channel.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asId, asRecord, asText } from '../read-json.ts';
import type { TelegramClient } from './client.ts';
import { asInteger } from './ids.ts';
import { unavailable } from './telegram-error.ts';

/**
 * Who the bot is. It is known by its username, because that is what mentions, commands and replies name.
 *
 * Source: https://core.telegram.org/bots/api#getme
 */
export async function identify(
  client: TelegramClient,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<ChannelIdentity> {
  const method = 'getMe';
  const call = { method, arguments: {}, idempotent: true, place: null };
  const me = asRecord(await client.call(access, call, signal));
  const id = asInteger(me?.id);
  const username = asId(me?.username);
  if (id === null || username === null) throw unavailable(method, 'username_missing', false);
  return {
    externalId: String(id),
    agentUserId: username.toLowerCase(),
    name: asText(me?.first_name) || username,
    scopes: null,
  };
}
