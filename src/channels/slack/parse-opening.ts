import type { AccountRef, IgnoredEvent, OpeningEvent } from '../../core/channel-event.ts';
import { asId, asRecord, type JsonRecord } from '../read-json.ts';
import { timestampId } from './timestamp.ts';

interface OpeningContext {
  readonly account: AccountRef;
  readonly eventId: string | null;
}

/**
 * `app_home_opened`: somebody has opened the direct conversation with the agent, or another tab of the app. Comes each time.
 *
 * Source: https://docs.slack.dev/reference/events/app_home_opened
 */
export function parseHomeOpening(
  event: JsonRecord,
  { account, eventId }: OpeningContext,
): OpeningEvent | IgnoredEvent {
  const channelId = asId(event.channel);
  const personId = asId(event.user);
  if (event.tab !== 'messages') return { type: 'ignored', account, eventId, reason: 'opening_elsewhere' };
  if (channelId === null || personId === null)
    return { type: 'ignored', account, eventId, reason: 'opening_incomplete' };
  return { type: 'opening', account, eventId, channelId, threadId: null, personId };
}

/**
 * `assistant_thread_started`: the same in apps that were made with the older `assistant_view`, which begins a thread with it.
 *
 * Source: https://docs.slack.dev/reference/events/assistant_thread_started
 */
export function parseOpening(
  event: JsonRecord,
  { account, eventId }: OpeningContext,
): OpeningEvent | IgnoredEvent {
  const thread = asRecord(event.assistant_thread);
  const channelId = asId(thread?.channel_id);
  const threadId = timestampId(thread?.thread_ts);
  const personId = asId(thread?.user_id);
  if (channelId === null || threadId === null || personId === null)
    return { type: 'ignored', account, eventId, reason: 'opening_incomplete' };
  return { type: 'opening', account, eventId, channelId, threadId, personId };
}
