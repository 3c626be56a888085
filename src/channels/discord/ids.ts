import type { ThreadTarget } from '../../core/outbound.ts';
import { asRecord, asText, type JsonRecord } from '../read-json.ts';

const SNOWFLAKE = /^\d{15,20}$/;
/** The first second of 2015, from which Discord's ids count. Source: https://discord.com/developers/docs/reference#snowflakes */
const EPOCH_MS = 1_420_070_400_000;
const DIRECT = 'dm-';
/** A thread that begins (or has begun) with this message. */
const BEGINNING = 'new-';
/** A reply to this message, in the channel itself. */
const REPLY = 're-';

/** An id of Discord's, or `null`. */
export function asSnowflake(value: unknown): string | null {
  return typeof value === 'string' && SNOWFLAKE.test(value) ? value : null;
}

/** When an id was given out, in ms since 1970. */
export function snowflakeMs(id: string): number {
  return Number(BigInt(id) >> 22n) + EPOCH_MS;
}

/** The smallest id that can be given out at this time. */
export function snowflakeAt(ms: number): string {
  return String(BigInt(Math.max(0, Math.trunc(ms) - EPOCH_MS)) << 22n);
}

/** Where a message stands: in a direct conversation, in a channel, or in a thread of one. */
export interface Place {
  /** As in events: `dm-…` for a direct conversation, for a thread the channel that it belongs to. */
  readonly channelId: string;
  readonly threadId: string | null;
  readonly scope: 'direct' | 'channel';
  /** Whether a thread can begin with a message that stands here. */
  readonly beginsThreads: boolean;
}

export function directPlace(id: string): Place {
  return { channelId: DIRECT + id, threadId: null, scope: 'direct', beginsThreads: false };
}

/** Source: https://discord.com/developers/docs/resources/channel#channel-object-channel-types */
const TYPES = { text: 0, direct: 1, voice: 2, announcement: 5, threads: [10, 11, 12], stage: 13 } as const;

/** What kind of place a channel of Discord's is; `null`: one that the agent does not take part in. */
export function placeOf(channel: JsonRecord | null): Place | null {
  const id = asSnowflake(channel?.id);
  if (channel === null || id === null) return null;
  const { type } = channel;
  if (type === TYPES.direct) return directPlace(id);
  const isThread = TYPES.threads.some((each) => each === type);
  if (isThread) {
    const parentId = asSnowflake(channel.parent_id);
    return parentId === null
      ? null
      : { channelId: parentId, threadId: id, scope: 'channel', beginsThreads: false };
  }
  const beginsThreads = type === TYPES.text || type === TYPES.announcement;
  if (!beginsThreads && type !== TYPES.voice && type !== TYPES.stage) return null;
  return { channelId: id, threadId: null, scope: 'channel', beginsThreads };
}

/** Where the answer to a message stands that begins a conversation in a channel, as `ReplyChain.answerAt`. */
export function answerAt(messageId: string, beginsThread: boolean): string {
  return (beginsThread ? BEGINNING : REPLY) + messageId;
}

/** Where something goes, with Discord's own ids. */
export type Destination =
  | { readonly kind: 'channel'; readonly channelId: string }
  /** A thread that is there already. */
  | { readonly kind: 'thread'; readonly channelId: string; readonly threadId: string }
  | { readonly kind: 'beginning' | 'reply'; readonly channelId: string; readonly messageId: string };

/** `null`: no target of ours. */
export function destinationOf({ channelId, threadId }: ThreadTarget): Destination | null {
  if (channelId.startsWith(DIRECT)) {
    const id = asSnowflake(channelId.slice(DIRECT.length));
    return id === null ? null : { kind: 'channel', channelId: id };
  }
  const channel = asSnowflake(channelId);
  if (channel === null) return null;
  if (threadId === null || threadId === '') return { kind: 'channel', channelId: channel };
  const thread = asSnowflake(threadId);
  if (thread !== null) return { kind: 'thread', channelId: channel, threadId: thread };
  for (const [prefix, kind] of [
    [BEGINNING, 'beginning'],
    [REPLY, 'reply'],
  ] as const) {
    const messageId = threadId.startsWith(prefix) ? asSnowflake(threadId.slice(prefix.length)) : null;
    if (messageId !== null) return { kind, channelId: channel, messageId };
  }
  return null;
}

/** A user's name for people: in the server, else their own. */
export function nameOf(user: JsonRecord | null, member: JsonRecord | null = null): string | null {
  const names = [member?.nick, user?.global_name, user?.username].map(asText);
  return names.find((name) => name.trim() !== '') ?? null;
}

/** The author of a message as a record; webhooks have one too. */
export function authorOf(message: JsonRecord): JsonRecord | null {
  return asRecord(message.author);
}
