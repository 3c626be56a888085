import type { Clock } from '../../core/clock.ts';
import { ExpiringTimes } from '../expiring-times.ts';

/** Keeps calls within Slack's limits by saying how long each has to wait. Holds no timers. */
export interface Pacing {
  /**
   * Takes the next place for a new message in a channel.
   * @returns ms to wait, 0 if it may go at once; `null`, and no place is taken, if that is more than `maxWaitMs`
   */
  reservePost(connectionId: string, channelId: string, maxWaitMs: number): number | null;
  /** Takes the next place for an edit of one message; as `reservePost`. */
  reserveEdit(connectionId: string, channelId: string, messageId: string, maxWaitMs: number): number | null;
  /** Slack said so: no call of this method for this connection before `retryAfterMs` have passed. */
  hold(connectionId: string, method: string, retryAfterMs: number): void;
  /** How long a method is still on hold, in ms. */
  heldMs(connectionId: string, method: string): number;
}

interface Rate {
  readonly intervalMs: number;
  /** Places that may be taken at once after a quiet time. */
  readonly burst: number;
}

/** "No more than one message per second per channel", with bursts tolerated. */
const POSTS: Rate = { intervalMs: 1000, burst: 10 };
/**
 * `chat.update` of one message about once a second; the second place is for the answer itself, which does not wait for a
 * glimpse of it that has just been shown.
 */
const EDITS: Rate = { intervalMs: 1000, burst: 2 };

/**
 * Token buckets in their shortest form: per key one number, the time at which its next place would be due if places
 * were given out evenly (GCRA). A quiet key costs a look-up, an idle one nothing: its number lies in the past.
 *
 * Source: https://docs.slack.dev/apis/web-api/rate-limits
 */
export function createPacing(clock: Clock): Pacing {
  const posts = new ExpiringTimes();
  const edits = new ExpiringTimes();
  const holds = new ExpiringTimes();

  const reserve = (times: ExpiringTimes, key: string, rate: Rate, maxWaitMs: number): number | null => {
    const now = clock();
    const due = Math.max(times.get(key) ?? now, now);
    const waitMs = Math.max(0, due - now - (rate.burst - 1) * rate.intervalMs);
    if (waitMs > maxWaitMs) return null;
    times.set(key, due + rate.intervalMs, now);
    return waitMs;
  };

  return {
    reservePost: (connectionId, channelId, maxWaitMs) =>
      reserve(posts, `${connectionId} ${channelId}`, POSTS, maxWaitMs),
    reserveEdit: (connectionId, channelId, messageId, maxWaitMs) =>
      reserve(edits, `${connectionId} ${channelId} ${messageId}`, EDITS, maxWaitMs),
    hold(connectionId, method, retryAfterMs) {
      const now = clock();
      const key = `${connectionId} ${method}`;
      holds.set(key, Math.max(holds.get(key) ?? 0, now + retryAfterMs), now);
    },
    heldMs(connectionId, method) {
      if (holds.size === 0) return 0;
      return Math.max(0, (holds.get(`${connectionId} ${method}`) ?? 0) - clock());
    },
  };
}
