import { createHash } from 'node:crypto';
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
import type { JsonRecord } from '../read-json.ts';
import { choiceCard } from './choice-card.ts';
import type { GoogleChatClient } from './client.ts';
import { googleError } from './google-error.ts';
import { asSpace, messageIdOf, threadNameOf } from './ids.ts';
import { renderForGoogleChat } from './render-for-google-chat.ts';

/** What stands where a text has nothing to show: Chat refuses an empty message. */
const NOTHING = '…';
const NO_ADDRESS = 'choose';

/**
 * Sends a new message under an id of our own, made of the connection and the delivery: if that message is there already,
 * it is the one that was wanted.
 *
 * Source: https://developers.google.com/workspace/chat/create-messages#name_a_created_message
 */
export async function postMessage(
  client: GoogleChatClient,
  access: ConnectionAccess,
  message: Pick<OutboundMessage, 'target' | 'markdown' | 'marker' | 'choices' | 'mayStillSend'>,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const { target, marker, choices = [], mayStillSend } = message;
  const name = 'messages.create';
  const space = spaceOf(target, name);
  const messageId = clientMessageId(access, marker);
  const cards = choices.length === 0 ? {} : { cardsV2: [choiceCard(choices, buttonAddress(access))] };
  const { thread, reply } = threadOf(target);
  const body = { ...textOf(message), ...cards, ...thread };
  const query = { messageId, ...reply };
  const path = `${space}/messages`;
  const call = { name, method: 'POST', path, query, body, space, idempotent: false, mayStillSend } as const;
  try {
    const sent = messageIdOf((await client.call(access, call, signal)).name);
    if (sent === null) throw googleError.unavailable(name, 'name_missing', true);
    return { messageId: sent };
  } catch (error) {
    if (!isKonstructError(error, 'platform_rejected') || error.details.status !== 409) throw error;
    const there = await findMessage(client, access, target, marker, signal);
    if (there === null) throw error;
    return there;
  }
}

/**
 * Replaces text and buttons of a message.
 *
 * Source: https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/patch
 */
export async function editMessage(
  client: GoogleChatClient,
  access: ConnectionAccess,
  message: OutboundEdit,
  signal: AbortSignal,
): Promise<void> {
  const { choices = [], mayStillSend } = message;
  const cardsV2 = choices.length === 0 ? [] : [choiceCard(choices, buttonAddress(access))];
  const body = { ...textOf(message), cardsV2 };
  await patchMessage(client, access, message, body, 'text,cardsV2', mayStillSend, signal);
}

/** Changes what the mask names of a message; the rest stays. */
export async function patchMessage(
  client: GoogleChatClient,
  access: ConnectionAccess,
  { target, messageId }: Pick<OutboundEdit, 'target' | 'messageId'>,
  body: JsonRecord,
  updateMask: string,
  mayStillSend: (() => boolean) | undefined,
  signal: AbortSignal,
): Promise<void> {
  const name = 'messages.patch';
  const space = spaceOf(target, name);
  const path = `${space}/messages/${encodeURIComponent(messageId)}`;
  const call = { name, method: 'PATCH', path, query: { updateMask }, body, space } as const;
  await client.call(access, { ...call, idempotent: true, mayStillSend }, signal);
}

/** Takes a message away; one that is gone already counts as taken away. */
export async function removeMessage(
  client: GoogleChatClient,
  access: ConnectionAccess,
  { target, messageId, mayStillSend }: OutboundRemoval,
  signal: AbortSignal,
): Promise<void> {
  const name = 'messages.delete';
  const space = spaceOf(target, name);
  const path = `${space}/messages/${encodeURIComponent(messageId)}`;
  try {
    await client.call(
      access,
      { name, method: 'DELETE', path, space, idempotent: true, mayStillSend },
      signal,
    );
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/**
 * Tells one person in a space; where Chat does not take that (a direct message), everybody there is that person.
 *
 * Source: https://developers.google.com/workspace/chat/create-messages#private
 */
export async function postPrivately(
  client: GoogleChatClient,
  access: ConnectionAccess,
  { target, personId, markdown }: PrivateMessage,
  signal: AbortSignal,
): Promise<void> {
  const name = 'messages.create';
  const space = spaceOf(target, name);
  const call = { name, method: 'POST', path: `${space}/messages`, space, idempotent: false } as const;
  const { thread, reply: query } = threadOf(target);
  const body = { ...textOf({ markdown }), ...thread };
  try {
    const seenBy = { privateMessageViewer: { name: personId } };
    await client.call(access, { ...call, query, body: { ...body, ...seenBy } }, signal);
  } catch (error) {
    if (!isKonstructError(error, 'platform_rejected') || error.details.status !== 400) throw error;
    await client.call(access, { ...call, query, body }, signal);
  }
}

/** Looks for the message of a delivery by the id that it was given. `null`: it is not there. */
export async function findMessage(
  client: GoogleChatClient,
  access: ConnectionAccess,
  target: ThreadTarget,
  marker: DeliveryMarker,
  signal: AbortSignal,
): Promise<PostedMessage | null> {
  const name = 'messages.get';
  const space = spaceOf(target, name);
  const path = `${space}/messages/${clientMessageId(access, marker)}`;
  try {
    const found = await client.call(access, { name, method: 'GET', path, space, idempotent: true }, signal);
    const messageId = messageIdOf(found.name);
    if (messageId === null) throw googleError.unavailable(name, 'name_missing', false);
    return { messageId };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Small letters, digits and hyphens; with the connection, because another installation counts its deliveries, too. */
function clientMessageId({ connectionId }: ConnectionAccess, { deliveryId }: DeliveryMarker): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([connectionId, deliveryId]))
    .digest('hex');
  return `client-${hash.slice(0, 48)}`;
}

function textOf({ markdown }: Pick<OutboundMessage, 'markdown'>): JsonRecord {
  const text = renderForGoogleChat(markdown);
  // An app's own default may be the other syntax.
  return { text: text.trim() === '' ? NOTHING : text, markupSyntax: 'MARKUP_SYNTAX_CHAT' };
}

/** Into the thread, if it still is there; otherwise it begins one. */
function threadOf({ channelId, threadId }: ThreadTarget): {
  readonly thread: JsonRecord;
  readonly reply: Readonly<Record<string, string>>;
} {
  const name = threadNameOf(channelId, threadId);
  if (name === null) return { thread: {}, reply: {} };
  return {
    thread: { thread: { name } },
    reply: { messageReplyOption: 'REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD' },
  };
}

function spaceOf({ channelId }: ThreadTarget, method: string): string {
  const space = asSpace(channelId);
  if (space === null) throw googleError.rejected(method, 'space_malformed');
  return space;
}

function buttonAddress({ credentials }: ConnectionAccess): string {
  const { audience = '' } = credentials;
  return audience.startsWith('https://') ? audience : NO_ADDRESS;
}

function isMissing(error: unknown): boolean {
  return isKonstructError(error, 'platform_rejected') && error.details.status === 404;
}
