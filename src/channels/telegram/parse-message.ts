import type { ChannelEvent, CommandEvent, IgnoredEvent, MessageEvent } from '../../core/channel-event.ts';
import { asId, asLabel, asRecord, asText, type JsonRecord } from '../read-json.ts';
import { describeContent } from './attachments.ts';
import { readContent } from './content.ts';
import { asInteger, formatChannelId, messageIdOf, timeOf } from './ids.ts';
import { mentionOf, type NormalisedText } from './normalise-text.ts';
import type { EventBase } from './parse-membership.ts';
import { quotationOf, repliedTo } from './quotation.ts';

/** A message as Telegram sends it, with what every event about it needs. */
interface Located {
  readonly message: JsonRecord;
  readonly channelId: string;
  /** Its own number in the chat. */
  readonly number: string;
  readonly messageId: string;
  readonly isPrivate: boolean;
  readonly sentAtMs: number;
}

/**
 * A new message. In a group a chain of replies is a thread: the message replies to one (`chain.repliesTo`), and the
 * answer replies to it. In a private chat all of it is one conversation.
 */
export function parseMessage(message: JsonRecord, base: EventBase): ChannelEvent {
  const located = locate(message);
  if (located === null) return ignored(base, 'message_incomplete');
  const sender = senderOf(message);
  if ('reason' in sender) return ignored(base, sender.reason);
  const { normalised, attachments } = readContent(message);
  const text = normalised.text || describeContent(message);
  if (text === '' && attachments.length === 0) return ignored(base, serviceReason(message));
  const { channelId, messageId, isPrivate } = located;
  const ephemeralId = asInteger(message.ephemeral_message_id);
  if (ephemeralId !== null) return ephemeral(located, ephemeralId, sender, normalised, base);
  const replied = isPrivate ? null : repliedMessage(message);
  return {
    ...base,
    type: 'message',
    channelId,
    messageId,
    threadId: replied?.messageId ?? null,
    chain: {
      repliesTo: replied,
      answerAt: located.number,
      isPart: asId(message.media_group_id) !== null,
    },
    scope: isPrivate ? 'direct' : 'channel',
    sender,
    text: spoken(text, normalised, isPrivate),
    mentions: normalised.mentions,
    addressee: normalised.addressee,
    ...quotationOf(message),
    mentionsAgent: false,
    attachments,
    sentAtMs: located.sentAtMs,
    channelMetadata: metadataOf(message, normalised),
  };
}

/** Telegram also calls it an edit when only a location moved or a preview came: without words it is none. */
export function parseEdit(message: JsonRecord, base: EventBase): ChannelEvent {
  const located = locate(message);
  if (located === null) return ignored(base, 'message_incomplete');
  const sender = senderOf(message);
  if ('reason' in sender) return ignored(base, sender.reason);
  const { normalised } = readContent(message);
  if (normalised.text === '') return ignored(base, 'edit_without_text');
  return {
    ...base,
    type: 'edit',
    channelId: located.channelId,
    messageId: located.messageId,
    threadId: located.isPrivate ? null : (repliedMessage(message)?.messageId ?? null),
    scope: located.isPrivate ? 'direct' : 'channel',
    text: spoken(normalised.text, normalised, located.isPrivate),
    mentions: normalised.mentions,
    ...quotationOf(message),
    editedAtMs: timeOf(message.edit_date) || located.sentAtMs,
  };
}

export function locate(message: JsonRecord): Located | null {
  const chat = asRecord(message.chat);
  const chatId = asInteger(chat?.id);
  const number = asInteger(message.message_id);
  if (chat === null || chatId === null || number === null || chat.type === 'channel') return null;
  const topicId = message.is_topic_message === true ? asInteger(message.message_thread_id) : null;
  return {
    message,
    channelId: formatChannelId({ chatId, topicId }),
    number: String(number),
    messageId: messageIdOf(message, number),
    isPrivate: chat.type === 'private',
    sentAtMs: timeOf(message.date),
  };
}

/**
 * A command that Telegram shows to nobody but the bot. It has no number, and the one it has instead is used again when the
 * message has expired: only together with its sender and its time it is one.
 *
 * Source: https://core.telegram.org/bots/features#ephemeral-messages
 */
function ephemeral(
  { channelId, isPrivate, sentAtMs }: Located,
  ephemeralId: number,
  sender: MessageEvent['sender'],
  { text, mentions }: NormalisedText,
  base: EventBase,
): CommandEvent {
  return {
    ...base,
    type: 'command',
    channelId,
    scope: isPrivate ? 'direct' : 'channel',
    commandId: `ephemeral-${sender.externalId}-${ephemeralId}-${sentAtMs}`,
    sender,
    text,
    mentions,
    reply: { ephemeralId },
  };
}

/**
 * Administrators may write in the name of their group, and people in that of a channel of theirs. What somebody sends by
 * way of a bot (`via_bot`) is said by them.
 */
function senderOf(message: JsonRecord): MessageEvent['sender'] | { readonly reason: string } {
  const from = asRecord(message.from);
  const inNameOf = asRecord(message.sender_chat);
  if (inNameOf !== null) {
    if (message.is_automatic_forward === true) return { reason: 'channel_post' };
    const id = asInteger(inNameOf.id);
    if (id !== null) return { externalId: String(id), name: asText(inNameOf.title) || null };
  }
  const id = asInteger(from?.id);
  if (from === null || id === null) return { reason: 'sender_missing' };
  if (from.is_bot === true) return { reason: 'bot_message' };
  return { externalId: String(id), name: mentionOf(from)?.name ?? null };
}

export function repliedMessage(message: JsonRecord): { messageId: string; senderId: string | null } | null {
  const replied = repliedTo(message);
  const number = asInteger(replied?.message_id);
  if (replied === null || number === null) return null;
  return {
    messageId: messageIdOf(replied, number),
    senderId: mentionOf(asRecord(replied.from))?.externalId ?? null,
  };
}

/** People do not write this: it is what pressing Telegram's START button sends. */
function spoken(text: string, { command }: NormalisedText, isPrivate: boolean): string {
  return command === 'start' && isPrivate ? '(started the conversation)' : text;
}

function metadataOf(message: JsonRecord, { command }: NormalisedText): MessageEvent['channelMetadata'] {
  const language = asId(asRecord(message.from)?.language_code);
  return {
    ...(command === null ? {} : { command }),
    ...(language === null ? {} : { language }),
    ...(asRecord(message.forward_origin) === null ? {} : { forwarded: true }),
  };
}

/** Members, titles, pins and the like: known by the field that is none of those every message has. */
function serviceReason(message: JsonRecord): string {
  const usual = new Set([
    'message_id',
    'message_thread_id',
    'from',
    'sender_chat',
    'chat',
    'date',
    'is_topic_message',
  ]);
  const field = Object.keys(message).find((key) => !usual.has(key));
  return field === undefined ? 'message_empty' : `service:${asLabel(field)}`;
}

function ignored(base: EventBase, reason: string): IgnoredEvent {
  return { ...base, type: 'ignored', reason };
}
