import type { Clock } from '../../core/clock.ts';
import { ExpiringTimes } from '../expiring-times.ts';

/** Keeps calls within WhatsApp's limits by saying how long each has to wait. Holds no timers. */
export interface Pacing {
  /**
   * Takes the next place for a message to a person.
   * @returns ms to wait, 0 if it may go at once; `null`, and no place is taken, if that is more than `maxWaitMs`
   */
  reserve(connectionId: string, personId: string, maxWaitMs: number): number | null;
  /** WhatsApp said so: nothing to this person, or `null`: to nobody, before `retryAfterMs` have passed. */
  hold(connectionId: string, personId: string | null, retryAfterMs: number): void;
  /** How long a person's chat is still on hold, in ms. */
  heldMs(connectionId: string, personId: string): number;
}

interface Rate {
  readonly intervalMs: number;
  /** Places that may be taken at once after a quiet time. */
  readonly burst: number;
}

/** "80 messages per second" of one number, what comes in included: half of it is left for that. */
const NUMBER: Rate = { intervalMs: 1_000 / 40, burst: 40 };
/** One message to the same person every 6 seconds; WhatsApp tolerates bursts of 45, of which this is less than half. */
const PAIR: Rate = { intervalMs: 6_000, burst: 20 };

/**
 * As Slack's (GCRA): per key the time at which its next place would be due if places were given out evenly.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput
 */
export function createPacing(clock: Clock): Pacing {
  const places = new ExpiringTimes();
  const holds = new ExpiringTimes();
  const heldUntil = (key: string): number => holds.get(key) ?? 0;
  return {
    reserve(connectionId, personId, maxWaitMs) {
      const now = clock();
      const number = dueOf(places, connectionId, NUMBER, now);
      const pair = dueOf(places, `${connectionId} ${personId}`, PAIR, now);
      const waitMs = Math.max(number.waitMs, pair.waitMs);
      if (waitMs > maxWaitMs) return null;
      for (const { key, nextDueMs } of [number, pair]) places.set(key, nextDueMs, now);
      return waitMs;
    },
    hold(connectionId, personId, retryAfterMs) {
      const now = clock();
      const key = personId === null ? connectionId : `${connectionId} ${personId}`;
      holds.set(key, Math.max(heldUntil(key), now + retryAfterMs), now);
    },
    heldMs(connectionId, personId) {
      if (holds.size === 0) return 0;
      return Math.max(
        0,
        heldUntil(connectionId) - clock(),
        heldUntil(`${connectionId} ${personId}`) - clock(),
      );
    },
  };
}

function dueOf(places: ExpiringTimes, key: string, { intervalMs, burst }: Rate, now: number) {
  const dueMs = Math.max(places.get(key) ?? now, now);
  return { key, waitMs: Math.max(0, dueMs - now - (burst - 1) * intervalMs), nextDueMs: dueMs + intervalMs };
}
