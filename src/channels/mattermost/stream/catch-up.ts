import type { ChannelEvent } from '../../../core/channel-event.ts';
import { isKonstructError, type KonstructError } from '../../../core/errors.ts';
import type { Log } from '../../../core/log.ts';
import type { ConnectionAccess } from '../../../core/outbound.ts';
import { asRecord, asRecords, type JsonRecord } from '../../read-json.ts';
import type { MattermostClient } from '../client.ts';
import type { Directory, OwnAccount } from '../directory.ts';
import { asMattermostId, asTime, type Scope, scopeOfType } from '../ids.ts';
import { isRefusal } from '../mattermost-error.ts';
import { ignored, parseDeletedPost, parseEditedPost, parsePost } from '../parse-post.ts';
import { parseReaction } from '../parse-reaction.ts';
import { channelPages, PAGE_SIZE, readList } from '../thread.ts';
import { lastChange } from './parse-event.ts';

export interface CatchUp {
  readonly client: MattermostClient;
  readonly directory: Directory;
  readonly log: Log;
}

/** A channel that the account is in. */
export interface KnownChannel {
  readonly channelId: string;
  readonly scope: Scope;
  readonly lastPostAtMs: number;
}

/** Events of servers in a cluster come a little out of order: so much before the position is looked at once more. */
export const OVERLAP_MS = 5_000;
/** What people have asked longer ago they do not wait for any more. */
const OLDEST_MS = 24 * 60 * 60 * 1000;
/** Edits and reactions are to posts that are not older than this. */
const CHANGED_WITHIN_MS = 60 * 60 * 1000;
/** Mattermost lists so many changed posts of a channel at most, and does not say which. */
const MAX_CHANGED = 1_000;

