import type { AccountRef, ChannelEvent, IgnoredEvent, MessageEvent } from '../../core/channel-event.ts';
import { asId, asLabel, asRecord, asText, type JsonRecord } from '../read-json.ts';
import { type Content, parseContent } from './content.ts';
import { asMessageId, asPersonId, timestampMs } from './ids.ts';
import { quotationOf } from './quotation.ts';

/** What is the same in all events of one change. */
export interface ChangeBase {
  readonly account: AccountRef;
  readonly eventId: null;
}

/** A message with what every event about it needs. */
interface Located extends ChangeBase {
  readonly channelId: string;
  readonly messageId: string;
  readonly scope: 'direct';
  readonly sender: MessageEvent['sender'];
}

/**
 * What a person did in the chat with this number. A chat has two sides, so a person is a channel and a conversation.
 * What people write may also be about another message: a reaction, a press of a button, an edit.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
 */
export function parseMessage(
  message: JsonRecord,
  contacts: readonly JsonRecord[],
  base: ChangeBase,
): ChannelEvent {
  const ignored = (reason: string): IgnoredEvent => ({ ...base, type: 'ignored', reason });
  const messageId = asMessageId(message.id);
  const personId = asPersonId(message.from, message.from_user_id);
  if (messageId === null || personId === null) return ignored('message_incomplete');
  if (message.group_id !== undefined) return ignored('group_message');
  const located: Located = {
    ...base,
    channelId: personId,
    messageId,
    scope: 'direct',
    sender: { externalId: personId, name: nameOf(message, contacts) },
  };
  const happenedAtMs = timestampMs(message.timestamp);
  switch (message.type) {
    case 'reaction':
      return (
        parseReaction(asRecord(message.reaction), located, happenedAtMs) ?? ignored('reaction_incomplete')
      );
    case 'interactive':
    case 'button':
      return (
        parsePress(message, located, happenedAtMs) ??
        parseForm(message, located, happenedAtMs) ??
        ignored(pressReason(message))
      );
    case 'edit':
      return parseEdit(asRecord(message.edit), located, happenedAtMs) ?? ignored('edit_without_text');
    case 'revoke': {
      const revoked = asMessageId(asRecord(message.revoke)?.original_message_id);
      if (revoked === null) return ignored('revoke_incomplete');
      return {
        ...base,
        type: 'deletion',
        channelId: personId,
        messageId: revoked,
        deletedAtMs: happenedAtMs,
      };
    }
    default: {
      const content = parseContent(message);
      if (content === null) return ignored(silentReason(message));
      return { ...said(located, content, message, happenedAtMs), ...quotationOf(message) };
    }
  }
}

function said(located: Located, content: Content, message: JsonRecord, sentAtMs: number): MessageEvent {
  return {
    ...located,
    type: 'message',
    threadId: null,
    text: content.text,
    mentions: [],
    addressee: null,
    mentionsAgent: false,
    attachments: content.attachments,
    sentAtMs,
    channelMetadata: metadataOf(message),
  };
}

/** One reaction per person and message. That it was taken off comes without saying which it was. */
function parseReaction(
  reaction: JsonRecord | null,
  { account, eventId, channelId, sender }: Located,
  reactedAtMs: number,
): ChannelEvent | null {
  const messageId = asMessageId(reaction?.message_id);
  if (messageId === null) return null;
  const emoji = asText(reaction?.emoji).replaceAll(/[\u{1F3FB}-\u{1F3FF}]/gu, '');
  return {
    type: 'reaction',
    account,
    eventId,
    channelId,
    messageId,
    senderId: sender.externalId,
    emoji,
    present: emoji !== '',
    reactedAtMs,
  };
}

/** A button of ours, a row of a list, or a quick reply of a template. */
function parsePress(message: JsonRecord, located: Located, pressedAtMs: number): ChannelEvent | null {
  const interactive = asRecord(message.interactive);
  const chosen = asRecord(interactive?.button_reply) ?? asRecord(interactive?.list_reply);
  const choice = asText(chosen?.title) || asText(asRecord(message.button)?.text);
  const carrier = asMessageId(asRecord(message.context)?.id);
  if (choice === '') return null;
  // Nobody says below what it stood: then it was simply said.
  if (carrier === null) return said(located, { text: choice, attachments: [] }, message, pressedAtMs);
  const { messageId, ...where } = located;
  return {
    ...where,
    type: 'action',
    messageId: carrier,
    threadId: null,
    actionId: messageId,
    choice,
    pressedAtMs,
    reply: {},
  };
}

/** What was filled in or picked answers the message that asked for it, and says so itself. */
function parseForm(message: JsonRecord, located: Located, sentAtMs: number): ChannelEvent | null {
  const content = parseContent(message);
  return content === null ? null : said(located, content, message, sentAtMs);
}

/** A number or id that changed (`system`), what was done to a message, and what has nothing in it. */
function silentReason(message: JsonRecord): string {
  const kind = asRecord(message.system)?.type ?? asRecord(message.unsupported)?.type;
  const type = `message:${asLabel(message.type)}`;
  return kind === undefined ? type : `${type}:${asLabel(kind)}`;
}

function pressReason(message: JsonRecord): string {
  return `press:${asLabel(asRecord(message.interactive)?.type ?? message.type)}`;
}

/** Only numbers that are used in the WhatsApp Business app, too, are told of edits. */
function parseEdit(edit: JsonRecord | null, located: Located, editedAtMs: number): ChannelEvent | null {
  const messageId = asMessageId(edit?.original_message_id);
  const content = parseContent(asRecord(edit?.message) ?? {});
  if (messageId === null || content === null || content.text === '') return null;
  const { sender: _sender, ...where } = located;
  return {
    ...where,
    type: 'edit',
    messageId,
    threadId: null,
    text: content.text,
    mentions: [],
    editedAtMs,
  };
}

function nameOf(message: JsonRecord, contacts: readonly JsonRecord[]): string | null {
  const contact =
    contacts.find(({ wa_id, user_id }) =>
      message.from === undefined ? user_id === message.from_user_id : wa_id === message.from,
    ) ?? (contacts.length === 1 ? contacts[0] : undefined);
  const profile = asRecord(contact?.profile);
  return asText(profile?.name) || asText(profile?.username) || null;
}

function metadataOf(message: JsonRecord): MessageEvent['channelMetadata'] {
  const context = asRecord(message.context);
  const userId = asId(message.from_user_id, 200);
  const isForwarded = context?.forwarded === true || context?.frequently_forwarded === true;
  return { ...(userId === null ? {} : { userId }), ...(isForwarded ? { forwarded: true } : {}) };
}
