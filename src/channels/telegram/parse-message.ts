import type { ChannelEvent, IgnoredEvent, MessageEvent } from '../../core/channel-event.ts';
import { asId, asRecord, asText, type JsonRecord } from '../read-json.ts';
import { describeContent, parseAttachments } from './attachments.ts';
import { asInteger, formatChannelId } from './ids.ts';
import { mentionOf, type NormalisedText, normaliseText } from './normalise-text.ts';
import type { EventBase } from './parse-membership.ts';
import { quoteOf } from './quote.ts';

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
  const normalised = textOf(message);
  const attachments = parseAttachments(message);
  const text = normalised.text || describeContent(message);
  if (text === '' && attachments.length === 0) return ignored(base, serviceReason(message));
  const { channelId, messageId, isPrivate } = located;
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
    text: spoken(text, normalised, isPrivate, message),
    mentions: normalised.mentions,
    addressee: normalised.addressee,
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
  const normalised = textOf(message);
  if (normalised.text === '') return ignored(base, 'edit_without_text');
  const editedAt = asInteger(message.edit_date);
  return {
    ...base,
    type: 'edit',
    channelId: located.channelId,
    messageId: located.messageId,
    threadId: located.isPrivate ? null : (repliedMessage(message)?.messageId ?? null),
    scope: located.isPrivate ? 'direct' : 'channel',
    text: spoken(normalised.text, normalised, located.isPrivate, message),
    mentions: normalised.mentions,
    editedAtMs: editedAt === null ? located.sentAtMs : editedAt * 1000,
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
    messageId: idOf(message, number),
    isPrivate: chat.type === 'private',
    sentAtMs: (asInteger(message.date) ?? 0) * 1000,
  };
}

/** The pictures of an album come as messages of their own; to people they are one, so they have one id. */
function idOf(message: JsonRecord, number: number): string {
  const album = asId(message.media_group_id);
  return album === null ? String(number) : `album-${album}`;
}

/** Administrators may write in the name of their group, and people in that of a channel of theirs. */
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
  if (asRecord(message.via_bot) !== null) return { reason: 'bot_message' };
  return { externalId: String(id), name: mentionOf(from)?.name ?? null };
}

function textOf(message: JsonRecord): NormalisedText {
  return typeof message.text === 'string'
    ? normaliseText(message.text, message.entities)
    : normaliseText(typeof message.caption === 'string' ? message.caption : '', message.caption_entities);
}

/** The message it replies to; in a topic everything replies to the topic's beginning, which is no reply. */
export function repliedMessage(message: JsonRecord): { messageId: string; senderId: string | null } | null {
  const replied = asRecord(message.reply_to_message);
  const number = asInteger(replied?.message_id);
  if (replied === null || number === null) return null;
  if (replied.forum_topic_created !== undefined || number === asInteger(message.message_thread_id)) {
    if (message.is_topic_message === true) return null;
  }
  return {
    messageId: idOf(replied, number),
    senderId: mentionOf(asRecord(replied.from))?.externalId ?? null,
  };
}

/** What the agent reads: with the words it is about, where the agent may not know them. */
function spoken(text: string, { command }: NormalisedText, isPrivate: boolean, message: JsonRecord): string {
  // People do not write this: it is what pressing Telegram's START button sends.
  if (command === 'start' && isPrivate) return '(started the conversation)';
  const quote = quoteOf(message);
  return quote === '' ? text : `${quote}\n\n${text}`;
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
  return field === undefined ? 'message_empty' : `service:${field.slice(0, 80)}`;
}

function ignored(base: EventBase, reason: string): IgnoredEvent {
  return { ...base, type: 'ignored', reason };
}
