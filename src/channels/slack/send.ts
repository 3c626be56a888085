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
import type { Authorship } from './authorship.ts';
import { textArguments } from './choices.ts';
import type { SlackClient } from './client.ts';
import { neutraliseMentions } from './outbound-text.ts';
import { unavailable } from './slack-failure.ts';

/** Type of the metadata by which a delivery is found again. */
export const MARKER_EVENT_TYPE = 'konstruct_delivery';

/**
 * Sends a new message. Not repeated after an unknown outcome: the caller looks for the marker first.
 *
 * Source: https://docs.slack.dev/reference/methods/chat.postMessage
 */
export async function postMessage(
  { client, authorship }: { readonly client: SlackClient; readonly authorship: Authorship },
  access: ConnectionAccess,
  { target, markdown, marker, choices, author, mayStillSend }: OutboundMessage,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const method = 'chat.postMessage';
  const answer = await inItsBestForm(markdown, choices, (text) =>
    authorship.send(access, author, signal, (authorArguments) =>
      client.call(
        access,
        {
          method,
          idempotent: false,
          mayStillSend,
          arguments: {
            ...targetArguments(target),
            ...text,
            ...authorArguments,
            metadata: markerMetadata(marker),
            // A preview below each link of a long answer buries the conversation.
            unfurl_links: false,
            unfurl_media: false,
          },
        },
        signal,
      ),
    ),
  );
  if (typeof answer.ts !== 'string') throw unavailable(method, 'ts_missing', true);
  return { messageId: answer.ts };
}

/**
 * Replaces a message's text. The metadata is sent again, so that the marker stays whatever Slack does without it.
 *
 * Source: https://docs.slack.dev/reference/methods/chat.update
 */
export async function editMessage(
  client: SlackClient,
  access: ConnectionAccess,
  { target, messageId, markdown, marker, choices, mayStillSend }: OutboundEdit,
  signal: AbortSignal,
): Promise<void> {
  const call = callAbout(
    client,
    access,
    { target, messageId, ...(mayStillSend && { mayStillSend }) },
    signal,
  );
  const metadata = markerMetadata(marker);
  await onceEnded(call, { metadata }, () =>
    inItsBestForm(markdown, choices, (text) => call('chat.update', { ...text, metadata })),
  );
}

/** What Slack says of blocks that it does not take: a table that is too large for it, and others that nobody foresees. */
const REFUSED_BLOCKS = new Set<unknown>(['invalid_blocks', 'invalid_blocks_format', 'msg_blocks_too_long']);

/** Sends a text as blocks where it shows best as such and, where Slack does not take these, without them. */
async function inItsBestForm(
  markdown: string,
  choices: readonly string[] | undefined,
  send: (text: JsonRecord) => Promise<JsonRecord>,
): Promise<JsonRecord> {
  const text = textArguments(markdown, choices);
  try {
    return await send(text);
  } catch (error) {
    const isForTable = text.blocks !== undefined && (choices ?? []).length === 0;
    const isRefused =
      isKonstructError(error, 'platform_rejected') && REFUSED_BLOCKS.has(error.details.platformError);
    if (!isForTable || !isRefused) throw error;
    return send({ markdown_text: neutraliseMentions(markdown) });
  }
}

/**
 * Takes a message away. What is gone already is what was wanted, so an unknown outcome is simply tried again.
 *
 * Source: https://docs.slack.dev/reference/methods/chat.delete
 */
export async function removeMessage(
  client: SlackClient,
  access: ConnectionAccess,
  { target, messageId, mayStillSend }: OutboundRemoval,
  signal: AbortSignal,
): Promise<void> {
  const call = callAbout(
    client,
    access,
    { target, messageId, ...(mayStillSend && { mayStillSend }) },
    signal,
  );
  try {
    await onceEnded(call, {}, () => call('chat.delete'));
  } catch (error) {
    if (!isKonstructError(error) || error.details.platformError !== 'message_not_found') throw error;
  }
}

type CallAbout = (method: string, args?: JsonRecord) => Promise<JsonRecord>;

/** Calls about one message that may be repeated. */
function callAbout(
  client: SlackClient,
  access: ConnectionAccess,
  { target, messageId, mayStillSend }: OutboundRemoval,
  signal: AbortSignal,
): CallAbout {
  const place = { channel: target.channelId, ts: messageId };
  return (method, args = {}) =>
    client.call(access, { method, idempotent: true, mayStillSend, arguments: { ...place, ...args } }, signal);
}

/** Does something to a message; where that is being streamed, the stream is ended first. Whoever streamed may be gone. */
async function onceEnded(
  call: CallAbout,
  ending: JsonRecord,
  change: () => Promise<JsonRecord>,
): Promise<void> {
  try {
    await change();
  } catch (error) {
    if (!isKonstructError(error) || error.details.platformError !== 'streaming_state_conflict') throw error;
    await call('chat.stopStream', ending).catch((refusal: unknown) => {
      // It has ended meanwhile, which is what was wanted.
      if (!isKonstructError(refusal) || refusal.details.platformError !== 'message_not_in_streaming_state')
        throw refusal;
    });
    await change();
  }
}

/**
 * Tells one person something. In a thread Slack shows it only if the thread has replies already; in a DM there are no
 * others to hide it from.
 *
 * Source: https://docs.slack.dev/reference/methods/chat.postEphemeral
 */
export async function postPrivately(
  client: SlackClient,
  access: ConnectionAccess,
  { target, personId, markdown }: PrivateMessage,
  signal: AbortSignal,
): Promise<void> {
  const direct = target.channelId.startsWith('D');
  await client.call(
    access,
    {
      method: direct ? 'chat.postMessage' : 'chat.postEphemeral',
      idempotent: false,
      arguments: {
        ...targetArguments(target),
        ...(!direct && { user: personId }),
        markdown_text: neutraliseMentions(markdown),
      },
    },
    signal,
  );
}

function targetArguments({ channelId, threadId }: ThreadTarget): Readonly<Record<string, string>> {
  return threadId === null ? { channel: channelId } : { channel: channelId, thread_ts: threadId };
}

export function markerMetadata({ deliveryId }: DeliveryMarker): Readonly<Record<string, unknown>> {
  return { event_type: MARKER_EVENT_TYPE, event_payload: { delivery_id: deliveryId } };
}
