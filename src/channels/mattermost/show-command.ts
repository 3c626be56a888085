import type { CommandEvent, MessageEvent } from '../../core/channel-event.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asText } from '../read-json.ts';
import { parsePost } from './parse-post.ts';
import { readPost } from './send.ts';
import type { Reading } from './thread.ts';

/**
 * Makes a message of what an outgoing webhook has told: the post as it stands at the server, in its thread, with its files.
 * Whoever used the webhook's trigger word has called the agent by it.
 *
 * @returns `null`: it is gone, is elsewhere than the webhook said, may not be read, or no person said it
 * @throws KonstructError `platform_unavailable`, `platform_rate_limited`, `aborted`: nobody knows yet
 */
export async function showCommand(
  { client, directory, log }: Reading,
  access: ConnectionAccess,
  command: CommandEvent,
  signal: AbortSignal,
): Promise<MessageEvent | null> {
  const { connectionId } = access;
  try {
    const [post, { userId }, scope] = await Promise.all([
      readPost(client, access, command.commandId, signal),
      directory.own(access, signal),
      directory.scope(access, command.channelId, signal),
    ]);
    const message = parsePost(post, { scope, ownUserId: userId });
    if (message.type === 'ignored') {
      log.debug('mattermost.webhook_ignored', { connectionId, reason: message.reason });
      return null;
    }
    if (message.channelId !== command.channelId) return null;
    // A post that its bot has edited does not always say so itself.
    if ((await directory.person(access, message.sender.externalId, signal))?.isBot === true) return null;
    const triggerWord = asText(command.reply.triggerWord);
    return { ...message, mentionsAgent: triggerWord !== '' };
  } catch (error) {
    if (!isKonstructError(error, 'platform_rejected')) throw error;
    log.warn('mattermost.webhook_unread', { connectionId, platformError: error.details.platformError });
    return null;
  }
}
