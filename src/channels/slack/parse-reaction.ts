import type { AccountRef, IgnoredEvent, ReactionEvent } from '../../core/channel-event.ts';
import { asId, asLabel, asRecord, type JsonRecord } from '../read-json.ts';
import { timestampId, timestampMs } from './timestamp.ts';

/**
 * Slack names emoji, and workspaces add names of their own. Only those that mean something to an agent are translated;
 * others are nothing for us, so that a popular message costs nothing.
 */
const EMOJI: Readonly<Record<string, string>> = {
  octagonal_sign: '🛑',
  no_entry: '⛔',
  mute: '🔇',
  // Two names of each: clients send either.
  '+1': '👍',
  thumbsup: '👍',
  '-1': '👎',
  thumbsdown: '👎',
};

/**
 * `reaction_added` and `reaction_removed`. Slack says who and on which message, but not in which thread.
 *
 * Source: https://docs.slack.dev/reference/events/reaction_added
 */
export function parseReaction(
  event: JsonRecord,
  { account, eventId }: { readonly account: AccountRef; readonly eventId: string | null },
): ReactionEvent | IgnoredEvent {
  const ignored = (reason: string): IgnoredEvent => ({ type: 'ignored', account, eventId, reason });
  const name = asId(event.reaction);
  // A skin tone comes behind the name: `wave::skin-tone-3`.
  const bare = name?.split('::', 1)[0] ?? '';
  const emoji = Object.hasOwn(EMOJI, bare) ? EMOJI[bare] : undefined;
  if (emoji === undefined) return ignored(`reaction:${asLabel(event.reaction)}`);
  const item = asRecord(event.item);
  if (item?.type !== 'message') return ignored(`reaction_on:${asLabel(item?.type)}`);
  const channelId = asId(item.channel);
  const messageId = timestampId(item.ts);
  const senderId = asId(event.user);
  if (channelId === null || messageId === null || senderId === null) return ignored('reaction_incomplete');
  if (senderId === account.agentUserId) return ignored('own_reaction');
  const reactedAt = timestampId(event.event_ts);
  if (reactedAt === null) return ignored('ts_missing');
  return {
    type: 'reaction',
    account,
    eventId,
    channelId,
    messageId,
    senderId,
    emoji,
    present: event.type === 'reaction_added',
    reactedAtMs: timestampMs(reactedAt),
  };
}
