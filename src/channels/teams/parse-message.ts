import type {
  AccountRef,
  ActionEvent,
  EditEvent,
  IgnoredEvent,
  MessageEvent,
} from '../../core/channel-event.ts';
import { asId, asRecord, asText, type JsonRecord } from '../read-json.ts';
import { parseAttachments } from './attachments.ts';
import { choiceOf } from './choice-card.ts';
import { asTeamsId, type Place, WHOLE_CHAT } from './conversation-id.ts';
import { unreadable } from './describe-content.ts';
import { normaliseText } from './normalise-text.ts';

/** What is the same in all events of an activity. */
export interface EventBase {
  readonly account: AccountRef;
  readonly eventId: string | null;
}

/** An activity with where and when it happened. */
export interface Located {
  readonly activity: JsonRecord;
  readonly place: Place;
  readonly scope: MessageEvent['scope'];
  readonly atMs: number;
}

/** A new message, or a press of a button of ours, which comes as one. */
export function parseMessage(located: Located, base: EventBase): MessageEvent | ActionEvent | IgnoredEvent {
  const { activity, place, scope, atMs } = located;
  const messageId = asTeamsId(activity.id);
  const sender = senderOf(activity);
  if (messageId === null) return ignored(base, 'message:incomplete');
  if (sender === null) return ignored(base, 'message:sender_missing');
  if (isBot(activity)) return ignored(base, 'message:bot');
  const threadId = threadOf(located);
  const choice = asText(choiceOf(activity.value));
  const pressedOn = asTeamsId(activity.replyToId);
  if (choice !== '' && pressedOn !== null) {
    const pressed = { messageId: pressedOn, actionId: messageId, choice, pressedAtMs: atMs, reply: {} };
    return { ...base, type: 'action', channelId: place.channelId, threadId, scope, sender, ...pressed };
  }
  const { text: said, mentions, addressee } = normaliseText(activity);
  const attachments = parseAttachments(activity);
  const text = said === '' && attachments.length === 0 ? unreadable(activity) : said;
  if (text === '' && attachments.length === 0) return ignored(base, 'message:empty');
  return {
    ...base,
    type: 'message',
    channelId: place.channelId,
    messageId,
    threadId,
    scope,
    sender,
    text,
    mentions,
    addressee,
    mentionsAgent: false,
    attachments,
    sentAtMs: atMs,
    channelMetadata: metadataOf(activity),
  };
}

/** An edit; a deleted message that is brought back says its text again, which is the same to us. */
export function parseEdit(located: Located, base: EventBase): EditEvent | IgnoredEvent {
  const { activity, place, scope, atMs } = located;
  const messageId = asTeamsId(activity.id);
  if (messageId === null || senderOf(activity) === null) return ignored(base, 'edit:incomplete');
  if (isBot(activity)) return ignored(base, 'edit:bot');
  const { text, mentions } = normaliseText(activity);
  if (text === '') return ignored(base, 'edit:empty');
  return {
    ...base,
    type: 'edit',
    channelId: place.channelId,
    messageId,
    threadId: threadOf(located),
    scope,
    text,
    mentions,
    editedAtMs: atMs,
  };
}

/** In a channel the post that a message stands below, or is; a group chat is one thread, a personal chat none. */
function threadOf({ place, scope }: Located): string | null {
  if (scope === 'group') return WHOLE_CHAT;
  return scope === 'channel' ? place.threadId : null;
}

function senderOf({ from }: JsonRecord): MessageEvent['sender'] | null {
  const sender = asRecord(from);
  const externalId = asTeamsId(sender?.id);
  return externalId === null ? null : { externalId, name: asText(sender?.name) || null };
}

function isBot({ from }: JsonRecord): boolean {
  const sender = asRecord(from);
  return sender?.role === 'bot' || asText(sender?.id).startsWith('28:');
}

function metadataOf({ channelData, locale }: JsonRecord): MessageEvent['channelMetadata'] {
  const teamId = asTeamsId(asRecord(asRecord(channelData)?.team)?.id);
  const language = asId(locale);
  return { ...(teamId === null ? {} : { teamId }), ...(language === null ? {} : { language }) };
}

function ignored(base: EventBase, reason: string): IgnoredEvent {
  return { ...base, type: 'ignored', reason };
}
