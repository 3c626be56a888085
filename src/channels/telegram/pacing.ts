import type { Clock } from '../../core/clock.ts';
import { createRateLimits, type Rate, type RateLimit } from '../create-rate-limits.ts';
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

/** "No more than one message per second" in a chat, "short bursts" tolerated. */
const PRIVATE: Rate = { intervalMs: 1_000, burst: 5 };
/** Not more than 20 a minute in a group: 10 at once and 10 in the minute after. */
const GROUP: Rate = { intervalMs: 6_000, burst: 10 };
/** "Not more than about 30 messages per second" of one bot. */
const BOT: Rate = { intervalMs: 1_000 / 30, burst: 30 };
/** The second place is for the answer itself: it does not wait for a glimpse of it that has just been shown. */
const EDITS_OF_ONE: Rate = { intervalMs: 1_000, burst: 2 };

/** Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this */
export function createPacing(clock: Clock): Pacing {
  const limits = createRateLimits(clock);
  // Limits are the chat's, whatever the topic.
  const chatKey = (connectionId: string, { chatId }: Place): string => `${connectionId} ${chatId}`;
  return {
    reserve(connectionId, place, messageId, maxWaitMs) {
      const chat = chatKey(connectionId, place);
      const wanted: RateLimit[] = [
        [connectionId, BOT],
        [chat, isPrivate(place) ? PRIVATE : GROUP],
      ];
      if (messageId !== null) wanted.push([`${chat} ${messageId}`, EDITS_OF_ONE]);
      return limits.reserve(wanted, maxWaitMs);
    },
    hold: (connectionId, place, retryAfterMs) => limits.hold(chatKey(connectionId, place), retryAfterMs),
    heldMs: (connectionId, place) => limits.heldMs(chatKey(connectionId, place)),
  };
}