/** Source: https://developers.mattermost.com/api-documentation/#/operations/GetChannelsForUser */
export async function listChannels(
  { client, directory }: CatchUp,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<readonly KnownChannel[]> {
  const call = {
    name: 'channels.list',
    method: 'GET',
    path: '/users/me/channels',
    idempotent: true,
  } as const;
  return asRecords(await client.call(access, call, signal)).flatMap((channel) => {
    const channelId = asMattermostId(channel.id);
    const scope = scopeOfType(channel.type);
    if (channelId === null || scope === null || asTime(channel.delete_at) > 0) return [];
    directory.note(access, channelId, scope);
    return [{ channelId, scope, lastPostAtMs: asTime(channel.last_post_at) }];
  });
}

/**
 * What happened in an account's channels behind a position, oldest first and a channel at a time: new posts, edits,
 * deletions and reactions that were put on. What has been received before is the same message again, and harmless.
 */
export async function* missedEvents(
  parts: CatchUp,
  access: ConnectionAccess,
  {
    own,
    positionMs,
    newestMs,
    channels,
    isPatient,
  }: {
    readonly own: OwnAccount;
    readonly positionMs: number;
    /** When the newest of all posts was written. */
    readonly newestMs: number;
    readonly channels: readonly KnownChannel[];
    /** Whether a channel that cannot be read for now is tried again; otherwise the others do not wait for it any more. */
    readonly isPatient: boolean;
  },
  signal: AbortSignal,
): AsyncGenerator<readonly ChannelEvent[]> {
  const oldestMs = newestMs - OLDEST_MS;
  const since = Math.max(positionMs - OVERLAP_MS, oldestMs);
  if (positionMs < oldestMs) {
    const hours = Math.round((oldestMs - positionMs) / 3_600_000);
    parts.log.info('mattermost.backlog_cut', { connectionId: access.connectionId, hours });
  }
  for (const channel of channels) {
    if (channel.lastPostAtMs <= since - CHANGED_WITHIN_MS) continue;
    const setting = { scope: channel.scope, ownUserId: own.userId, since };
    const pages = changedPosts(parts.client, access, channel, since, signal);
    for (;;) {
      const page = await pages.next().catch((error: unknown) => {
        if (!isUnreadable(error, isPatient)) throw error;
        const { platformError } = error.details;
        const { connectionId } = access;
        parts.log.warn('mattermost.channel_unread', {
          connectionId,
          channelId: channel.channelId,
          platformError,
        });
        return { done: true } as const;
      });
      if (page.done) break;
      const events: ChannelEvent[] = [];
      for (const post of page.value) {
        for (const event of eventsOf(post, setting)) {
          const isSaid = event.type === 'message' || event.type === 'edit';
          events.push(isSaid && (await isBot(parts, access, post, signal)) ? ignored('bot_message') : event);
        }
      }
      if (events.length > 0) yield events;
    }
  }
}

/** A post that its bot has edited does not say any more that a bot wrote it, on servers before version 11. */
async function isBot(
  { directory }: CatchUp,
  access: ConnectionAccess,
  post: JsonRecord,
  signal: AbortSignal,
): Promise<boolean> {
  const senderId = asMattermostId(post.user_id);
  return senderId !== null && (await directory.person(access, senderId, signal))?.isBot === true;
}

/** Of one channel, and no reason to hear nothing of all others. */
function isUnreadable(error: unknown, isPatient: boolean): error is KonstructError {
  if (isKonstructError(error, 'platform_rejected')) return !isRefusal(error, 'unauthorized');
  return !isPatient && isKonstructError(error, 'platform_unavailable');
}

/** Posts of a channel that are new or have changed, a page at a time, oldest first. */
async function* changedPosts(
  client: MattermostClient,
  access: ConnectionAccess,
  { channelId }: KnownChannel,
  since: number,
  signal: AbortSignal,
): AsyncGenerator<readonly JsonRecord[]> {
  const path = `/channels/${channelId}/posts`;
  // What changed at once, where that is little enough: more is listed only in part, or is more than can be read at once.
  const changed = await readList(client, access, 'channels.posts', `${path}?since=${since}`, signal).catch(
    (error: unknown) => {
      if (isKonstructError(error, 'platform_unavailable')) return null;
      throw error;
    },
  );
  if (changed !== null && changed.posts.length < MAX_CHANGED) {
    yield inOrder(changed.posts);
    return;
  }
  // Back to the last one that was there before, and on from it.
  let anchor: string | null = null;
  let oldest: JsonRecord | null = null;
  for await (const posts of channelPages(client, access, channelId, since, signal)) {
    const before = posts.find((post) => asTime(post.create_at) <= since);
    oldest = posts.at(-1) ?? oldest;
    anchor = before === undefined ? null : asMattermostId(before.id);
    if (anchor !== null) break;
  }
  if (anchor === null) {
    if (oldest === null) return;
    yield [oldest]; // the channel is younger than the position
    anchor = asMattermostId(oldest.id);
  }
  while (anchor !== null) {
    const page = `${path}?after=${anchor}&per_page=${PAGE_SIZE}`;
    const { ordered } = await readList(client, access, 'channels.posts', page, signal);
    const posts = inOrder(ordered);
    yield posts;
    const next: string | null = posts.length < PAGE_SIZE ? null : nextAnchor(posts);
    anchor = next === anchor ? null : next;
  }
}

/**
 * The post behind which the next page begins. Mattermost goes by the time alone, so what was written at the very moment of
 * a page's end comes once more: some of it may not have been on the page.
 */
function nextAnchor(posts: readonly JsonRecord[]): string | null {
  const end = asTime(posts.at(-1)?.create_at);
  const before = posts.findLast((post) => asTime(post.create_at) < end);
  return asMattermostId((before ?? posts.at(-1))?.id);
}

/** What became of a post behind the position. */
function eventsOf(
  post: JsonRecord,
  setting: { readonly scope: Scope; readonly ownUserId: string; readonly since: number },
): readonly ChannelEvent[] {
  const { since, ownUserId } = setting;
  if (asTime(post.delete_at) > 0) {
    return asTime(post.delete_at) > since ? [parseDeletedPost(post, lastChange(post))] : [];
  }
  const events: ChannelEvent[] = [];
  if (asTime(post.create_at) > since) events.push(parsePost(post, setting));
  else if (asTime(post.edit_at) > since) {
    // Listed here for having changed, whatever has touched it since.
    events.push(parseEditedPost({ ...post, update_at: post.edit_at }, setting));
  }
  for (const reaction of asRecords(asRecord(post.metadata)?.reactions)) {
    if (asTime(reaction.create_at) <= since) continue;
    const given = { channelId: post.channel_id, present: true, ownUserId, nowMs: lastChange(post) };
    events.push(parseReaction(reaction, given));
  }
  return events;
}

function inOrder(posts: readonly JsonRecord[]): readonly JsonRecord[] {
  return [...posts].sort((a, b) => asTime(a.create_at) - asTime(b.create_at));
}
