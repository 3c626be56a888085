import type {
  AccountRef,
  ChannelEvent,
  DeletionEvent,
  EditEvent,
  IgnoredEvent,
  MessageEvent,
} from '../../core/channel-event.ts';
import { asId, asLabel, asRecord, asRecords, type JsonRecord } from '../read-json.ts';
import { contentOf } from './message-content.ts';
import { scopeOf } from './scope.ts';
import { timestampId, timestampMs } from './timestamp.ts';

/** What the envelope says about an event of type `message` or `app_mention`. */
export interface MessageContext {
  readonly account: AccountRef;
  readonly eventId: string | null;
  readonly envelope: JsonRecord;
  readonly retry: Readonly<Record<string, unknown>>;
}

/** Subtypes that are something a person said; all others (joins, topics, pins, …) are notices. */
const SPOKEN = new Set<unknown>([undefined, null, '', 'file_share', 'thread_broadcast', 'me_message']);

/**
 * An event of type `message` or `app_mention` as what it means: a message, an edit, a deletion or nothing for us.
 * Everything a bot wrote is nothing for us, so that two agents in one channel do not talk for ever.
 */
export function parseMessage(event: JsonRecord, context: MessageContext): ChannelEvent {
  const channelId = asId(event.channel);
  if (channelId === null) return ignored(context, 'channel_missing');
  if (event.type === 'message' && event.subtype === 'message_changed') {
    return parseChange(event, channelId, context);
  }
  if (event.type === 'message' && event.subtype === 'message_deleted') {
    return parseDeletion(event, channelId, context);
  }
  return parseSpoken(event, channelId, context);
}

function parseSpoken(
  event: JsonRecord,
  channelId: string,
  context: MessageContext,
): MessageEvent | IgnoredEvent {
  const bot = botReason(event, context);
  if (bot !== null) return ignored(context, bot);
  if (!SPOKEN.has(event.subtype)) return ignored(context, `subtype:${asLabel(event.subtype)}`);
  const messageId = timestampId(event.ts);
  if (messageId === null) return ignored(context, 'ts_missing');
  const senderId = asId(event.user);
  if (senderId === null) return ignored(context, 'sender_missing');
  const { text, mentions, addressee, attachments } = contentOf(event);
  if (text === '' && attachments.length === 0) return ignored(context, 'message_empty');
  const { agentUserId } = context.account;
  return {
    type: 'message',
    account: context.account,
    eventId: context.eventId,
    channelId,
    messageId,
    threadId: timestampId(event.thread_ts),
    scope: scopeOf(event.channel_type, channelId),
    sender: { externalId: senderId, name: null },
    text,
    mentions,
    addressee,
    // Apps subscribed to `message.*` only get no `app_mention`: the agent's own id in the text says the same.
    mentionsAgent:
      event.type === 'app_mention' || mentions.some(({ externalId }) => externalId === agentUserId),
    attachments,
    sentAtMs: timestampMs(messageId),
    channelMetadata: metadataOf(event, context),
  };
}

/** `message_changed`: an edit, unless only an unfurl, a reaction count or the like changed. */
function parseChange(
  event: JsonRecord,
  channelId: string,
  context: MessageContext,
): EditEvent | DeletionEvent | IgnoredEvent {
  const message = asRecord(event.message);
  const messageId = timestampId(message?.ts);
  if (message === null || messageId === null) return ignored(context, 'ts_missing');
  // The root of a thread is not deleted but replaced by a tombstone, as its replies stay.
  if (message.subtype === 'tombstone') return deletion(event, channelId, messageId, context);
  const bot = botReason(message, context);
  if (bot !== null) return ignored(context, bot);
  if (!SPOKEN.has(message.subtype)) return ignored(context, `subtype:${asLabel(message.subtype)}`);
  const { text, mentions } = contentOf(message);
  const previous = asRecord(event.previous_message);
  if (previous === null ? asRecord(message.edited) === null : contentOf(previous).text === text) {
    return ignored(context, 'text_unchanged');
  }
  // `edited` knows whole seconds only. Of two edits within one the event's time says which came later, to its last digit.
  const editedAt = eventTimestamp(event) ?? timestampId(asRecord(message.edited)?.ts) ?? messageId;
  return {
    type: 'edit',
    account: context.account,
    eventId: context.eventId,
    channelId,
    messageId,
    threadId: timestampId(message.thread_ts),
    scope: scopeOf(event.channel_type, channelId),
    text,
    mentions,
    editedAtMs: Number(editedAt) * 1_000,
  };
}

function parseDeletion(event: JsonRecord, channelId: string, context: MessageContext): ChannelEvent {
  const messageId = timestampId(event.deleted_ts) ?? timestampId(asRecord(event.previous_message)?.ts);
  if (messageId === null) return ignored(context, 'ts_missing');
  return deletion(event, channelId, messageId, context);
}

function deletion(
  event: JsonRecord,
  channelId: string,
  messageId: string,
  context: MessageContext,
): DeletionEvent {
  return {
    type: 'deletion',
    account: context.account,
    eventId: context.eventId,
    channelId,
    messageId,
    deletedAtMs: timestampMs(eventTimestamp(event) ?? messageId),
  };
}

/** Why a message counts as a bot's; `null`: a person wrote it. */
function botReason(message: JsonRecord, { account, envelope }: MessageContext): string | null {
  const user = asId(message.user);
  if (user !== null && user === account.agentUserId) return 'own_message';
  const appId = asId(message.app_id);
  if (appId !== null && appId === account.appId) return 'own_message';
  if (user !== null && isAuthorizedBot(envelope, user)) return 'own_message';
  if (asId(message.bot_id) !== null || asRecord(message.bot_profile) !== null) return 'bot_message';
  if (message.subtype === 'bot_message' || user === 'USLACKBOT') return 'bot_message';
  return null;
}

/** Older deliveries list every installation of the app that sees the message; each has a bot user of its own. */
function isAuthorizedBot(envelope: JsonRecord, user: string): boolean {
  const { authorizations } = envelope;
  if (!Array.isArray(authorizations) || authorizations.length < 2) return false;
  return asRecords(authorizations).some((entry) => entry.is_bot !== false && entry.user_id === user);
}

function metadataOf(event: JsonRecord, { envelope, retry }: MessageContext): MessageEvent['channelMetadata'] {
  const metadata: Record<string, unknown> = { ...retry };
  if (typeof event.subtype === 'string' && event.subtype !== '') metadata.subtype = asLabel(event.subtype);
  const clientMessageId = asId(event.client_msg_id);
  if (clientMessageId !== null) metadata.clientMessageId = clientMessageId;
  const senderTeamId = asId(event.user_team) ?? asId(event.team);
  if (senderTeamId !== null) metadata.senderTeamId = senderTeamId;
  if (envelope.is_ext_shared_channel === true) metadata.outsidersPresent = true;
  // Whose thread it is tells a conversation of the older assistant view, which the app begins, from a person's thread.
  const threadOwnerId = event.channel_type === 'im' ? asId(event.parent_user_id) : null;
  if (threadOwnerId !== null) metadata.threadOwnerId = threadOwnerId;
  return metadata;
}

function ignored({ account, eventId }: MessageContext, reason: string): IgnoredEvent {
  return { type: 'ignored', account, eventId, reason };
}

function eventTimestamp(event: JsonRecord): string | null {
  return timestampId(event.event_ts) ?? timestampId(event.ts);
}
