import type { Sleep } from '../core/clock.ts';
import type { Delivery } from '../core/delivery.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import { codeOf, turnIds } from './turn-outcome.ts';

/** A turn that is over sooner has no status: it would come and go with two calls, beside a placeholder that stands there. */
const AFTER_MS = 1_000;

/**
 * Shows beside the placeholder that the agent works, from the second second on, and takes it away at the end, because an edit
 * of the placeholder does not. A message of ours does: so it is set again when a late placeholder arrives. Nice to have:
 * nothing waits for it, and it fails with a log line. What a killed process leaves ends by itself.
 */
export function keepStatus(options: {
  readonly turn: ClaimedTurn;
  readonly delivery: Pick<Delivery, 'status'>;
  /** Settles when it stands there or will not. */
  readonly placeholder: Promise<unknown>;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly signal: AbortSignal;
}): { stop(): void } {
  const { turn, delivery, sleep, log, signal } = options;
  const status = delivery.status(turn);
  if (status === null) return { stop() {} };
  const stopped = new AbortController();
  const arrived = new AbortController();
  const arrive = (): void => arrived.abort('arrived');
  void options.placeholder.then(arrive, arrive);

  const pause = (ms: number, ...early: readonly AbortSignal[]): Promise<void> =>
    sleep(ms, AbortSignal.any([signal, stopped.signal, ...early])).catch(() => {}); // ended: the loop sees it

  /** Resolves to whether it may be tried again. */
  async function set(isWorking: boolean): Promise<boolean> {
    try {
      await status?.set(isWorking, signal);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      log.warn('status.failed', { ...turnIds(turn), code: codeOf(error) });
      return isKonstructError(error) && error.retryable;
    }
  }

  async function show(lastsMs: number): Promise<void> {
    await pause(AFTER_MS);
    let isShown = false;
    while (!signal.aborted && !stopped.signal.aborted && delivery.status(turn) !== null) {
      const isLate = !arrived.signal.aborted;
      if (!(await set(true))) return;
      isShown = true;
      await (isLate ? pause(lastsMs, arrived.signal) : pause(lastsMs));
    }
    if (isShown && !signal.aborted) await set(false);
  }

  void show(status.lastsMs);
  return { stop: () => stopped.abort('ended') };
}
