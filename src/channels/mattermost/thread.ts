import { isKonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type {
  ConnectionAccess,
  DeliveryMarker,
  PostedMessage,
  ThreadMessage,
  ThreadTarget,
} from '../../core/outbound.ts';
import { asId, asRecord, type JsonRecord } from '../read-json.ts';
import type { MattermostClient } from './client.ts';
import type { Directory } from './directory.ts';
import { asMattermostId, asTime } from './ids.ts';
import { isRefusal } from './mattermost-error.ts';
import { contentOf, IN_THE_CHANNEL } from './parse-post.ts';
import { MARKER_PROP } from './send.ts';

export interface Reading {
  readonly client: MattermostClient;
  readonly directory: Directory;
  readonly wallClock: () => number;
  readonly log: Log;
}

/** The most that Mattermost gives at a time. */
export const PAGE_SIZE = 200;
/** A delivery of unknown outcome is looked for soon after; what is older is not looked through unless asked for. */
const MARKER_AGE_MS = 24 * 60 * 60 * 1000;
/** How far this machine's clock may be ahead of the server's. */
const MAX_SKEW_MS = 5 * 60 * 1000;

/**
 * Reads a thread: its root and the newest messages, oldest first. `null`, with a log line, where the account may not read it.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/GetPostThread
 */
export async function fetchThread(
  { client, directory, log }: Reading,
  access: ConnectionAccess,
  { threadId }: ThreadTarget,
  limit: number,
  signal: AbortSignal,
): Promise<readonly ThreadMessage[] | null> {
  const root = asMattermostId(threadId);
  if (root === null || limit <= 0) return [];
  try {
    const { userId } = await directory.own(access, signal);
    // Going up from the end: the newest come first, and the root always.
    const path = `/posts/${root}/thread?perPage=${Math.min(limit, PAGE_SIZE)}&direction=up`;
    const { posts } = await readList(client, access, 'posts.thread', path, signal);
    const messages = posts
      .map((post) => threadMessage(post, userId))
      .filter((message) => message !== null)
      .sort((a, b) => a.sentAtMs - b.sentAtMs);
    const [first, ...replies] = messages;
    return first === undefined ? [] : [first, ...replies.slice(Math.max(0, replies.length - (limit - 1)))];
  } catch (error) {
    if (!isKonstructError(error) || error.code === 'aborted') throw error;
    const { platformError } = error.details;
    log.warn('mattermost.thread_unread', {
      connectionId: access.connectionId,
      code: error.code,
      platformError,
    });
    return null;
  }
}

/**
 * Looks for a post of ours with the marker. Only a reading that succeeded and saw everything may say "not there": a wrong
 * `null` would be answered twice.
 */
export async function findByMarker(
  reading: Reading,
  access: ConnectionAccess,
  { channelId, threadId }: ThreadTarget,
  marker: DeliveryMarker,
  signal: AbortSignal,
): Promise<PostedMessage | null> {
  const { client, directory, wallClock, log } = reading;
  const { userId } = await directory.own(access, signal);
  const since = (marker.firstTriedAtMs ?? wallClock() - MARKER_AGE_MS) - MAX_SKEW_MS;
  const isInThread = threadId !== null && threadId !== IN_THE_CHANNEL;
  const pages = isInThread
    ? threadPages(client, access, threadId, since, signal)
    : channelPages(client, access, channelId, since, signal);
  try {
    for await (const posts of pages) {
      const found = posts.find((post) => post.user_id === userId && deliveryOf(post) === marker.deliveryId);
      const messageId = asTime(found?.delete_at) > 0 ? null : asMattermostId(found?.id);
      if (messageId !== null) return { messageId };
    }
  } catch (error) {
    // The thread is gone, and our message with it.
    if (!isRefusal(error, 'thread_not_found')) throw error;
    log.info('mattermost.thread_gone', { connectionId: access.connectionId });
  }
  return null;
}

/** A thread from some time on, oldest first. */
async function* threadPages(
  client: MattermostClient,
  access: ConnectionAccess,
  threadId: string,
  since: number,
  signal: AbortSignal,
): AsyncGenerator<readonly JsonRecord[]> {
  const root = asMattermostId(threadId);
  if (root === null) return;
  let from = `&fromCreateAt=${Math.max(1, Math.floor(since))}`;
  for (;;) {
    const path = `/posts/${root}/thread?perPage=${PAGE_SIZE}&direction=down${from}`;
    const { posts, hasNext } = await readList(client, access, 'posts.thread', path, signal);
    yield posts;
    const last = posts.reduce<JsonRecord | null>(
      (newest, post) => (asTime(post.create_at) >= asTime(newest?.create_at) ? post : newest),
      null,
    );
    if (!hasNext || last === null) return;
    const next = `&fromCreateAt=${asTime(last.create_at)}&fromPost=${String(last.id)}`;
    if (next === from) return; // as below
    from = next;
  }
}

/** A channel from its newest post back to some time. */
export async function* channelPages(
  client: MattermostClient,
  access: ConnectionAccess,
  channelId: string,
  since: number,
  signal: AbortSignal,
): AsyncGenerator<readonly JsonRecord[]> {
  let before = '';
  for (;;) {
    const path = `/channels/${encodeURIComponent(channelId)}/posts?per_page=${PAGE_SIZE}${before}`;
    const { ordered } = await readList(client, access, 'channels.posts', path, signal);
    yield ordered;
    const last = ordered.at(-1);
    if (last === undefined || ordered.length < PAGE_SIZE || asTime(last.create_at) < since) return;
    const next = `&before=${String(last.id)}`;
    if (next === before) return; // a server that gives the same page again would give it for ever
    before = next;
  }
}

export interface PostList {
  /** All that came, the roots of threads among them. */
  readonly posts: readonly JsonRecord[];
  /** What was asked for, in Mattermost's order: newest first. */
  readonly ordered: readonly JsonRecord[];
  readonly hasNext: boolean;
}

export async function readList(
  client: MattermostClient,
  access: ConnectionAccess,
  name: string,
  path: string,
  signal: AbortSignal,
): Promise<PostList> {
  const notFound = name === 'posts.thread' ? 'thread_not_found' : 'channel_not_found';
  const list = asRecord(
    await client.call(access, { name, method: 'GET', path, idempotent: true, notFound }, signal),
  );
  const byId = asRecord(list?.posts) ?? {};
  const order = Array.isArray(list?.order) ? list.order : [];
  const isPost = (post: JsonRecord | null): post is JsonRecord => post !== null;
  return {
    posts: Object.values(byId).map(asRecord).filter(isPost),
    ordered: order.map((id) => (typeof id === 'string' ? asRecord(byId[id]) : null)).filter(isPost),
    hasNext: list?.has_next === true,
  };
}

function threadMessage(post: JsonRecord, ownUserId: string): ThreadMessage | null {
  const messageId = asMattermostId(post.id);
  const senderId = asMattermostId(post.user_id);
  if (messageId === null || senderId === null || asTime(post.delete_at) > 0) return null;
  if (typeof post.type === 'string' && post.type.startsWith('system_')) return null;
  const { text, mentions, attachments } = contentOf(post);
  const own = senderId === ownUserId;
  return {
    messageId,
    sender: { externalId: senderId, name: null },
    own,
    deliveryId: own ? deliveryOf(post) : null,
    text,
    mentions,
    attachments,
    sentAtMs: asTime(post.create_at),
  };
}

function deliveryOf(post: JsonRecord): string | null {
  return asId(asRecord(post.props)?.[MARKER_PROP]);
}
