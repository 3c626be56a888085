import type {
  ConnectionAccess,
  DeliveryMarker,
  PostedMessage,
  ThreadMessage,
  ThreadTarget,
} from '../../core/outbound.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { parseAttachments } from './attachments.ts';
import type { DiscordClient } from './client.ts';
import { readMark } from './delivery-mark.ts';
import { isRefusal, rejected } from './discord-error.ts';
import type { OwnUserId } from './identity.ts';
import { asSnowflake, authorOf, nameOf, snowflakeMs } from './ids.ts';
import { contentText } from './message-text.ts';
import { normaliseText } from './normalise-text.ts';
import { requireDestination } from './threads.ts';

export interface Reading {
  readonly client: DiscordClient;
  readonly ownUserId: OwnUserId;
}

export const PAGE = 100;
const MAX_PAGES = 5;
/** The first message of a thread that began with one: it only names that one. */
const THREAD_STARTER = 21;

/**
 * A page of a channel's messages, newest first.
 *
 * Source: https://discord.com/developers/docs/resources/message#get-channel-messages
 */
export async function readPage(
  client: DiscordClient,
  access: ConnectionAccess,
  channelId: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly JsonRecord[]> {
  const call = {
    name: 'get messages',
    method: 'GET',
    path: ['channels', channelId, 'messages'],
    query,
    idempotent: true,
  } as const;
  return asRecords(await client.call(access, call, signal));
}

/** Reads a thread, oldest first. `null`: there is none yet, or it is not for us to read. */
export async function fetchThread(
  { client, ownUserId }: Reading,
  access: ConnectionAccess,
  target: ThreadTarget,
  limit: number,
  signal: AbortSignal,
): Promise<readonly ThreadMessage[] | null> {
  const destination = requireDestination(target);
  if (destination.kind !== 'thread') return null;
  const self = await ownUserId(access, signal);
  const messages: JsonRecord[] = [];
  try {
    while (messages.length < limit) {
      const size = Math.min(PAGE, limit - messages.length);
      const before = asSnowflake(messages.at(-1)?.id);
      const query = { limit: String(size), ...(before !== null && { before }) };
      const page = await readPage(client, access, destination.threadId, query, signal);
      messages.push(...page);
      if (page.length < size) break;
    }
  } catch (error) {
    if (isRefusal(error, 'missing_access', 'missing_permissions', 'channel_not_found')) return null;
    throw error;
  }
  if (messages.length === 0) return null; // without the right to read back Discord shows nothing at all
  return messages.flatMap((message) => threadMessage(message, self, destination.threadId)).reverse();
}

function threadMessage(shown: JsonRecord, self: string, threadId: string): readonly ThreadMessage[] {
  const message = (shown.type === THREAD_STARTER ? asRecord(shown.referenced_message) : null) ?? shown;
  const messageId = asSnowflake(message.id);
  const author = authorOf(message);
  const senderId = asSnowflake(author?.id);
  if (messageId === null || senderId === null) return [];
  const own = senderId === self;
  const marked = readMark(asText(message.content));
  const { text, mentions } = normaliseText({ ...message, content: marked.text });
  const said = contentText(message, text);
  const attachments = parseAttachments(message, threadId);
  if (said === '' && attachments.length === 0) return [];
  return [
    {
      messageId,
      sender: { externalId: senderId, name: nameOf(author, asRecord(message.member)) },
      own,
      deliveryId: own ? (marked.deliveryId ?? markOfFile(message)) : null,
      text: said,
      mentions,
      attachments,
      sentAtMs: snowflakeMs(messageId),
    },
  ];
}

/**
 * Looks for a message of ours by its mark, back to when it was first tried.
 *
 * @throws KonstructError `platform_rejected`: we may not read back, so nobody knows
 */
export async function findByMarker(
  { client, ownUserId }: Reading,
  access: ConnectionAccess,
  target: ThreadTarget,
  { deliveryId, firstTriedAtMs }: DeliveryMarker,
  signal: AbortSignal,
): Promise<PostedMessage | null> {
  const destination = requireDestination(target);
  const self = await ownUserId(access, signal);
  switch (destination.kind) {
    case 'channel':
    case 'reply':
      return search(destination.channelId);
    case 'thread':
      return search(destination.threadId);
    case 'beginning': {
      const inThread = await search(destination.messageId).catch((error: unknown) => {
        if (isRefusal(error, 'channel_not_found')) return null; // it has not begun
        throw error;
      });
      return inThread ?? search(destination.channelId);
    }
    default:
      return destination satisfies never;
  }

  async function search(channelId: string): Promise<PostedMessage | null> {
    let before: string | null = null;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query: Record<string, string> = { limit: String(PAGE), ...(before !== null && { before }) };
      const messages = await readPage(client, access, channelId, query, signal);
      // What is answered, or where the thread began, stands there at least.
      if (messages.length === 0 && before === null) throw rejected('get messages', 'missing_read_history');
      for (const message of messages) {
        const messageId = asSnowflake(message.id);
        if (messageId === null || asSnowflake(authorOf(message)?.id) !== self) continue;
        const found = readMark(asText(message.content)).deliveryId ?? markOfFile(message);
        if (found === deliveryId) return { messageId };
      }
      before = asSnowflake(messages.at(-1)?.id);
      if (messages.length < PAGE || before === null) return null;
      if (firstTriedAtMs !== undefined && snowflakeMs(before) < firstTriedAtMs) return null;
    }
    return null;
  }
}

/** A file carries its mark in its description. */
function markOfFile(message: JsonRecord): string | null {
  for (const { description } of asRecords(message.attachments)) {
    const { deliveryId } = readMark(asText(description));
    if (deliveryId !== null) return deliveryId;
  }
  return null;
}
