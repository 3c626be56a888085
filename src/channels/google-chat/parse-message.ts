import type { AccountRef, IgnoredEvent, MessageEvent } from '../../core/channel-event.ts';
import { withQuotations } from '../quotation.ts';
import { asDateMs, asId, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { attachmentOf, gifText } from './attachments.ts';
import { asUser, messageIdOf, threadIdOf, WHOLE_CHAT } from './ids.ts';
import { normaliseText } from './normalise-text.ts';
import { quoteOf } from './quote.ts';

/** What is the same in all events of a request. */
export interface EventBase {
  readonly account: AccountRef;
  readonly eventId: string | null;
}

/**
 * A message for the app: Chat tells it of direct messages, of what mentions it and of its commands, and of nothing else.
 * Of several apps that are mentioned it does not say which one it is; with one it is that.
 */
export function parseMessage(
  message: JsonRecord,
  space: JsonRecord,
  channelId: string,
  base: EventBase,
): MessageEvent | IgnoredEvent {
  const messageId = messageIdOf(message.name);
  const sender = asRecord(message.sender);
  const senderId = asUser(sender?.name);
  if (messageId === null || senderId === null) return ignored(base, 'message:incomplete');
  if (sender?.type === 'BOT') return ignored(base, 'message:bot');
  const { text: written, mentions, addressee, apps } = normaliseText(message);
  const quote = quoteOf(message);
  const own = [written, gifText(message)].filter((part) => part !== '').join('\n\n');
  const text = withQuotations([quote.text], own);
  const files = [...asRecords(message.attachment), ...asRecords(message.attachments)];
  const attachments = [...files.flatMap(attachmentOf), ...quote.attachments];
  if (text === '' && attachments.length === 0) return ignored(base, 'message:empty');
  const [app = null] = apps;
  return {
    ...base,
    account: { ...base.account, agentUserId: apps.length === 1 ? app : null },
    type: 'message',
    channelId,
    messageId,
    ...placeOf(message, space),
    sender: { externalId: senderId, name: asText(sender?.displayName) || null },
    text,
    mentions,
    // Whoever begins with the app's own mention addresses nobody else.
    addressee: addressee !== null && apps.includes(addressee) ? null : addressee,
    mentionsAgent: true,
    attachments,
    sentAtMs: asDateMs(message.createTime),
    channelMetadata: metadataOf(message),
  };
}

/** Where a message stands: a direct message is one conversation, and so is a group chat without threads. */
export function placeOf(message: JsonRecord, space: JsonRecord): Pick<MessageEvent, 'threadId' | 'scope'> {
  const isDirect =
    space.spaceType === 'DIRECT_MESSAGE' || space.type === 'DM' || space.singleUserBotDm === true;
  if (isDirect) return { threadId: null, scope: 'direct' };
  const scope = space.spaceType === 'GROUP_CHAT' ? 'group' : 'channel';
  const isFlat = space.spaceThreadingState === 'UNTHREADED_MESSAGES';
  return { threadId: isFlat ? WHOLE_CHAT : threadIdOf(asRecord(message.thread)?.name), scope };
}

function metadataOf({ slashCommand }: JsonRecord): MessageEvent['channelMetadata'] {
  const given = asRecord(slashCommand)?.commandId;
  const commandId = asId(typeof given === 'number' ? String(given) : given);
  return commandId === null ? {} : { commandId };
}

function ignored(base: EventBase, reason: string): IgnoredEvent {
  return { ...base, type: 'ignored', reason };
}
