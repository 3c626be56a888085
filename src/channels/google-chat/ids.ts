/** Names of Chat's resources: `spaces/AAA`, `spaces/AAA/threads/BBB`, `spaces/AAA/messages/CCC.DDD`, `users/1`. */
const SPACE = /^spaces\/[\w-]{1,100}$/;
const THREAD = /^spaces\/[\w-]{1,100}\/threads\/([\w-]{1,100})$/;
const THREAD_ID = /^[\w-]{1,100}$/;
const MESSAGE = /^spaces\/[\w-]{1,100}\/messages\/([\w.-]{1,200})$/;
const USER = /^users\/[\w.@-]{1,200}$/;

/** The one thread of a group chat without threads: all of it is one conversation. */
export const WHOLE_CHAT = 'chat';

/** A space's name is our channel's id; `null`: it is none. */
export function asSpace(value: unknown): string | null {
  return typeof value === 'string' && SPACE.test(value) ? value : null;
}

/** The part of a thread's name that is its own. */
export function threadIdOf(name: unknown): string | null {
  return typeof name === 'string' ? (THREAD.exec(name)?.[1] ?? null) : null;
}

/** The name of the thread that a message of ours belongs into; `null`: it stands by itself, as in a direct message. */
export function threadNameOf(space: string, threadId: string | null): string | null {
  // Where there are no threads, what is answered is named: the id of a message, which has a point in it.
  const isThread = threadId !== null && threadId !== WHOLE_CHAT && THREAD_ID.test(threadId);
  return isThread ? `${space}/threads/${threadId}` : null;
}

/** The part of a message's name that is its own. */
export function messageIdOf(name: unknown): string | null {
  return typeof name === 'string' ? (MESSAGE.exec(name)?.[1] ?? null) : null;
}

export function asUser(value: unknown): string | null {
  return typeof value === 'string' && USER.test(value) ? value : null;
}
