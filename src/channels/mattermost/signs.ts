import type { ConnectionAccess, OutboundReaction, TypingSign } from '../../core/outbound.ts';
import { emojiName } from '../emoji-names.ts';
import type { MattermostClient } from './client.ts';
import type { Directory } from './directory.ts';
import { asMattermostId } from './ids.ts';
import { isRefusal, rejected } from './mattermost-error.ts';
import { placeOf } from './send.ts';

/**
 * Puts our reaction on a post or takes it off; there may be several of ours.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/SaveReaction
 *
 * @throws KonstructError `platform_rejected`: there is no such emoji by name; and as `MattermostClient.call`
 */
export async function react(
  client: MattermostClient,
  directory: Directory,
  access: ConnectionAccess,
  { messageId, emoji, present, mayStillSend }: OutboundReaction,
  signal: AbortSignal,
): Promise<void> {
  const name = present ? 'reactions.save' : 'reactions.delete';
  const emojiWord = emojiName(emoji);
  const postId = asMattermostId(messageId);
  if (emojiWord === null) throw rejected(name, 'reaction_unsupported');
  if (postId === null) throw rejected(name, 'message_not_found');
  const { userId } = await directory.own(access, signal);
  const call = { name, idempotent: true, mayStillSend, notFound: 'message_not_found' };
  if (present) {
    const body = { user_id: userId, post_id: postId, emoji_name: emojiWord };
    await client.call(access, { ...call, method: 'POST', path: '/reactions', body }, signal);
    return;
  }
  const path = `/users/${userId}/posts/${postId}/reactions/${encodeURIComponent(emojiWord)}`;
  try {
    await client.call(access, { ...call, method: 'DELETE', path }, signal);
  } catch (error) {
    if (!isRefusal(error, 'message_not_found')) throw error;
  }
}

/**
 * Says "is typing…", for some five seconds.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/PublishUserTyping
 */
export async function showTyping(
  client: MattermostClient,
  access: ConnectionAccess,
  { target }: TypingSign,
  signal: AbortSignal,
): Promise<void> {
  const name = 'users.typing';
  const { channel_id, root_id } = placeOf(target, name);
  const body = { channel_id, parent_id: root_id };
  await client.call(
    access,
    { name, method: 'POST', path: '/users/me/typing', body, idempotent: true },
    signal,
  );
}
