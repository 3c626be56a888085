import { createHash } from 'node:crypto';
import type { ChannelRequest, ParsedRequest } from '../../core/channel.ts';
import type { ChannelEvent, IgnoredEvent } from '../../core/channel-event.ts';
import { asDateMs, asLabel, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asTeamsId, parseConversationId } from './conversation-id.ts';
import { emojiOf } from './emoji.ts';
import { type EventBase, type Located, parseEdit, parseMessage } from './parse-message.ts';
import { readActivity } from './read-activity.ts';
import { asGuid } from './teams-app.ts';
import { tenantOf } from './verify.ts';

/**
 * One activity. What Teams calls the company is the Microsoft tenant, which every activity names.
 *
 * Source: https://github.com/microsoft/botframework-sdk/blob/main/specs/botframework-activity/botframework-activity.md,
 * https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events
 *
 * @throws KonstructError `body_malformed`
 */
export function parseTeamsRequest(request: ChannelRequest): ParsedRequest {
  return { kind: 'events', events: parseActivity(readActivity(request)) };
}

function parseActivity(activity: JsonRecord): readonly ChannelEvent[] {
  const recipientId = asTeamsId(asRecord(activity.recipient)?.id);
  const tenantId = asGuid(tenantOf(activity));
  const base: EventBase = {
    account: {
      externalIds: tenantId === null ? [] : [tenantId],
      appId: asGuid(recipientId?.replace(/^28:/, '')),
      agentUserId: recipientId,
    },
    eventId: eventIdOf(activity),
  };
  const located = locate(activity);
  const type = asText(activity.type);
  if (located === null) return ignored(base, `${asLabel(activity.type)}:incomplete`);
  switch (type) {
    case 'message':
      return [parseMessage(located, base)];
    case 'messageUpdate':
      return [parseEdit(located, base)];
    case 'messageDelete':
      return parseDeletion(located, base);
    case 'messageReaction':
      return parseReactions(located, base);
    case 'conversationUpdate':
    case 'installationUpdate':
      return parseMembership(located, base);
    default:
      return ignored(base, `activity:${asLabel(activity.type)}`);
  }
}

function locate(activity: JsonRecord): Located | null {
  const conversation = asRecord(activity.conversation);
  const place = parseConversationId(conversation?.id);
  if (conversation === null || place === null) return null;
  return { activity, place, scope: scopeOf(conversation), atMs: asDateMs(activity.timestamp) };
}

function scopeOf({ conversationType, isGroup, id }: JsonRecord): Located['scope'] {
  if (conversationType === 'channel') return 'channel';
  if (conversationType === 'groupChat') return 'group';
  if (conversationType === 'personal') return 'direct';
  if (isGroup !== true) return 'direct';
  return asText(id).includes('@thread.tacv2') ? 'channel' : 'group';
}

/** Only messages that the bot was told of are deleted with a word to it. */
function parseDeletion({ activity, place, atMs }: Located, base: EventBase): readonly ChannelEvent[] {
  const messageId = asTeamsId(activity.id);
  if (messageId === null) return ignored(base, 'deletion:incomplete');
  return [{ ...base, type: 'deletion', channelId: place.channelId, messageId, deletedAtMs: atMs }];
}

/** Teams tells a bot of reactions to what the bot said. */
function parseReactions({ activity, place, atMs }: Located, base: EventBase): readonly ChannelEvent[] {
  const messageId = asTeamsId(activity.replyToId);
  const senderId = asTeamsId(asRecord(activity.from)?.id);
  if (messageId === null || senderId === null) return ignored(base, 'reaction:incomplete');
  const { channelId } = place;
  const changes = [
    ...asRecords(activity.reactionsRemoved).map((reaction) => ({ reaction, present: false })),
    ...asRecords(activity.reactionsAdded).map((reaction) => ({ reaction, present: true })),
  ];
  return changes.map(({ reaction, present }): ChannelEvent => {
    const emoji = emojiOf(reaction.type);
    if (emoji === null) return { ...base, type: 'ignored', reason: 'reaction:unknown' };
    return { ...base, type: 'reaction', channelId, messageId, senderId, emoji, present, reactedAtMs: atMs };
  });
}

/** Whether the bot was taken out: as a member, or as an app that was uninstalled there. */
function parseMembership({ activity, place, atMs }: Located, base: EventBase): readonly ChannelEvent[] {
  const botId = asRecord(activity.recipient)?.id;
  const isRemoved = asRecords(activity.membersRemoved).some(({ id }) => id === botId);
  const isUninstalled = activity.type === 'installationUpdate' && activity.action === 'remove';
  const eventType = asRecord(activity.channelData)?.eventType;
  const isGone = eventType === 'channelDeleted' || eventType === 'teamDeleted';
  if (!isRemoved && !isUninstalled && !isGone)
    return ignored(base, `membership:${asLabel(activity.action ?? eventType ?? 'other')}`);
  // A channel that was deleted is told of in the team's first one.
  const channel = asRecord(asRecord(activity.channelData)?.channel);
  const channelId = (eventType === 'channelDeleted' ? asTeamsId(channel?.id) : null) ?? place.channelId;
  const reason = isUninstalled ? 'uninstalled' : isRemoved ? 'removed' : String(eventType);
  return [{ ...base, type: 'departure', channelId, reason, departedAtMs: atMs }];
}

/**
 * The same for an activity that is sent again, and another for any other. Ids are unique within a conversation only, and
 * long in personal chats; so it is a hash.
 */
function eventIdOf({ type, id, timestamp, conversation }: JsonRecord): string | null {
  if (typeof id !== 'string' || id === '') return null;
  const parts = JSON.stringify([type, asRecord(conversation)?.id, id, timestamp].map(textOrNull));
  return createHash('sha256').update(parts).digest('base64url').slice(0, 32);
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function ignored(base: EventBase, reason: string): readonly IgnoredEvent[] {
  return [{ ...base, type: 'ignored', reason }];
}
