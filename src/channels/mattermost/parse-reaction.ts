import type { IgnoredEvent, ReactionEvent } from '../../core/channel-event.ts';
import { asLabel, type JsonRecord } from '../read-json.ts';
import { asMattermostId, asTime } from './ids.ts';
import { ACCOUNT, ignored } from './parse-post.ts';

/** Those that mean something to an agent; others are nothing for us, so that a popular message costs nothing. */
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
const SKIN_TONE = /_(?:light|medium_light|medium|medium_dark|dark)_skin_tone$/;

/** Somebody put an emoji on a post, or took it off. Mattermost says in which channel, but not in which thread. */
export function parseReaction(
  reaction: JsonRecord,
  given: {
    readonly channelId: unknown;
    readonly present: boolean;
    readonly ownUserId: string;
    readonly nowMs: number;
  },
): ReactionEvent | IgnoredEvent {
  const name = typeof reaction.emoji_name === 'string' ? reaction.emoji_name.replace(SKIN_TONE, '') : '';
  const emoji = Object.hasOwn(EMOJI, name) ? EMOJI[name] : undefined;
  if (emoji === undefined) return ignored(`reaction:${asLabel(reaction.emoji_name)}`);
  const channelId = asMattermostId(given.channelId);
  const messageId = asMattermostId(reaction.post_id);
  const senderId = asMattermostId(reaction.user_id);
  if (channelId === null || messageId === null || senderId === null) return ignored('reaction_incomplete');
  if (senderId === given.ownUserId) return ignored('own_reaction');
  const { present, nowMs } = given;
  // When it was taken off Mattermost does not say: the time is that of putting it on.
  const reactedAtMs = present ? asTime(reaction.create_at) || nowMs : nowMs;
  return {
    type: 'reaction',
    account: ACCOUNT,
    eventId: null,
    channelId,
    messageId,
    senderId,
    emoji,
    present,
    reactedAtMs,
  };
}
