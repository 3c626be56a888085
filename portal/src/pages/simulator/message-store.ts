import type { ControlMessage, MessagesResponse } from '../../../../src/simulator/control-api.ts';

/** The messages of one channel that the page knows, by id. */
export type MessageStore = Readonly<Record<string, HeldMessage>>;

export interface HeldMessage {
  readonly message: ControlMessage;
  /** Shown as a mark, so that nobody wonders where it went. */
  readonly deleted: boolean;
  /** Number of the event that brought it, to tell what is newer than a page that was asked for earlier. */
  readonly step: number;
}

export interface LoadedPage {
  readonly page: MessagesResponse;
  /** The thread that was asked for; `null`: the channel's top level. */
  readonly threadId: string | null;
  /** What was asked for began before this message; `null`: at the newest. */
  readonly before: string | null;
  /** Number of the last event when the page was asked for. */
  readonly sinceStep: number;
}

export function holdMessage(store: MessageStore, message: ControlMessage, step: number): MessageStore {
  return { ...store, [message.messageId]: { message, deleted: false, step } };
}

export function markDeleted(store: MessageStore, messageId: string, step: number): MessageStore {
  const held = store[messageId];
  return held ? { ...store, [messageId]: { ...held, deleted: true, step } } : store;
}

/**
 * Takes in a page of messages. Events that arrived while it was on its way are newer than it and stay; what it
 * should hold and does not was deleted in the meantime.
 */
export function mergePage(store: MessageStore, loaded: LoadedPage): MessageStore {
  const { page, threadId, before, sinceStep } = loaded;
  const arrived = new Set(page.messages.map(({ messageId }) => messageId));
  const first = page.messages[0]?.messageId;
  // A thread goes with its root: of the top level, replies are known by the message they answer.
  const idOf = ({ message }: HeldMessage): string =>
    (threadId === null ? message.threadId : null) ?? message.messageId;
  const inRange = (held: HeldMessage): boolean =>
    (threadId === null || held.message.threadId === threadId) &&
    (before === null || idOf(held) < before) &&
    (!page.hasMore || (first !== undefined && idOf(held) >= first));
  const kept = Object.entries(store).filter(
    ([, held]) => held.step > sinceStep || held.deleted || arrived.has(idOf(held)) || !inRange(held),
  );
  const merged: Record<string, HeldMessage> = Object.fromEntries(kept);
  for (const message of page.messages) {
    const held = merged[message.messageId];
    if (!held || held.step <= sinceStep) {
      merged[message.messageId] = { message, deleted: false, step: sinceStep };
    }
  }
  return merged;
}

function isTopLevel({ threadId, messageId }: ControlMessage): boolean {
  return threadId === null || threadId === messageId;
}

/** Top-level messages that this person may see, oldest first. */
export function topLevelMessages(store: MessageStore, viewerId: string): readonly HeldMessage[] {
  return inOrder(store, ({ message }) => isTopLevel(message) && isVisibleTo(message, viewerId));
}

/** Replies of a thread that this person may see, without its root, oldest first. */
export function threadReplies(
  store: MessageStore,
  threadId: string,
  viewerId: string,
): readonly HeldMessage[] {
  return inOrder(
    store,
    ({ message }) => message.threadId === threadId && !isTopLevel(message) && isVisibleTo(message, viewerId),
  );
}

export function isVisibleTo({ visibleToUserId }: ControlMessage, viewerId: string): boolean {
  return visibleToUserId === null || visibleToUserId === viewerId;
}

function inOrder(store: MessageStore, wanted: (held: HeldMessage) => boolean): readonly HeldMessage[] {
  return (
    Object.values(store)
      .filter(wanted)
      // What only one person saw leaves no mark when it goes: that person took it away.
      .filter(({ message, deleted }) => !deleted || message.visibleToUserId === null)
      .sort((a, b) => (a.message.messageId < b.message.messageId ? -1 : 1))
  );
}
