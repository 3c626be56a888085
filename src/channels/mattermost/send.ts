import { createHash } from 'node:crypto';
import type { ActionEvent } from '../../core/channel-event.ts';
import { isKonstructError } from '../../core/errors.ts';
import type {
  ConnectionAccess,
  DeliveryMarker,
  OutboundEdit,
  OutboundMessage,
  OutboundRemoval,
  PostedMessage,
  PrivateMessage,
  ThreadTarget,
} from '../../core/outbound.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';
import { choiceAttachments, pressKey } from './choices.ts';
import type { MattermostClient } from './client.ts';
import type { Directory } from './directory.ts';
import { asMattermostId } from './ids.ts';
import { isRefusal, rejected, unavailable } from './mattermost-error.ts';
import { IN_THE_CHANNEL } from './parse-post.ts';
import { renderForMattermost } from './render-for-mattermost.ts';

/** What stands where a text has nothing to show. */
const NOTHING = '…';
/** Under which a post of ours says which delivery it is. */
export const MARKER_PROP = 'konstruct_delivery';
/** By which clients show that a bot wrote, and others know. */
const BOT_PROPS: JsonRecord = { from_bot: 'true' };

export interface Sending {
  readonly client: MattermostClient;
  readonly directory: Directory;
  /** Where a connection's buttons are sent to; `null`: nobody can reach us. */
  readonly addressOf: (connectionId: string) => string | null;
}

/**
 * Sends a new post. What is sent twice within half a minute Mattermost itself recognises by its pending id.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/CreatePost
 */
export async function postMessage(
  sending: Sending,
  access: ConnectionAccess,
  message: OutboundMessage,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const { target, markdown, marker, mayStillSend } = message;
  const props = await propsOf(sending, access, message, signal);
  const body = { message: shownText(markdown), props };
  return createPost(sending.client, access, { target, marker, mayStillSend, body }, signal);
}

export interface NewPost {
  readonly target: ThreadTarget;
  readonly marker: DeliveryMarker;
  readonly mayStillSend: (() => boolean) | undefined;
  /** Beside where it stands: text, files, props. */
  readonly body: JsonRecord;
}

/** Creates a post in a place, with whatever is to stand in it. */
export async function createPost(
  client: MattermostClient,
  access: ConnectionAccess,
  { target, marker, mayStillSend, body }: NewPost,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const name = 'posts.create';
  const post = asRecord(
    await client.call(
      access,
      {
        name,
        method: 'POST',
        path: '/posts',
        body: { ...placeOf(target, name), pending_post_id: pendingId(access, marker), ...body },
        idempotent: false,
        mayStillSend,
      },
      signal,
    ),
  );
  const messageId = asMattermostId(post?.id);
  if (messageId === null) throw unavailable(name, 'post_id_missing', true);
  return { messageId };
}

/**
 * Replaces a post's text and buttons. The server marks a new post as a bot's by itself, but before version 11 an edit replaces
 * all props, the mark among them.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/PatchPost, `UpdatePost` in the server's
 * `channels/app/post.go`
 */
export async function editMessage(
  sending: Sending,
  access: ConnectionAccess,
  message: OutboundEdit,
  signal: AbortSignal,
): Promise<void> {
  const [props, { isBot }] = await Promise.all([
    propsOf(sending, access, message, signal),
    sending.directory.own(access, signal),
  ]);
  const { messageId, mayStillSend } = message;
  const body = { message: shownText(message.markdown), props: isBot ? { ...BOT_PROPS, ...props } : props };
  await patchPost(sending.client, access, { messageId, mayStillSend, body }, signal);
}

async function patchPost(
  client: MattermostClient,
  access: ConnectionAccess,
  { messageId, mayStillSend, body }: Omit<NewPost, 'target' | 'marker'> & { readonly messageId: string },
  signal: AbortSignal,
): Promise<void> {
  const name = 'posts.patch';
  const id = postId(messageId, name);
  const path = `/posts/${id}/patch`;
  const call = { name, method: 'PUT', path, body, idempotent: true, messageId, mayStillSend } as const;
  await orGone(client, access, id, signal, () =>
    client.call(access, { ...call, notFound: 'message_not_found' }, signal),
  );
}

/**
 * Takes a post away. One that is gone is as wanted.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/DeletePost
 */
export async function removeMessage(
  client: MattermostClient,
  access: ConnectionAccess,
  { messageId, mayStillSend }: OutboundRemoval,
  signal: AbortSignal,
): Promise<void> {
  const name = 'posts.delete';
  const id = postId(messageId, name);
  const call = { name, method: 'DELETE', path: `/posts/${id}`, idempotent: true, mayStillSend } as const;
  try {
    await orGone(client, access, id, signal, () =>
      client.call(access, { ...call, notFound: 'message_not_found' }, signal),
    );
  } catch (error) {
    if (!isRefusal(error, 'message_not_found')) throw error;
  }
}

