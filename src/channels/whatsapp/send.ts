import type {
  ConnectionAccess,
  OutboundMessage,
  OutboundReaction,
  PostedMessage,
  TypingSign,
} from '../../core/outbound.ts';
import { asRecords, type JsonRecord } from '../read-json.ts';
import type { GraphClient } from './client.ts';
import { rejected, unavailable, windowClosed } from './graph-error.ts';
import { asMessageId, recipientOf } from './ids.ts';
import { markerFor } from './marker.ts';
import { templateBody, textBody } from './outbound-body.ts';

/** What every way to send a message to a person needs. */
export interface Sending extends Pick<OutboundMessage, 'target'> {
  readonly mayStillSend?: (() => boolean) | undefined;
  /** In errors and log lines. */
  readonly name: string;
  /** Type and content of the message. */
  readonly body: JsonRecord;
  /** `null`: nobody asks what became of it. */
  readonly deliveryId: string | null;
  /** Whether twice is the same as once. */
  readonly idempotent?: boolean;
}

/** How long after a person has written free words may be sent; a little less, for what comes late. */
const WINDOW_MS = 24 * 3_600_000 - 60_000;

/**
 * Sends a new message, after the time for free words by the connection's template. It quotes nothing: in a chat of two it is plain what is answered.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages#customer-service-windows
 *
 * @throws KonstructError `platform_window_closed`, and as `GraphClient.call`
 */
export async function postMessage(
  client: GraphClient,
  access: ConnectionAccess,
  {
    target,
    markdown,
    marker,
    choices,
    lastHeardAtMs,
    mayStillSend,
  }: Omit<OutboundMessage, 'marker'> & {
    readonly marker: OutboundMessage['marker'] | null;
  },
  nowMs: number,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const isLate = lastHeardAtMs !== undefined && nowMs - lastHeardAtMs > WINDOW_MS;
  const template = access.settings?.template;
  if (isLate && template === undefined) throw windowClosed('message');
  const body =
    isLate && template !== undefined ? templateBody(template, markdown) : textBody(markdown, choices);
  return send(
    client,
    access,
    { name: 'message', target, body, deliveryId: marker?.deliveryId ?? null, mayStillSend },
    signal,
  );
}

/** @throws KonstructError as `GraphClient.call` */
export async function send(
  client: GraphClient,
  access: ConnectionAccess,
  { name, target: { channelId }, body, deliveryId, mayStillSend, idempotent = false }: Sending,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const recipient = recipientOf(channelId);
  if (recipient === null) throw rejected(name, 'recipient_unknown');
  const answer = await client.call(
    access,
    {
      name,
      httpMethod: 'POST',
      path: '/messages',
      body: json({
        messaging_product: 'whatsapp',
        recipient_type: 'individual',
        ...recipient,
        ...body,
        ...(deliveryId === null ? {} : { biz_opaque_callback_data: markerFor(deliveryId) }),
      }),
      idempotent,
      personId: channelId,
      mayStillSend,
    },
    signal,
  );
  const messageId = asMessageId(asRecords(answer.messages)[0]?.id);
  if (messageId === null) throw unavailable(name, 'message_id_missing', true);
  return { messageId };
}

/**
 * Marks what a person wrote as read and shows that an answer is being written, for 25 seconds or until it comes.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/typing-indicators
 */
export async function showTyping(
  client: GraphClient,
  access: ConnectionAccess,
  { messageId }: TypingSign,
  signal: AbortSignal,
): Promise<void> {
  if (messageId === null || !messageId.startsWith('wamid.')) return; // WhatsApp hangs it on a message
  const body = {
    messaging_product: 'whatsapp',
    status: 'read',
    message_id: messageId,
    typing_indicator: { type: 'text' },
  };
  const call = { name: 'typing', httpMethod: 'POST', path: '/messages', idempotent: true } as const;
  await client.call(access, { ...call, body: json(body), personId: null }, signal);
}

/**
 * Puts our reaction on a message, in place of the one there was, or takes it off.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/reaction-messages
 */
export async function react(
  client: GraphClient,
  access: ConnectionAccess,
  { target, messageId, emoji, present, mayStillSend }: OutboundReaction,
  signal: AbortSignal,
): Promise<void> {
  const body = { type: 'reaction', reaction: { message_id: messageId, emoji: present ? emoji : '' } };
  const sending = { name: 'reaction', target, body, deliveryId: null, mayStillSend, idempotent: true };
  await send(client, access, sending, signal);
}

function json(value: JsonRecord): { readonly contentType: string; readonly content: string } {
  return { contentType: 'application/json', content: JSON.stringify(value) };
}
