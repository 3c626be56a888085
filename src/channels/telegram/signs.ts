import type { ActionEvent } from '../../core/channel-event.ts';
import type { ConnectionAccess, OutboundReaction, TypingSign } from '../../core/outbound.ts';
import type { TelegramClient } from './client.ts';
import { isRefusal, placeOf } from './send.ts';
import { rejected } from './telegram-error.ts';

/** What bots may react with. Source: https://core.telegram.org/bots/api#reactiontypeemoji */
const REACTIONS = new Set(
  (
    '👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤\u200d🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 ' +
    '😭 🤓 👻 👨\u200d💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷\u200d♂ 🤷 🤷\u200d♀ 😡'
  ).split(' '),
);
/** What says the same among these. */
const SAME: Readonly<Record<string, string>> = {
  '✅': '👌',
  '☑': '👌',
  '✔': '👌',
  '❌': '👎',
  '⏳': '✍',
  '⌛': '✍',
  '🚀': '⚡',
};

/**
 * Puts our reaction on a message, in place of the one there was, or takes it off.
 *
 * Source: https://core.telegram.org/bots/api#setmessagereaction
 *
 * @throws KonstructError `platform_rejected`: bots may not react with this emoji, or there; and as `TelegramClient.call`
 */
export async function react(
  client: TelegramClient,
  access: ConnectionAccess,
  { target, messageId, emoji, present, mayStillSend }: OutboundReaction,
  signal: AbortSignal,
): Promise<void> {
  const method = 'setMessageReaction';
  const place = placeOf(target, method);
  const plain = emoji.replaceAll('\ufe0f', '');
  const shown = SAME[plain] ?? plain;
  if (present && !REACTIONS.has(shown)) throw rejected(method, 'reaction_unsupported');
  const number = Number(messageId);
  if (!Number.isSafeInteger(number)) throw rejected(method, 'message_not_found'); // an album is several messages
  const reaction = present ? [{ type: 'emoji', emoji: shown }] : [];
  const given = { chat_id: place.chatId, message_id: number, reaction };
  await client.call(access, { method, idempotent: true, place, mayStillSend, arguments: given }, signal);
}

/**
 * Says "is typing…", for five seconds or until something is sent.
 *
 * Source: https://core.telegram.org/bots/api#sendchataction
 */
export async function showTyping(
  client: TelegramClient,
  access: ConnectionAccess,
  { target }: TypingSign,
  signal: AbortSignal,
): Promise<void> {
  const method = 'sendChatAction';
  const { chatId, topicId } = placeOf(target, method);
  const topic = topicId === null ? {} : { message_thread_id: topicId };
  const given = { chat_id: chatId, ...topic, action: 'typing' };
  // It takes no place among the messages of the chat.
  await client.call(access, { method, idempotent: true, place: null, arguments: given }, signal);
}

/**
 * Ends the clock on a button that was pressed, and takes all buttons of its message away.
 *
 * Source: https://core.telegram.org/bots/api#answercallbackquery
 */
export async function acknowledgeAction(
  client: TelegramClient,
  access: ConnectionAccess,
  { channelId, messageId, actionId }: ActionEvent,
  signal: AbortSignal,
): Promise<void> {
  const method = 'editMessageReplyMarkup';
  const place = placeOf({ channelId, threadId: null }, method);
  const call = { idempotent: true, place: null };
  const ended = client.call(
    access,
    { ...call, method: 'answerCallbackQuery', arguments: { callback_query_id: actionId } },
    signal,
  );
  const taken = client.call(
    access,
    { ...call, method, arguments: { chat_id: place.chatId, message_id: Number(messageId) } },
    signal,
  );
  for (const outcome of await Promise.allSettled([ended, taken])) {
    if (outcome.status === 'fulfilled') continue;
    const { reason } = outcome;
    // Somebody was quicker, or pressed long ago.
    if (!isRefusal(reason, 'message_not_modified') && !isRefusal(reason, 'message_not_found')) throw reason;
  }
}
