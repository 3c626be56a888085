/**
 * Where an activity stands. Teams' conversation ids name the thread of a channel behind a semicolon
 * (`19:abc@thread.tacv2;messageid=1700000000000`); ours are the channel and the thread apart.
 */
export interface Place {
  readonly channelId: string;
  readonly threadId: string | null;
}

const CONVERSATION = /^([^;]{1,400})(?:;messageid=(\d{1,20}))?(?:;.*)?$/;
const CHANNEL = /^19:.*@thread\.(?:tacv2|skype)$/;
const MESSAGE = /^\d{1,20}$/;
/** Ids of conversations, people and messages: `a:` ids of personal chats have about 150 characters. */
const ID = /^[\x21-\x7e]{1,400}$/;

/** The one thread of a group chat, which has none: all of it is one conversation. */
export const WHOLE_CHAT = 'chat';

/** A chat between one person and the bot: those of several, and channels, are `…@thread.…`. */
export function isPersonal({ channelId }: Place): boolean {
  return !channelId.includes('@thread.');
}

/** An id of Teams', or `null`. */
export function asTeamsId(value: unknown): string | null {
  return typeof value === 'string' && ID.test(value) ? value : null;
}

/** `null`: no id of Teams'. */
export function parseConversationId(value: unknown): Place | null {
  const [, channelId, threadId = null] = CONVERSATION.exec(asTeamsId(value) ?? '') ?? [];
  return channelId === undefined ? null : { channelId, threadId };
}

/** Only the threads of channels are part of an id; in a chat what is answered is named, and is no thread. */
export function formatConversationId({ channelId, threadId }: Place): string {
  const isThread = threadId !== null && MESSAGE.test(threadId) && CHANNEL.test(channelId);
  return isThread ? `${channelId};messageid=${threadId}` : channelId;
}
