import { createHash } from 'node:crypto';
import type { FilterEvent } from '../core/admission-filter.ts';
import type { Clock } from '../core/clock.ts';

/** Only saves database calls: what is forgotten is asked again. */
const MAX_AGE_MS = 60_000;
const MAX_THREADS = 20_000;

/**
 * Threads of which PostgreSQL has said that the agent takes no part in them, so that a busy thread among people costs
 * one call a minute and not one per message. PostgreSQL announces every conversation that begins; what was asked
 * before an announcement is not learnt after it. Whether a memory still holds, Redis says (decision 0007).
 */
export interface QuietThreads {
  /** Under which incarnation of Redis it was learnt; `null`: unknown. */
  find(thread: string): string | null;
  /** @param question what `ask` returned when PostgreSQL was about to be asked */
  learn(thread: string, incarnation: string, question: number): void;
  /** Names the moment of a question. */
  ask(): number;
  /** A conversation began in this thread; `null`: in any. */
  forget(thread: string | null): void;
}

export function createQuietThreads(clock: Clock): QuietThreads {
  const threads = new Map<string, { readonly incarnation: string; readonly untilMs: number }>();
  let announcements = 0;
  return {
    find(thread) {
      const known = threads.get(thread);
      if (known === undefined) return null;
      if (known.untilMs > clock()) return known.incarnation;
      threads.delete(thread);
      return null;
    },
    ask: () => announcements,
    learn(thread, incarnation, question) {
      if (question !== announcements) return;
      threads.delete(thread);
      threads.set(thread, { incarnation, untilMs: clock() + MAX_AGE_MS });
      if (threads.size > MAX_THREADS) threads.delete(threads.keys().next().value as string);
    },
    forget(thread) {
      announcements += 1;
      if (thread === null) threads.clear();
      else threads.delete(thread);
    },
  };
}

/** How PostgreSQL names a thread when it announces it (migrations/functions/admit_batch.sql). */
export function threadName({ connectionId, channelId, conversationThreadId }: FilterEvent): string {
  return createHash('md5').update(`${connectionId}/${channelId}/${conversationThreadId}`).digest('hex');
}
