import type { Clock } from '../../core/clock.ts';
import { ExpiringTimes } from '../expiring-times.ts';
import type { Place } from './ids.ts';
import { isPrivate } from './ids.ts';

/** Keeps calls within Telegram's limits by saying how long each has to wait. Holds no timers. */
export interface Pacing {
  /**
   * Takes the next place for a new message, or for an edit of one.
   * @returns ms to wait, 0 if it may go at once; `null`, and no place is taken, if that is more than `maxWaitMs`
   */
  reserve(connectionId: string, place: Place, messageId: string | null, maxWaitMs: number): number | null;
  /** Telegram said so: nothing to this chat before `retryAfterMs` have passed. */
  hold(connectionId: string, place: Place, retryAfterMs: number): void;
  /** How long a chat is still on hold, in ms. */
  heldMs(connectionId: string, place: Place): number;
}

interface Rate {
  readonly intervalMs: number;
  /** Places that may be taken at once after a quiet time. */
  readonly burst: number;
}

/** "No more than one message per second" in a chat, "short bursts" tolerated. */
const PRIVATE: Rate = { intervalMs: 1_000, burst: 5 };
/** Not more than 20 a minute in a group: 10 at once and 10 in the minute after. */
const GROUP: Rate = { intervalMs: 6_000, burst: 10 };
/** "Not more than about 30 messages per second" of one bot. */
const BOT: Rate = { intervalMs: 1_000 / 30, burst: 30 };
/** The second place is for the answer itself: it does not wait for a glimpse of it that has just been shown. */
const EDITS_OF_ONE: Rate = { intervalMs: 1_000, burst: 2 };

/**
 * As Slack's (GCRA): per key the time at which its next place would be due if places were given out evenly.
 *
 * Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
 */
export function createPacing(clock: Clock): Pacing {
  const places = new ExpiringTimes();
  const holds = new ExpiringTimes();
  return {
    reserve(connectionId, place, messageId, maxWaitMs) {
      const now = clock();
      // Limits are the chat's, whatever the topic.
      const chat = `${connectionId} ${place.chatId}`;
      const wanted: (readonly [string, Rate])[] = [
        [connectionId, BOT],
        [chat, isPrivate(place) ? PRIVATE : GROUP],
      ];
      if (messageId !== null) wanted.push([`${chat} ${messageId}`, EDITS_OF_ONE]);
      const dueTimes = wanted.map(([key]) => Math.max(places.get(key) ?? now, now));
      const waitMs = Math.max(
        ...wanted.map(([, { intervalMs, burst }], index) =>
          Math.max(0, (dueTimes[index] ?? now) - now - (burst - 1) * intervalMs),
        ),
      );
      if (waitMs > maxWaitMs) return null;
      for (const [index, [key, { intervalMs }]] of wanted.entries()) {
        places.set(key, (dueTimes[index] ?? now) + intervalMs, now);
      }
      return waitMs;
    },
    hold(connectionId, { chatId }, retryAfterMs) {
      const now = clock();
      const key = `${connectionId} ${chatId}`;
      holds.set(key, Math.max(holds.get(key) ?? 0, now + retryAfterMs), now);
    },
    heldMs(connectionId, { chatId }) {
      if (holds.size === 0) return 0;
      return Math.max(0, (holds.get(`${connectionId} ${chatId}`) ?? 0) - clock());
    },
  };
}
