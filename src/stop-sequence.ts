import type { Log } from './core/log.ts';

/** What a process does when it stops. */
export interface StopSequence {
  /** Done first and side by side: taking no more requests, and finishing or handing over turns. */
  readonly draining: (() => Promise<void>)[];
  /** Done then, the last first: what was opened later may need what was opened before. */
  readonly closing: (() => Promise<unknown> | unknown)[];
  /** What cannot be closed in order is logged and must not keep the rest open, or the process would not end. */
  run(): Promise<void>;
}

export function createStopSequence(log: Log): StopSequence {
  const draining: StopSequence['draining'] = [];
  const closing: StopSequence['closing'] = [];
  return {
    draining,
    closing,
    async run() {
      const drained = await Promise.allSettled(draining.splice(0).map((drain) => drain()));
      for (const result of drained) {
        if (result.status === 'rejected') log.warn('stop.incomplete', { error: result.reason });
      }
      for (const close of closing.splice(0).reverse()) {
        try {
          await close();
        } catch (error) {
          log.warn('stop.incomplete', { error });
        }
      }
    },
  };
}
