import type { Clock } from '../core/clock.ts';

/**
 * Platforms limit edits per installation too (Slack's `chat.update`: about 50 a minute), and the answers of all its turns
 * need them. So what is only nice to see takes a part of them, in bursts of five; what goes beyond is not shown.
 */
const CONNECTION_INTERVAL_MS = 3_000;
const CONNECTION_BURST = 5;

/** Whether a connection may take one more edit for what is only nice to have. */
export type TakeEdit = (connectionId: string) => boolean;

export function createTakeEdit(clock: Clock): TakeEdit {
  // One entry per connection that ever showed its work: the number of connections bounds it.
  const dueAtMs = new Map<string, number>();
  return (connectionId) => {
    const nowMs = clock();
    const due = Math.max(dueAtMs.get(connectionId) ?? 0, nowMs);
    if (due - nowMs > (CONNECTION_BURST - 1) * CONNECTION_INTERVAL_MS) return false;
    dueAtMs.set(connectionId, due + CONNECTION_INTERVAL_MS);
    return true;
  };
}
