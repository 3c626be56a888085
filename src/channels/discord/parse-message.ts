import type {
  AccountRef,
  Attachment,
  ChannelEvent,
  EditEvent,
  IgnoredEvent,
  MessageEvent,
  ReplyChain,
} from '../../core/channel-event.ts';
import { MAX_QUOTED_FILES, withQuotations } from '../quotation.ts';
import { asDateMs, asRecord, type JsonRecord } from '../read-json.ts';
import { parseAttachments } from './attachments.ts';
import { answerAt, asSnowflake, authorOf, nameOf, type Place, snowflakeMs } from './ids.ts';
import { contentText, quoteOf, repliedByOthers, repliedMessage } from './message-text.ts';
import { normaliseText, type OwnRoles, ringsFor } from './normalise-text.ts';

/** What is the same in all events that come over the bot's own connection: it speaks for nobody else. */
export const BASE: { readonly account: AccountRef; readonly eventId: null } = {
  account: { externalIds: [], appId: null, agentUserId: null },
  // Discord numbers what it sends by session only: the messages' own ids are what is the same when it comes again.
  eventId: null,
};

/** Said by somebody: an ordinary message, or a reply. Source: https://discord.com/developers/docs/resources/message#message-object-message-types */
const SPOKEN = [0, 19];

/**
 * A message as the gateway and the HTTP API show it.
 *
 * One that stands in a channel begins a conversation, which goes on in the thread that begins with it. Only a reply to the
 * agent in the channel itself (where it could not begin a thread) belongs to the conversation of what it replies to, as in
 * channels that know no threads.
 */
export function parseMessage(message: JsonRecord, place: Place, own: OwnRoles): ChannelEvent {
  const said = readSaid(message, own);
  if ('reason' in said) return ignored(said.reason);
  const { messageId, sender } = said;
  const normalised = normaliseText(message, own);
  const attachments = parseAttachments(message, place.threadId ?? place.channelId);
  const words = contentText(message, normalised.text);
  // Without the intent to read messages Discord empties those that do not concern the bot.
  if (words === '' && attachments.length === 0) return ignored('message_empty');
  const repliedTo = repliedFiles(message, place, own);
  const chain =
    place.scope === 'channel' && place.threadId === null ? chainOf(message, messageId, place, own) : null;
  return {
    ...BASE,
    type: 'message',
    channelId: place.channelId,
    messageId,
    threadId: chain === null ? place.threadId : (chain.repliesTo?.messageId ?? null),
    ...(chain === null ? {} : { chain }),
    scope: place.scope,
    sender,
    text: withQuotations([quoteOf(message, own.userId, repliedTo)], words),
    mentions: normalised.mentions,
    addressee: normalised.addressee,
    // A reply rings whomever it replies to, without naming them.
    mentionsAgent: ringsFor(message, own.userId),
    attachments: [...attachments, ...repliedTo],
    sentAtMs: snowflakeMs(messageId),
    channelMetadata: {},
  };
}

/** Discord also calls it an update when a preview came or a thread began: only what a person changed is an edit. */
export function parseEdit(message: JsonRecord, place: Place, own: OwnRoles): EditEvent | IgnoredEvent {
  const editedAtMs = asDateMs(message.edited_timestamp);
  if (editedAtMs === 0) return ignored('update_without_edit');
  const said = readSaid(message, own);
  if ('reason' in said) return ignored(said.reason);
  const normalised = normaliseText(message, own);
  const words = contentText(message, normalised.text);
  if (words === '') return ignored('message_empty');
  const quote = quoteOf(message, own.userId, repliedFiles(message, place, own));
  return {
    ...BASE,
    type: 'edit',
    channelId: place.channelId,
    messageId: said.messageId,
    threadId: place.threadId,
    scope: place.scope,
    text: withQuotations([quote], words),
    mentions: normalised.mentions,
    editedAtMs,
  };
}

/** Whoever replies to a picture with "what is this?" means the picture. */
function repliedFiles(message: JsonRecord, place: Place, own: OwnRoles): readonly Attachment[] {
  const replied = repliedByOthers(message, own.userId);
  if (replied === null) return [];
  return parseAttachments(replied, place.threadId ?? place.channelId).slice(0, MAX_QUOTED_FILES);
}

/** Who said it; `reason`: it was no person, or nothing that anybody said. */
function readSaid(
  message: JsonRecord,
  own: OwnRoles,
): { readonly messageId: string; readonly sender: MessageEvent['sender'] } | { readonly reason: string } {
  const messageId = asSnowflake(message.id);
  const author = authorOf(message);
  const senderId = asSnowflake(author?.id);
  if (messageId === null || senderId === null) return { reason: 'message_incomplete' };
  if (asSnowflake(message.webhook_id) !== null) return { reason: 'webhook_message' };
  if (senderId === own.userId) return { reason: 'own_message' };
  if (author?.bot === true || author?.system === true) return { reason: 'bot_message' };
  if (!SPOKEN.some((type) => type === message.type))
    return { reason: `message_type:${typeLabel(message.type)}` };
  return { messageId, sender: { externalId: senderId, name: nameOf(author, asRecord(message.member)) } };
}

function chainOf(message: JsonRecord, messageId: string, place: Place, own: OwnRoles): ReplyChain {
  const replied = repliedMessage(message);
  const repliedId = asSnowflake(replied?.id);
  const senderId = replied === null ? null : asSnowflake(authorOf(replied)?.id);
  // Where threads begin, a message that replies to another person's begins one, and quotes what it replies to.
  const belongs = repliedId !== null && (senderId === own.userId || !place.beginsThreads);
  return {
    repliesTo: belongs ? { messageId: repliedId, senderId } : null,
    answerAt: answerAt(messageId, place.beginsThreads && !belongs),
    isPart: false,
  };
}

export function ignored(reason: string): IgnoredEvent {
  return { ...BASE, type: 'ignored', reason };
}

function typeLabel(type: unknown): string {
  return typeof type === 'number' ? String(type) : typeof type;
}
