import { asId, asTimeMs, type JsonRecord } from '../read-json.ts';

/**
 * Where a message stands, as one id: the chat, and in a forum (or a private chat with topics) the topic after a slash,
 * because a topic is to people what a channel is elsewhere.
 */
export interface Place {
  readonly chatId: number;
  readonly topicId: number | null;
}

const CHANNEL_ID = /^(-?\d{1,16})(?:\/(\d{1,16}))?$/;

export function formatChannelId({ chatId, topicId }: Place): string {
  return topicId === null ? String(chatId) : `${chatId}/${topicId}`;
}

/** `null`: no id of ours. */
export function parseChannelId(channelId: string): Place | null {
  const [, chat, topic] = CHANNEL_ID.exec(channelId) ?? [];
  if (chat === undefined) return null;
  return { chatId: Number(chat), topicId: topic === undefined ? null : Number(topic) };
}

/** Private chats have the person's id, which is positive; groups and channels have negative ones. */
export function isPrivate({ chatId }: Place): boolean {
  return chatId > 0;
}

/** Ids are numbers of up to 52 bits. */
export function asInteger(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}

/** When it is by seconds since 1970, in ms; 0 if they are none. */
export function timeOf(seconds: unknown): number {
  return asTimeMs((asInteger(seconds) ?? 0) * 1000);
}

/** The pictures of an album come as messages of their own; to people they are one, so they have one id. */
export function messageIdOf(message: JsonRecord, number: number): string {
  const album = asId(message.media_group_id);
  return album === null ? String(number) : `album-${album}`;
}