/**
 * Tells one person something that nobody else sees. Few bots may: the others say it as an ordinary message.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/CreatePostEphemeral
 */
export async function postPrivately(
  client: MattermostClient,
  access: ConnectionAccess,
  { target, personId, markdown }: PrivateMessage,
  signal: AbortSignal,
): Promise<void> {
  const name = 'posts.ephemeral';
  const post = { ...placeOf(target, name), message: shownText(markdown) };
  const create = (path: string, body: JsonRecord) =>
    client.call(access, { name, method: 'POST', path, body, idempotent: false }, signal);
  try {
    await create('/posts/ephemeral', { user_id: personId, post });
  } catch (error) {
    if (!isRefusal(error, 'missing_permission')) throw error;
    await create('/posts', post);
  }
}

/** Takes the buttons away from a post, and leaves what else it says. */
export async function acknowledgeAction(
  client: MattermostClient,
  access: ConnectionAccess,
  { messageId }: ActionEvent,
  signal: AbortSignal,
): Promise<void> {
  const post = await readPost(client, access, messageId, signal);
  const { attachments, ...kept } = asRecord(post.props) ?? {};
  if (attachments === undefined) return; // somebody was quicker
  await patchPost(client, access, { messageId, mayStillSend: undefined, body: { props: kept } }, signal);
}

export async function readPost(
  client: MattermostClient,
  access: ConnectionAccess,
  messageId: string,
  signal: AbortSignal,
): Promise<JsonRecord> {
  const name = 'posts.get';
  const path = `/posts/${postId(messageId, name)}`;
  const call = { name, method: 'GET', path, idempotent: true, notFound: 'message_not_found' } as const;
  return asRecord(await client.call(access, call, signal)) ?? {};
}

/** Where a post is to stand. @throws KonstructError `platform_rejected`: not an id of Mattermost's */
export function placeOf({ channelId, threadId }: ThreadTarget, name: string): JsonRecord {
  const channel = asMattermostId(channelId);
  if (channel === null) throw rejected(name, 'channel_not_found');
  const isInThread = threadId !== null && threadId !== IN_THE_CHANNEL;
  return { channel_id: channel, root_id: isInThread ? postId(threadId, name) : '' };
}

/** How a post says which delivery it is: props are part of it, and come with it wherever it is read. */
export function markerProps({ deliveryId }: DeliveryMarker): JsonRecord {
  return { [MARKER_PROP]: deliveryId };
}

/** Of a post with buttons also where they lead: its thread, and what kind of channel it is in. */
async function propsOf(
  { directory, addressOf }: Sending,
  access: ConnectionAccess,
  { target, marker, choices = [] }: OutboundMessage,
  signal: AbortSignal,
): Promise<JsonRecord> {
  const address = addressOf(access.connectionId);
  if (choices.length === 0 || address === null) return markerProps(marker);
  const { channelId } = target;
  const scope = await directory.scope(access, channelId, signal);
  const where = { channelId, threadId: target.threadId ?? IN_THE_CHANNEL, scope };
  const key = pressKey(access.credentials, access.connectionId);
  return { ...markerProps(marker), attachments: choiceAttachments(choices, where, address, key) };
}

function shownText(markdown: string): string {
  const text = renderForMattermost(markdown);
  return text.trim() === '' ? NOTHING : text;
}

/** The same for the same delivery of a connection, and nobody else's: other installations count from one, too. */
function pendingId({ connectionId }: ConnectionAccess, { deliveryId }: DeliveryMarker): string {
  const hash = createHash('sha256').update(`${connectionId} ${deliveryId}`).digest('hex');
  return `konstruct:${hash.slice(0, 40)}`;
}

function postId(id: string, name: string): string {
  const known = asMattermostId(id);
  if (known === null) throw rejected(name, 'message_not_found');
  return known;
}

/** Of a post that is gone Mattermost says that we may not change it. Which of the two it is the post itself tells. */
async function orGone(
  client: MattermostClient,
  access: ConnectionAccess,
  id: string,
  signal: AbortSignal,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isRefusal(error, 'missing_permission')) await readPost(client, access, id, signal);
    else if (
      isKonstructError(error) &&
      String(error.details.platformError).endsWith('update_post.find.app_error')
    )
      throw rejected('posts.patch', 'message_not_found');
    throw error;
  }
}
