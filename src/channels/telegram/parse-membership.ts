import type { AccountRef, DepartureEvent, IgnoredEvent } from '../../core/channel-event.ts';
import { asLabel, asRecord, type JsonRecord } from '../read-json.ts';
import { asInteger, formatChannelId, timeOf } from './ids.ts';

/** What is the same in all events of an update. */
export interface EventBase {
  readonly account: AccountRef;
  readonly eventId: string | null;
}

/**
 * The bot's own membership in a chat changed. Blocked by a person or thrown out of a group, it can say nothing there
 * any more; that it was added says nothing yet.
 *
 * Source: https://core.telegram.org/bots/api#chatmemberupdated
 */
export function parseMembership(change: JsonRecord, base: EventBase): DepartureEvent | IgnoredEvent {
  const chat = asRecord(change.chat);
  const chatId = asInteger(chat?.id);
  const member = asRecord(change.new_chat_member);
  const status = member?.status;
  if (chatId === null) return { ...base, type: 'ignored', reason: 'chat_missing' };
  const isOut =
    status === 'kicked' || status === 'left' || (status === 'restricted' && member?.is_member === false);
  if (!isOut) return { ...base, type: 'ignored', reason: `membership:${asLabel(status)}` };
  return {
    ...base,
    type: 'departure',
    channelId: formatChannelId({ chatId, topicId: null }),
    reason: chat?.type === 'private' ? 'blocked' : 'removed',
    departedAtMs: timeOf(change.date),
  };
}
