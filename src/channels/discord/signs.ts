import type { ActionEvent } from '../../core/channel-event.ts';
import type { ConnectionAccess, OutboundReaction, TypingSign } from '../../core/outbound.ts';
import { isRefusal } from './discord-error.ts';
import type { Sending } from './send.ts';
import { requireDestination } from './threads.ts';

/** Source: https://discord.com/developers/docs/resources/channel#trigger-typing-indicator */
export async function showTyping(
  { client, threads }: Sending,
  access: ConnectionAccess,
  { target }: TypingSign,
  signal: AbortSignal,
): Promise<void> {
  await threads.at(access, target, null, (channelId) =>
    client.call(
      access,
      { name: 'show typing', method: 'POST', path: ['channels', channelId, 'typing'], idempotent: true },
      signal,
    ),
  );
}

/**
 * Puts our reaction on a message or takes it off.
 *
 * Source: https://discord.com/developers/docs/resources/message#create-reaction
 */
export async function react(
  { client, threads }: Sending,
  access: ConnectionAccess,
  { target, messageId, emoji, present, mayStillSend }: OutboundReaction,
  signal: AbortSignal,
): Promise<void> {
  const put = (shown: string) =>
    threads.at(access, target, messageId, (channelId) =>
      client.call(
        access,
        {
          name: present ? 'create reaction' : 'delete reaction',
          method: present ? 'PUT' : 'DELETE',
          path: ['channels', channelId, 'messages', messageId, 'reactions', shown, '@me'],
          idempotent: true,
          mayStillSend,
        },
        signal,
      ),
    );
  try {
    await put(emoji);
  } catch (error) {
    // Discord knows some emoji only with, and some only without, the sign that says "as a picture".
    if (!isRefusal(error, 'reaction_unsupported')) throw error;
    const plain = emoji.replaceAll('\ufe0f', '');
    await put(plain === emoji ? `${emoji}\ufe0f` : plain);
  }
}

/** Takes the buttons away that one was pressed of. Discord's own waiting was ended with the answer to the press. */
export async function acknowledgeAction(
  { client }: Sending,
  access: ConnectionAccess,
  { channelId, threadId, messageId }: ActionEvent,
  signal: AbortSignal,
): Promise<void> {
  const standsIn = threadId ?? requireDestination({ channelId, threadId }).channelId;
  const call = {
    name: 'edit message',
    method: 'PATCH',
    path: ['channels', standsIn, 'messages', messageId],
    body: { components: [] },
    idempotent: true,
  } as const;
  try {
    await client.call(access, call, signal);
  } catch (error) {
    if (!isRefusal(error, 'message_not_found')) throw error;
  }
}
