import { isKonstructError } from '../../core/errors.ts';
import type {
  ConnectionAccess,
  OutboundEdit,
  OutboundMessage,
  OutboundRemoval,
  PostedMessage,
  ThreadTarget,
} from '../../core/outbound.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';
import type { TelegramCall, TelegramClient } from './client.ts';
import { asInteger, isPrivate, type Place, parseChannelId } from './ids.ts';
import { keyboardArguments } from './keyboard.ts';
import { muteMentions } from './mute-mentions.ts';
import { renderForTelegram } from './render-for-telegram.ts';
import { rejected, unavailable } from './telegram-error.ts';

/** What stands where a text has nothing to show: Telegram refuses an empty message. */
const NOTHING = '…';

/**
 * Sends a new message: in a group as a reply to what it answers, in a private chat without quoting.
 *
 * Source: https://core.telegram.org/bots/api#sendmessage
 */
export async function postMessage(
  client: TelegramClient,
  access: ConnectionAccess,
  {
    target,
    markdown,
    choices,
    mayStillSend,
  }: Pick<OutboundMessage, 'target' | 'markdown' | 'choices' | 'mayStillSend'>,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const method = 'sendMessage';
  const place = placeOf(target, method);
  const call = {
    method,
    idempotent: false,
    place,
    mayStillSend,
    arguments: {
      chat_id: place.chatId,
      ...(place.topicId === null ? {} : { message_thread_id: place.topicId }),
      ...replyArguments(place, target.threadId),
      ...keyboardArguments(choices),
      // A preview below each link of a long answer buries the conversation.
      link_preview_options: { is_disabled: true },
    },
  };
  const result = await sendText(client, access, call, markdown, signal);
  const messageId = asInteger(asRecord(result)?.message_id);
  if (messageId === null) throw unavailable(method, 'message_id_missing', true);
  return { messageId: String(messageId) };
}

/**
 * Replaces a message's text and buttons. That it reads so already is what was wanted.
 *
 * Source: https://core.telegram.org/bots/api#editmessagetext
 */
export async function editMessage(
  client: TelegramClient,
  access: ConnectionAccess,
  { target, messageId, markdown, choices, mayStillSend }: OutboundEdit,
  signal: AbortSignal,
): Promise<void> {
  const method = 'editMessageText';
  const place = placeOf(target, method);
  try {
    const call = {
      method,
      idempotent: true,
      place,
      messageId,
      mayStillSend,
      arguments: {
        chat_id: place.chatId,
        message_id: Number(messageId),
        link_preview_options: { is_disabled: true },
        ...keyboardArguments(choices),
      },
    };
    await sendText(client, access, call, markdown, signal);
  } catch (error) {
    if (!isRefusal(error, 'message_not_modified')) throw error;
  }
}

/**
 * Takes a message away. One that is gone, or older than the 48 hours Telegram allows, stays as it is.
 *
 * Source: https://core.telegram.org/bots/api#deletemessage
 */
export async function removeMessage(
  client: TelegramClient,
  access: ConnectionAccess,
  { target, messageId, mayStillSend }: OutboundRemoval,
  signal: AbortSignal,
): Promise<void> {
  const method = 'deleteMessage';
  const place = placeOf(target, method);
  const given = { chat_id: place.chatId, message_id: Number(messageId) };
  try {
    await client.call(access, { method, idempotent: true, place, mayStillSend, arguments: given }, signal);
  } catch (error) {
    if (!isRefusal(error, 'message_not_found')) throw error;
  }
}

/** Sends with formatting, and without it if Telegram does not take that; to the supergroup a group has become. */
async function sendText(
  client: TelegramClient,
  access: ConnectionAccess,
  call: TelegramCall,
  markdown: string,
  signal: AbortSignal,
): Promise<unknown> {
  const { text, entities } = renderForTelegram(markdown);
  const shown = text.trim() === '' ? NOTHING : text;
  const withText = (base: TelegramCall, formatting: JsonRecord): TelegramCall => ({
    ...base,
    arguments: { ...base.arguments, text: shown, ...formatting },
  });
  const formatting = shown === text && entities.length > 0 ? { entities } : {};
  try {
    return await client.call(access, withText(call, formatting), signal);
  } catch (error) {
    if (isRefusal(error, 'entities_refused')) {
      // Without its entities, what was code is text like any other.
      const plain = {
        ...call,
        arguments: { ...call.arguments, text: muteMentions({ text: shown, entities: [] }).text },
      };
      return client.call(access, plain, signal);
    }
    const moved = movedTo(error);
    if (moved === null || call.place === null) throw error;
    return client.call(access, withText(inSupergroup(call, moved), formatting), signal);
  }
}

/** A group that became a supergroup has another id, and other numbers for its messages: nothing to reply to there. */
function inSupergroup(call: TelegramCall, chatId: number): TelegramCall {
  const { reply_parameters: _reply, ...kept } = call.arguments;
  return { ...call, place: { chatId, topicId: null }, arguments: { ...kept, chat_id: chatId } };
}

function movedTo(error: unknown): number | null {
  return isKonstructError(error, 'platform_rejected') ? asInteger(error.details.migratedTo) : null;
}

export function replyArguments(place: Place, threadId: string | null): JsonRecord {
  const messageId = Number(threadId);
  if (isPrivate(place) || threadId === null || !Number.isSafeInteger(messageId)) return {};
  return { reply_parameters: { message_id: messageId, allow_sending_without_reply: true } };
}

/** @throws KonstructError `platform_rejected`: not an id of ours */
export function placeOf({ channelId }: ThreadTarget, method: string): Place {
  const place = parseChannelId(channelId);
  if (place === null) throw rejected(method, 'chat_not_found');
  return place;
}

export function isRefusal(error: unknown, platformError: string): boolean {
  return isKonstructError(error, 'platform_rejected') && error.details.platformError === platformError;
}
