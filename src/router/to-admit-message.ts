import type { Attachment, Mention, MessageEvent } from '../core/channel-event.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import { escapeRegExp } from '../core/escape-reg-exp.ts';
import { storable } from '../core/storable.ts';
import { connectionDefaults } from '../core/tenant.ts';
import { isReply } from './address.ts';
import type { AdmitMessage } from './admit.ts';

/** How long the parts of one message may take to come. */
const SETTLE_MS = 1_000;

/** The row a message becomes: which conversation it belongs to, where the answer goes, what its text is to the agent. */
export function toAdmitMessage(
  connection: ResolvedConnection,
  event: MessageEvent,
  addressed: AdmitMessage['addressed'],
  agentUserIds: ReadonlySet<string>,
): AdmitMessage {
  const thread = event.threadId ?? event.messageId;
  const { chain } = event;
  return {
    type: 'message',
    tenantId: connection.tenantId,
    connectionId: connection.id,
    eventId: event.eventId,
    bucketKey: bucketKey(connection),
    ratePerMinute: ratePerMinute(connection),
    busyMode: connection.busyMode,
    channelId: event.channelId,
    // A DM is one conversation, unless the person starts a thread in it.
    conversationThreadId: event.scope === 'direct' && !isReply(event) ? '' : thread,
    replyThreadId: chain?.answerAt ?? thread,
    // Slack shows a private notice in a thread only if the thread has replies already.
    noticeThreadId: chain?.answerAt ?? (isReply(event) ? thread : null),
    ...(chain?.repliesTo ? { repliesToId: chain.repliesTo.messageId } : {}),
    ...(chain?.isPart ? { settleMs: SETTLE_MS } : {}),
    threadBegan: isReply(event),
    scope: event.scope,
    addressed,
    messageId: event.messageId,
    senderId: event.sender.externalId,
    senderName: event.sender.name === null ? null : storable(event.sender.name),
    content: withoutMentions(storable(event.text), agentUserIds),
    mentions: event.mentions.filter(({ externalId }) => !agentUserIds.has(externalId)).map(storableMention),
    attachments: event.attachments.map(storableAttachment),
    channelMetadata: event.channelMetadata,
    sentAtMs: event.sentAtMs,
  };
}

/** One bucket per tenant and channel; a connection with a limit of its own has a bucket of its own. */
export function bucketKey(connection: Pick<ResolvedConnection, 'id' | 'channel' | 'settings'>): string {
  return connection.settings.ratePerMinute === undefined
    ? connection.channel
    : `${connection.channel}:${connection.id}`;
}

export function ratePerMinute({ settings }: Pick<ResolvedConnection, 'settings'>): number {
  return settings.ratePerMinute ?? connectionDefaults.ratePerMinute;
}

/** Takes the agent's own mention out of a text, with the blank or punctuation that set it off. */
export function withoutMentions(text: string, userIds: ReadonlySet<string>): string {
  let result = text;
  for (const userId of userIds) {
    if (userId !== '')
      result = result.replaceAll(new RegExp(`@${escapeRegExp(userId)}(?![.-]?\\w)[,:]?[ \\t]?`, 'g'), '');
  }
  return result.trim();
}

export function storableAttachment(attachment: Attachment): Attachment {
  return { ...attachment, name: storable(attachment.name) };
}

export function storableMention(mention: Mention): Mention {
  return { externalId: mention.externalId, name: mention.name === null ? null : storable(mention.name) };
}
