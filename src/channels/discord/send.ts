import { createHash } from 'node:crypto';
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
import type { DiscordCall, DiscordClient } from './client.ts';
import { componentsOf } from './components.ts';
import { withMark } from './delivery-mark.ts';
import { isRefusal, unavailable } from './discord-error.ts';
import { answerAt, asSnowflake, destinationOf } from './ids.ts';
import { renderForDiscord } from './render-for-discord.ts';
import type { Landing, Threads } from './threads.ts';

/** What sending needs. */
export interface Sending {
  readonly client: DiscordClient;
  readonly threads: Threads;
}

/** What stands where a text has nothing to show: Discord refuses an empty message. */
const NOTHING = '…';
/** A preview below each link of a long answer buries the conversation. */
export const SUPPRESS_EMBEDS = 1 << 2;
/** Nobody is called upon, whatever a text says; and whoever is answered need not be, they wait for it. */
export const NO_MENTIONS = { parse: [], replied_user: false } as const;
/** In characters. */
const NONCE_DIGITS = 20;

/**
 * Sends a new message. Its nonce keeps Discord from making a second one of it for some minutes.
 *
 * Source: https://discord.com/developers/docs/resources/message#create-message
 */
export async function postMessage(
  sending: Sending,
  access: ConnectionAccess,
  { target, markdown, marker, choices, mayStillSend }: OutboundMessage,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const components = componentsOf(choices);
  const body = {
    content: contentOf(markdown, marker),
    flags: SUPPRESS_EMBEDS,
    ...(components.length > 0 && { components }),
  };
  return createMessage(sending, access, target, { body, marker, mayStillSend }, signal);
}

/** A message or a file of ours, by whichever body. */
export interface NewMessage {
  readonly body: JsonRecord;
  readonly marker: DeliveryMarker | null;
  readonly mayStillSend?: (() => boolean) | undefined;
  /** Makes a form of the body, for a file; absent: it is sent as JSON. */
  readonly form?: (body: JsonRecord) => NonNullable<DiscordCall['form']>;
  readonly timeoutMs?: number;
}

/** Sends it where it belongs; in the channel, where the bot may not write in the thread. */
export async function createMessage(
  { client, threads }: Sending,
  access: ConnectionAccess,
  target: ThreadTarget,
  message: NewMessage,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const landing = await threads.land(access, target, signal, message.mayStillSend);
  try {
    return await createMessageAt(client, access, landing, message, signal);
  } catch (error) {
    const isShut = isRefusal(error, 'missing_permissions', 'missing_access', 'thread_locked');
    const elsewhere = isShut ? threads.landElsewhere(access, target) : null;
    if (elsewhere === null) throw error;
    return createMessageAt(client, access, elsewhere, message, signal);
  }
}

async function createMessageAt(
  client: DiscordClient,
  access: ConnectionAccess,
  { channelId, repliesTo }: Landing,
  { body, marker, mayStillSend, form, timeoutMs }: NewMessage,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const name = 'create message';
  const send = async (extra: JsonRecord): Promise<unknown> => {
    const whole = { ...body, allowed_mentions: NO_MENTIONS, ...extra };
    return client.call(
      access,
      {
        name,
        method: 'POST',
        path: ['channels', channelId, 'messages'],
        ...(form === undefined ? { body: whole } : { form: form(whole) }),
        idempotent: false,
        mayStillSend,
        ...(timeoutMs !== undefined && { timeoutMs }),
      },
      signal,
    );
  };
  const reference =
    repliesTo === null ? {} : { message_reference: { message_id: repliesTo, fail_if_not_exists: false } };
  const nonce = marker === null ? {} : { nonce: nonceOf(access, marker), enforce_nonce: true };
  const answer = await send({ ...reference, ...nonce }).catch((error: unknown) => {
    // Without the right to read back nothing can be replied to.
    if (isRefusal(error, 'missing_read_history')) return send(nonce);
    // It was sent once and has been deleted: Discord remembers its nonce all the same.
    if (isRefusal(error, 'message_not_found')) return send(reference);
    throw error;
  });
  const messageId = asSnowflake(asRecord(answer)?.id);
  if (messageId === null) throw unavailable(name, 'id_missing', true);
  return { messageId };
}

/** Source: https://discord.com/developers/docs/resources/message#edit-message */
export async function editMessage(
  { client, threads }: Sending,
  access: ConnectionAccess,
  { target, messageId, markdown, marker, choices, mayStillSend }: OutboundEdit,
  signal: AbortSignal,
): Promise<void> {
  const body = {
    content: contentOf(markdown, marker),
    allowed_mentions: NO_MENTIONS,
    components: componentsOf(choices),
  };
  await threads.at(access, target, messageId, (channelId) =>
    client.call(
      access,
      {
        name: 'edit message',
        method: 'PATCH',
        path: ['channels', channelId, 'messages', messageId],
        body,
        idempotent: true,
        mayStillSend,
      },
      signal,
    ),
  );
}

/** Takes a message away; one that is gone is as wanted. Source: https://discord.com/developers/docs/resources/message#delete-message */
export async function removeMessage(
  { client, threads }: Sending,
  access: ConnectionAccess,
  { target, messageId, mayStillSend }: OutboundRemoval,
  signal: AbortSignal,
): Promise<void> {
  try {
    await threads.at(access, target, messageId, (channelId) =>
      client.call(
        access,
        {
          name: 'delete message',
          method: 'DELETE',
          path: ['channels', channelId, 'messages', messageId],
          idempotent: true,
          mayStillSend,
        },
        signal,
      ),
    );
  } catch (error) {
    if (!isRefusal(error, 'message_not_found', 'channel_not_found')) throw error;
  }
}

/** A notice for one person: everybody sees it, so it replies to what they wrote and begins no thread for it. */
export async function postNotice(
  sending: Sending,
  access: ConnectionAccess,
  { target, markdown }: PrivateMessage,
  signal: AbortSignal,
): Promise<void> {
  const destination = destinationOf(target);
  const shown =
    destination?.kind === 'beginning'
      ? { ...target, threadId: answerAt(destination.messageId, false) }
      : target;
  const body = { content: contentOf(markdown, null), flags: SUPPRESS_EMBEDS };
  await createMessage(sending, access, shown, { body, marker: null }, signal);
}

function contentOf(markdown: string, marker: DeliveryMarker | null): string {
  const text = renderForDiscord(markdown) || NOTHING;
  return marker === null ? text : withMark(text, marker.deliveryId);
}

/** At most 25 characters, the same for the same delivery and no other. */
function nonceOf({ connectionId }: ConnectionAccess, { deliveryId }: DeliveryMarker): string {
  return createHash('sha256').update(`${connectionId} ${deliveryId}`).digest('hex').slice(0, NONCE_DIGITS);
}
