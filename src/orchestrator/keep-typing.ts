import type { Sleep } from '../core/clock.ts';
import type { Delivery } from '../core/delivery.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import { codeOf, turnIds } from './turn-outcome.ts';

/** Platforms show it for 5 to 25 seconds. A sign too many harms nobody; with one too few people think it is over. */
const EVERY_MS = 15_000;

/**
 * Shows people that the agent works for as long as it does, where no placeholder says so. Nice to have: nothing waits for
 * it, and it fails with a log line.
 */
export function keepTyping(options: {
  readonly turn: ClaimedTurn;
  readonly delivery: Pick<Delivery, 'typing'>;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly signal: AbortSignal;
}): { stop(): void } {
  const { turn, delivery, sleep, log } = options;
  const stopped = new AbortController();
  const signal = AbortSignal.any([options.signal, stopped.signal]);

  async function show(): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!(await delivery.typing(turn, signal))) return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn('typing.failed', { ...turnIds(turn), code: codeOf(error) });
        if (!isKonstructError(error) || !error.retryable) return;
      }
      await sleep(EVERY_MS, signal).catch(() => {}); // ended: the loop sees it
    }
  }

  void show();
  // With a reason of its own: the one that is made otherwise carries a stack, which costs more than all the rest here.
  return { stop: () => stopped.abort('ended') };
}
