import type { IgnoredEvent, ReactionEvent } from '../../core/channel-event.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asInteger, formatChannelId, timeOf } from './ids.ts';
import type { EventBase } from './parse-membership.ts';

/**
 * One event for each emoji that a person put on a message or took off. Telegram tells bots of it in private chats, and in
 * groups where they are administrators; it does not say in which topic the message stands.
 *
 * Source: https://core.telegram.org/bots/api#messagereactionupdated
 */
export function parseReactions(
  change: JsonRecord,
  base: EventBase,
): readonly (ReactionEvent | IgnoredEvent)[] {
  const chatId = asInteger(asRecord(change.chat)?.id);
  const number = asInteger(change.message_id);
  const user = asRecord(change.user);
  const senderId = asInteger(user?.id);
  if (chatId === null || number === null || senderId === null || user?.is_bot === true) {
    return [{ ...base, type: 'ignored', reason: 'reaction_anonymous' }];
  }
  const before = emojiOf(change.old_reaction);
  const after = emojiOf(change.new_reaction);
  const event = (emoji: string, present: boolean): ReactionEvent => ({
    ...base,
    type: 'reaction',
    channelId: formatChannelId({ chatId, topicId: null }),
    messageId: String(number),
    senderId: String(senderId),
    emoji,
    present,
    reactedAtMs: timeOf(change.date),
  });
  return [
    ...[...before].filter((emoji) => !after.has(emoji)).map((emoji) => event(emoji, false)),
    ...[...after].filter((emoji) => !before.has(emoji)).map((emoji) => event(emoji, true)),
  ];
}

function emojiOf(reactions: unknown): ReadonlySet<string> {
  return new Set(
    asRecords(reactions)
      .filter(({ type }) => type === 'emoji')
      .map(({ emoji }) => asText(emoji).replaceAll(/[\u{1F3FB}-\u{1F3FF}]/gu, '')),
  );
}
