import type { ChannelEvent } from '../../../core/channel-event.ts';
import { asLabel, asRecord, asText, type JsonRecord } from '../../read-json.ts';
import { asSnowflake, type Place, snowflakeMs } from '../ids.ts';
import type { OwnRoles } from '../normalise-text.ts';
import { parseInteraction } from '../parse-interaction.ts';
import { BASE, ignored, parseEdit, parseMessage } from '../parse-message.ts';

/** Events that stand in a channel: its place is looked up for them. */
export const PLACED_EVENTS: ReadonlySet<string> = new Set([
  'MESSAGE_CREATE',
  'MESSAGE_UPDATE',
  'MESSAGE_DELETE',
  'MESSAGE_DELETE_BULK',
  'MESSAGE_REACTION_ADD',
  'MESSAGE_REACTION_REMOVE',
]);

export interface DispatchContext {
  /** `null`: none that the agent takes part in. */
  readonly place: Place | null;
  readonly own: OwnRoles;
  /** For what Discord says without a time. */
  readonly nowMs: number;
}

/**
 * What a gateway event means. What it does not know is `ignored` with a reason.
 *
 * Source: https://discord.com/developers/docs/events/gateway-events
 */
export function parseDispatch(
  name: string,
  data: JsonRecord,
  { place, own, nowMs }: DispatchContext,
): readonly ChannelEvent[] {
  if (name === 'INTERACTION_CREATE') return [parseInteraction(data)];
  if (name === 'CHANNEL_DELETE') return [parseChannelDeletion(data, nowMs)];
  if (!PLACED_EVENTS.has(name)) return [ignored(`event:${asLabel(name)}`)];
  if (place === null) return [ignored('channel_unknown')];
  switch (name) {
    case 'MESSAGE_CREATE':
      return [parseMessage(data, place, own)];
    case 'MESSAGE_UPDATE':
      return [parseEdit(data, place, own)];
    case 'MESSAGE_DELETE':
      return [parseDeletion(data.id, place, nowMs)];
    case 'MESSAGE_DELETE_BULK':
      return (Array.isArray(data.ids) ? data.ids : []).map((id: unknown) => parseDeletion(id, place, nowMs));
    default:
      return [parseReaction(data, place, own, name === 'MESSAGE_REACTION_ADD', nowMs)];
  }
}

function parseDeletion(id: unknown, { channelId }: Place, nowMs: number): ChannelEvent {
  const messageId = asSnowflake(id);
  if (messageId === null) return ignored('deletion_incomplete');
  return { ...BASE, type: 'deletion', channelId, messageId, deletedAtMs: nowMs };
}

function parseReaction(
  data: JsonRecord,
  { channelId }: Place,
  own: OwnRoles,
  present: boolean,
  nowMs: number,
): ChannelEvent {
  const messageId = asSnowflake(data.message_id);
  const senderId = asSnowflake(data.user_id);
  if (messageId === null || senderId === null) return ignored('reaction_incomplete');
  const user = asRecord(asRecord(data.member)?.user);
  if (senderId === own.userId || user?.bot === true) return ignored('bot_reaction');
  const emoji = asRecord(data.emoji);
  // A server's own emoji has an id; what it means nobody knows.
  const shown = asSnowflake(emoji?.id) === null ? asText(emoji?.name) : '';
  if (shown === '') return ignored('reaction_custom');
  return {
    ...BASE,
    type: 'reaction',
    channelId,
    messageId,
    senderId,
    emoji: shown.replaceAll(/[\u{1F3FB}-\u{1F3FF}]/gu, ''),
    present,
    // Discord does not say when; by its clock it was after the message, whatever ours says.
    reactedAtMs: Math.max(nowMs, snowflakeMs(messageId)),
  };
}

function parseChannelDeletion(data: JsonRecord, nowMs: number): ChannelEvent {
  const channelId = asSnowflake(data.id);
  if (channelId === null) return ignored('channel_incomplete');
  return { ...BASE, type: 'departure', channelId, reason: 'channel_deleted', departedAtMs: nowMs };
}
