import type { ChannelEvent, DepartureEvent } from '../../../core/channel-event.ts';
import { asRecord, type JsonRecord, readRecord } from '../../read-json.ts';
import { asMattermostId, asTime, type Scope, scopeOfType } from '../ids.ts';
import { ACCOUNT, parseDeletedPost, parseEditedPost, parsePost } from '../parse-post.ts';
import { parseReaction } from '../parse-reaction.ts';

/** What an event of a socket is, and up to when with it all is known, by the server's clock (0: it does not say). */
export interface ParsedEvent {
  readonly event: ChannelEvent;
  readonly atMs: number;
}

export interface EventSetting {
  readonly ownUserId: string;
  readonly nowMs: number;
  /** What is known of a channel; only edits do not say it themselves. */
  readonly scopeOf: (channelId: string) => Promise<Scope>;
  /** Called with what an event tells of a channel. */
  readonly note: (channelId: string, scope: Scope) => void;
}

/**
 * Reads one event; `null`: it is none of those that mean something to an agent. A post comes as JSON within the JSON.
 *
 * Source: https://developers.mattermost.com/api-documentation/ ("WebSocket", "Events")
 */
export async function parseEvent(message: JsonRecord, setting: EventSetting): Promise<ParsedEvent | null> {
  const data = asRecord(message.data) ?? {};
  const broadcast = asRecord(message.broadcast) ?? {};
  const { ownUserId, nowMs } = setting;
  switch (message.event) {
    case 'posted': {
      const post = within(data.post);
      const scope = scopeOfType(data.channel_type) ?? (await scopeOf(post, setting));
      const channelId = asMattermostId(post.channel_id);
      if (channelId !== null) setting.note(channelId, scope);
      return { event: parsePost(post, { scope, ownUserId }), atMs: lastChange(post) };
    }
    case 'post_edited': {
      const post = within(data.post);
      const scope = post.user_id === ownUserId ? 'channel' : await scopeOf(post, setting);
      return { event: parseEditedPost(post, { scope, ownUserId }), atMs: lastChange(post) };
    }
    case 'post_deleted': {
      const post = within(data.post);
      return { event: parseDeletedPost(post, nowMs), atMs: lastChange(post) };
    }
    case 'reaction_added':
    case 'reaction_removed': {
      const reaction = within(data.reaction);
      const present = message.event === 'reaction_added';
      const given = { channelId: broadcast.channel_id, present, ownUserId, nowMs };
      return {
        event: parseReaction(reaction, given),
        atMs: present ? asTime(reaction.create_at) : 0,
      };
    }
    case 'user_removed':
      // To the others it is told who left; to whoever was removed, from where.
      return broadcast.user_id === ownUserId ? departure(data.channel_id, 'removed', nowMs) : null;
    case 'channel_deleted':
      return departure(data.channel_id, 'archived', nowMs);
    default:
      return null;
  }
}

/** When anything of a post last changed. */
export function lastChange(post: JsonRecord): number {
  return Math.max(asTime(post.create_at), asTime(post.update_at), asTime(post.delete_at));
}

function departure(channel: unknown, reason: string, nowMs: number): ParsedEvent | null {
  const channelId = asMattermostId(channel);
  if (channelId === null) return null;
  const event: DepartureEvent = {
    account: ACCOUNT,
    eventId: null,
    type: 'departure',
    channelId,
    reason,
    departedAtMs: nowMs,
  };
  return { event, atMs: 0 };
}

async function scopeOf(post: JsonRecord, setting: EventSetting): Promise<Scope> {
  const channelId = asMattermostId(post.channel_id);
  return channelId === null ? 'channel' : setting.scopeOf(channelId);
}

function within(json: unknown): JsonRecord {
  return typeof json === 'string' ? (readRecord(json) ?? {}) : {};
}
