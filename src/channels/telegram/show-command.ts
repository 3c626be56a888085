import type { CommandEvent } from '../../core/channel-event.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import type { TelegramClient } from './client.ts';
import { placeOf } from './send.ts';

const NOT_HERE =
  'I cannot answer a command that nobody else sees. Write to me in private, or mention me in a message of the group.';

/**
 * What nobody else sees cannot be answered by an agent: a bot that is no administrator may reply to it for 15 seconds only,
 * and to publish it would not be ours. So whoever gave it is told, where again nobody else sees it. That is a courtesy:
 * nothing waits for it, and a Telegram that cannot take it must not hold up what comes behind.
 *
 * Source: https://core.telegram.org/bots/features#ephemeral-messages
 */
export async function showCommand(
  client: TelegramClient,
  access: ConnectionAccess,
  command: CommandEvent,
  signal: AbortSignal,
): Promise<null> {
  const method = 'sendMessage';
  const { chatId, topicId } = placeOf({ channelId: command.channelId, threadId: null }, method);
  const given = {
    chat_id: chatId,
    ...(topicId === null ? {} : { message_thread_id: topicId }),
    text: NOT_HERE,
    reply_parameters: { ephemeral_message_id: command.reply.ephemeralId },
    ephemeral_message_parameters: { receiver_user_id: Number(command.sender.externalId) },
  };
  try {
    // It takes no place among the messages of the chat.
    await client.call(access, { method, idempotent: false, place: null, arguments: given }, signal);
  } catch (error) {
    if (!isKonstructError(error)) throw error;
  }
  return null;
}
