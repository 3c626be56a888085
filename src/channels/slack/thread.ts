import type { Clock } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type {
  ConnectionAccess,
  DeliveryMarker,
  PostedMessage,
  ThreadMessage,
  ThreadTarget,
} from '../../core/outbound.ts';
import { asId, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import type { SlackClient } from './client.ts';
import type { Identities, OwnIds } from './identity.ts';
import { readInvisibleMark } from './invisible-mark.ts';
import { contentOf } from './message-content.ts';
import { MARKER_EVENT_TYPE } from './send.ts';
import { timestampId, timestampMs } from './timestamp.ts';

export interface SlackReading {
  readonly client: SlackClient;
  readonly identities: Identities;
  readonly clock: Clock;
  readonly log: Log;
}

/** Slack recommends no more than 200 per page; apps outside its Marketplace get 15, once a minute. */
const PAGE_SIZE = 200;
const MAX_PAGES = 5;
/** A delivery of unknown outcome is looked for soon after; what is older is not looked through unless asked for. */
const MARKER_AGE_MS = 24 * 60 * 60 * 1000;
/** How far this machine's clock may be ahead of Slack's. */
const MAX_SKEW_MS = 5 * 60 * 1000;

/**
 * Reads a thread: its root and the newest messages, oldest first. `null`, with a log line, where Slack does not let
 * us (limit, scope, no such thread). Does not wait for a limit to pass: the answer would be late.
 *
 * Source: https://docs.slack.dev/reference/methods/conversations.replies
 */
export async function fetchThread(
  { client, identities, log }: SlackReading,
  access: ConnectionAccess,
  { channelId, threadId }: ThreadTarget,
  limit: number,
  signal: AbortSignal,
): Promise<readonly ThreadMessage[] | null> {
  if (threadId === null || limit <= 0) return [];
  const found = new Map<string, ThreadMessage>();
  try {
    const own = await identities.ownIds(access, signal);
    const call = { channel: channelId, ts: threadId, limit: PAGE_SIZE, include_all_metadata: true };
    for await (const page of pages(client, access, 'conversations.replies', call, 0, signal)) {
      for (const message of page) {
        const parsed = parseThreadMessage(message, own);
        if (parsed !== null) found.set(parsed.messageId, parsed);
      }
    }
  } catch (error) {
    if (!isKonstructError(error) || error.code === 'aborted') throw error;
    const { platformError } = error.details;
    log.warn('slack.thread_unread', { connectionId: access.connectionId, code: error.code, platformError });
    // Pages that came before a limit are better than nothing.
    if (found.size === 0) return null;
  }
  const [root, ...replies] = found.values();
  return root === undefined ? [] : [root, ...replies.slice(Math.max(0, replies.length - (limit - 1)))];
}

/**
 * Looks for a message of ours with the marker. Only a reading that succeeded may say "not there": every error is
 * thrown, as a wrong `null` would be answered twice.
 */
export async function findByMarker(
  { client, identities, clock, log }: SlackReading,
  access: ConnectionAccess,
  { channelId, threadId }: ThreadTarget,
  marker: DeliveryMarker,
  signal: AbortSignal,
): Promise<PostedMessage | null> {
  const own = await identities.ownIds(access, signal);
  const since = {
    channel: channelId,
    limit: PAGE_SIZE,
    include_all_metadata: true,
    // A short stretch fits into the one page that apps outside of Slack's Marketplace get in a minute.
    oldest: String(Math.floor(((marker.firstTriedAtMs ?? clock() - MARKER_AGE_MS) - MAX_SKEW_MS) / 1000)),
  };
  const [method, call] =
    threadId === null
      ? (['conversations.history', since] as const)
      : (['conversations.replies', { ...since, ts: threadId }] as const);
  try {
    for await (const page of pages(client, access, method, call, undefined, signal)) {
      const message = page.find((candidate) => isOwn(candidate, own) && carries(candidate, marker));
      const messageId = message === undefined ? null : asId(message.ts);
      if (messageId !== null) return { messageId };
    }
  } catch (error) {
    // The thread is gone, and our message with it.
    if (!isKonstructError(error) || error.details.platformError !== 'thread_not_found') throw error;
    log.info('slack.thread_gone', { connectionId: access.connectionId });
  }
  return null;
}

async function* pages(
  client: SlackClient,
  access: ConnectionAccess,
  method: string,
  call: JsonRecord,
  maxWaitMs: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly JsonRecord[]> {
  let cursor = '';
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await client.call(
      access,
      {
        method,
        arguments: cursor === '' ? call : { ...call, cursor },
        idempotent: true,
        ...(maxWaitMs !== undefined && { maxWaitMs }),
      },
      signal,
    );
    yield asRecords(answer.messages);
    cursor = asText(asRecord(answer.response_metadata)?.next_cursor);
    if (answer.has_more === false || cursor === '') return;
  }
}

function parseThreadMessage(message: JsonRecord, own: OwnIds): ThreadMessage | null {
  const messageId = timestampId(message.ts);
  const senderId = asId(message.user) ?? asId(message.bot_id);
  if (messageId === null || senderId === null || message.subtype === 'tombstone') return null;
  const { text, mentions, attachments } = contentOf(message);
  const profile = asRecord(message.user_profile);
  const name =
    asText(profile?.display_name) || asText(profile?.real_name) || asText(message.username) || null;
  return {
    messageId,
    sender: { externalId: senderId, name },
    own: isOwn(message, own),
    deliveryId: isOwn(message, own) ? markerOf(message) : null,
    text,
    mentions,
    attachments,
    sentAtMs: timestampMs(messageId),
  };
}

function isOwn(message: JsonRecord, { userId, botId }: OwnIds): boolean {
  return message.user === userId || (botId !== null && message.bot_id === botId);
}

function carries(message: JsonRecord, { deliveryId }: DeliveryMarker): boolean {
  return markerOf(message) === deliveryId;
}

/** In the metadata; of a message with a file, which takes none, in the file's title. */
function markerOf(message: JsonRecord): string | null {
  const metadata = asRecord(message.metadata);
  if (metadata?.event_type === MARKER_EVENT_TYPE) return asId(asRecord(metadata.event_payload)?.delivery_id);
  for (const file of asRecords(message.files)) {
    const mark = readInvisibleMark(asText(file.title));
    if (mark !== null) return asId(mark);
  }
  return null;
}
