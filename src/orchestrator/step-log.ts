import { KonstructError } from '../core/errors.ts';
import type { Step } from '../core/turn.ts';

/** Writes the steps of one turn in the background: what can go on goes on meanwhile. */
export interface StepLog {
  /** Takes steps over for writing; what comes while a write is under way goes with the next one, together. */
  add(...steps: readonly Step[]): void;
  /**
   * Waits until all that was added is durable.
   * @throws KonstructError `lease_lost`, or what kept it from being written
   */
  flush(): Promise<void>;
}

/**
 * One write at a time, so that steps become durable in the order in which they were added: whoever takes the turn over
 * never finds a result without the call that it belongs to.
 *
 * @param write makes steps durable; `false`: the lease was lost
 * @param onFailure told once; nothing is written any more
 */
export function createStepLog(options: {
  readonly write: (steps: readonly Step[]) => Promise<boolean>;
  readonly onFailure: (error: unknown) => void;
}): StepLog {
  let waiting: Step[] = [];
  let writing: Promise<void> | null = null;
  let failure: { readonly error: unknown } | null = null;

  async function writeAll(): Promise<void> {
    try {
      while (waiting.length > 0) {
        const steps = waiting;
        waiting = [];
        if (!(await options.write(steps))) throw new KonstructError('lease_lost');
      }
    } catch (error) {
      failure = { error };
      options.onFailure(error);
    } finally {
      writing = null;
    }
  }

  return {
    add(...steps) {
      if (failure !== null || steps.length === 0) return;
      waiting.push(...steps);
      writing ??= writeAll();
    },
    async flush() {
      await writing;
      if (failure !== null) throw failure.error;
    },
  };
}
