import { KonstructError } from '../../../src/core/errors.ts';
import type { Mailbox, MailboxPost, MailboxRef } from '../../../src/core/mailbox.ts';
import type { Operation, Trouble } from '../../contracts/channel-harness.ts';

/** Mailboxes that fail on demand, as the database does; test/pipeline/mailbox.test.ts holds the real ones to the same. */
export interface MemoryMailbox extends Mailbox {
  /** Gives a visitor a mailbox. */
  open(box: MailboxRef): void;
  /** The next call of this kind goes wrong. */
  hurt(operation: Operation, trouble: Trouble): void;
  standing(box: MailboxRef): ReadonlyMap<string, MailboxPost>;
}

export function createMemoryMailbox(): MemoryMailbox {
  const boxes = new Map<string, Map<string, MailboxPost>>();
  const troubles = new Map<Operation, Trouble>();
  const keyOf = ({ connectionId, channelId }: MailboxRef): string =>
    JSON.stringify([connectionId, channelId]);
  let lastId = 0;

  /** Does the work as the trouble has it: not at all, or without anybody hearing of it. */
  async function perform<Result>(operation: Operation, work: () => Result): Promise<Result> {
    const trouble = troubles.get(operation);
    troubles.delete(operation);
    if (trouble === 'limit')
      throw new KonstructError('platform_rate_limited', undefined, { retryAfterMs: 3_600_000 });
    if (trouble === 'error' || trouble === 'cut_before') throw new KonstructError('database_unavailable');
    const result = work();
    if (trouble === 'cut_after') throw new KonstructError('database_unavailable');
    if (trouble === 'silent_after') return new Promise(() => {});
    return result;
  }

  return {
    append: (box, message) =>
      perform('post', () => {
        const messages = boxes.get(keyOf(box));
        if (messages === undefined) return null;
        lastId += 1;
        messages.set(String(lastId), message);
        return { messageId: String(lastId) };
      }),
    change: (box, messageId, change) =>
      perform('edit', () => {
        const message = boxes.get(keyOf(box))?.get(messageId);
        if (message === undefined) return false;
        boxes.get(keyOf(box))?.set(messageId, { ...message, ...change });
        return true;
      }),
    remove: async (box, messageId) => boxes.get(keyOf(box))?.delete(messageId) ?? false,
    async find(box, marker) {
      const found = [...(boxes.get(keyOf(box)) ?? [])].findLast(([, message]) => message.marker === marker);
      return found === undefined ? null : { messageId: found[0] };
    },
    async glimpse() {},
    open: (box) => void boxes.set(keyOf(box), new Map()),
    hurt: (operation, trouble) => void troubles.set(operation, trouble),
    standing: (box) => boxes.get(keyOf(box)) ?? new Map(),
  };
}
