import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, OutboundReaction } from '../../core/outbound.ts';
import { emojiName } from '../emoji-names.ts';
import type { SlackClient } from './client.ts';
import { rejected } from './slack-failure.ts';

/**
 * Puts our reaction on a message or takes it off.
 *
 * Source: https://docs.slack.dev/reference/methods/reactions.add, https://docs.slack.dev/reference/methods/reactions.remove
 */
export async function react(
  client: SlackClient,
  access: ConnectionAccess,
  { target, messageId, emoji, present, mayStillSend }: OutboundReaction,
  signal: AbortSignal,
): Promise<void> {
  const method = present ? 'reactions.add' : 'reactions.remove';
  const name = emojiName(emoji);
  if (name === null) throw rejected(method, 'invalid_name');
  const call = {
    method,
    idempotent: true,
    mayStillSend,
    arguments: { channel: target.channelId, timestamp: messageId, name },
  };
  try {
    await client.call(access, call, signal);
  } catch (error) {
    const asWanted = present ? 'already_reacted' : 'no_reaction';
    if (!isKonstructError(error) || error.details.platformError !== asWanted) throw error;
  }
}
