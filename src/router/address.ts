import type { EditEvent, MessageEvent } from '../core/channel-event.ts';

/**
 * Whether a message wants the agent, as far as can be said without looking at the conversation:
 * `yes` (mention, DM or a reply to what the agent wrote), `if_engaged` (a reply in a thread: only if the agent follows it), `context` (a reply in a
 * thread that begins by addressing somebody else, or names another agent anywhere: worth knowing, not for the agent), `no`.
 *
 * People are named in passing, agents to be asked: two that follow the same thread would both answer "and you, @ben?".
 */
export function address(
  event: MessageEvent,
  agentUserIds: ReadonlySet<string>,
  colleagueUserIds: readonly string[],
): 'yes' | 'if_engaged' | 'context' | 'no' {
  if (event.scope === 'direct' || event.mentionsAgent) return 'yes';
  if (event.mentions.some(({ externalId }) => agentUserIds.has(externalId))) return 'yes';
  // The other parts of an album: they join the one that was for the agent, or nothing.
  if (!isReply(event)) return event.chain?.isPart ? 'if_engaged' : 'no';
  if (event.addressee !== null && !agentUserIds.has(event.addressee)) return 'context';
  const answers = event.chain?.repliesTo?.senderId ?? '';
  if (agentUserIds.has(answers)) return 'yes';
  const asksColleague = event.mentions.some(({ externalId }) => colleagueUserIds.includes(externalId));
  return asksColleague ? 'context' : 'if_engaged';
}

/** Whether the message stands in a thread that another message began. */
export function isReply(event: Pick<MessageEvent, 'threadId' | 'messageId'>): boolean {
  return event.threadId !== null && event.threadId !== event.messageId;
}

/**
 * Whether an edit of a message that nobody knows may be one of ours that came too early: `yes`, `in_thread` (if the
 * agent takes part there), `no`. What is none of the agent's business is not kept, not even for a day.
 */
export function mayConcern(event: EditEvent, agentUserIds: ReadonlySet<string>): 'yes' | 'in_thread' | 'no' {
  if (event.scope === 'direct') return 'yes';
  if (event.mentions.some(({ externalId }) => agentUserIds.has(externalId))) return 'yes';
  return isReply(event) ? 'in_thread' : 'no';
}
