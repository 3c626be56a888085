/**
 * Collects single calls into batches without a timer: a batch leaves on the next turn of the event loop while fewer
 * than `maxInFlight` are under way, so quiet traffic pays nothing and busy traffic shares round trips. (Measured: one
 * by one 600–1,700 admissions a second, batched 3,700–4,400; ARCHITECTURE.md, section 6.)
 *
 * A batch that fails for a reason of its own (`isShared` false: one bad item) is repeated item by item, so that one
 * caller's trouble is not everybody's.
 */
export interface BatcherOptions<Item, Result> {
  /** Handles all items at once; must return one result per item, in order. */
  readonly call: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly maxBatch: number;
  readonly maxInFlight: number;
  /** Whether an error concerns every item alike (database down) rather than one of them. */
  readonly isShared: (error: unknown) => boolean;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export function createBatcher<Item, Result>(
  options: BatcherOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  let waiting: Waiting<Item, Result>[] = [];
  let inFlight = 0;
  let scheduled = false;

  function schedule(): void {
    if (scheduled || waiting.length === 0 || inFlight >= options.maxInFlight) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      while (waiting.length > 0 && inFlight < options.maxInFlight) {
        const batch = waiting.slice(0, options.maxBatch);
        waiting = waiting.slice(options.maxBatch);
        inFlight += 1;
        void send(batch).finally(() => {
          inFlight -= 1;
          schedule();
        });
      }
    });
  }

  async function send(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await options.call(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      if (batch.length === 1 || options.isShared(error)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      for (const single of batch) await send([single]);
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      schedule();
    });
}
