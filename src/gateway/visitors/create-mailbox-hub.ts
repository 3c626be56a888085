import { applyGlimpse, type Glimpse } from '../../core/glimpse.ts';
import type { MailboxRef } from '../../core/mailbox.ts';

/** Who looks into a mailbox at the moment. */
export interface MailboxWatcher {
  /** Something in it has changed. */
  changed(): void;
  /** An answer goes on: what of it was there before, and what is now. */
  glimpsed(messageId: string, before: string, now: string): void;
}

/** Brings what the database announces to those who watch, and remembers answers that are being written while anybody does. */
export interface MailboxHub {
  watch(box: MailboxRef, watcher: MailboxWatcher): () => void;
  /** Answers that are being written, as far as they are known. */
  glimpsesOf(box: MailboxRef): ReadonlyMap<string, string>;
  /** The answer itself is there. */
  settle(box: MailboxRef, messageId: string): void;
  /** `null`: anything may have changed. */
  announceChange(payload: string | null): void;
  announceGlimpse(payload: string | null): void;
}

interface WatchedBox {
  readonly watchers: Set<MailboxWatcher>;
  readonly glimpses: Map<string, string>;
}

export function createMailboxHub(): MailboxHub {
  const boxes = new Map<string, WatchedBox>();
  /** As the database announces it. */
  const keyOf = ({ connectionId, channelId }: MailboxRef): string => `${connectionId} ${channelId}`;

  return {
    watch(box, watcher) {
      const key = keyOf(box);
      const watched = boxes.get(key) ?? { watchers: new Set(), glimpses: new Map() };
      boxes.set(key, watched);
      watched.watchers.add(watcher);
      return () => {
        watched.watchers.delete(watcher);
        if (watched.watchers.size === 0 && boxes.get(key) === watched) boxes.delete(key);
      };
    },
    glimpsesOf: (box) => boxes.get(keyOf(box))?.glimpses ?? new Map(),
    settle: (box, messageId) => void boxes.get(keyOf(box))?.glimpses.delete(messageId),

    announceChange(payload) {
      const changed = payload === null ? [...boxes.values()] : [boxes.get(payload)];
      for (const box of changed) for (const watcher of box?.watchers ?? []) watcher.changed();
    },

    announceGlimpse(payload) {
      if (payload === null) return; // what was missed comes again with the next whole one
      const { glimpse, ...ref } = JSON.parse(payload) as MailboxRef & { glimpse: Glimpse };
      const box = boxes.get(keyOf(ref));
      if (box === undefined) return;
      const { messageId } = glimpse;
      const before = box.glimpses.get(messageId) ?? '';
      const now = applyGlimpse(before, glimpse);
      if (now === null) return;
      box.glimpses.set(messageId, now);
      for (const watcher of box.watchers) watcher.glimpsed(messageId, before, now);
    },
  };
}
