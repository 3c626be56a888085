import type { AccountRef, IgnoredEvent, OpeningEvent } from '../../core/channel-event.ts';
import { asId, asRecord, type JsonRecord } from '../read-json.ts';
import { timestampId } from './timestamp.ts';

/**
 * `assistant_thread_started`: somebody has opened a conversation with the agent.
 *
 * Source: https://docs.slack.dev/reference/events/assistant_thread_started
 */
export function parseOpening(
  event: JsonRecord,
  { account, eventId }: { readonly account: AccountRef; readonly eventId: string | null },
): OpeningEvent | IgnoredEvent {
  const thread = asRecord(event.assistant_thread);
  const channelId = asId(thread?.channel_id);
  const threadId = timestampId(thread?.thread_ts);
  const personId = asId(thread?.user_id);
  if (channelId === null || threadId === null || personId === null)
    return { type: 'ignored', account, eventId, reason: 'opening_incomplete' };
  return { type: 'opening', account, eventId, channelId, threadId, personId };
}
