/** Somebody who waits. */
export interface Waiting {
  /** What it takes of what comes; more than 0. */
  readonly cost: number;
}

export interface FairLines<W extends Waiting> {
  /** How many tenants wait. */
  size(): number;
  join(tenantId: string, waiter: W): void;
  /** It gives up; harmless when it does not wait. */
  leave(tenantId: string, waiter: W): void;
  /** So much came. */
  share(amount: number): void;
  /** Who goes next; `null`: nobody waits. */
  next(): W | null;
  /** How much has to come until another may go before that one; `Infinity`: nobody will. */
  untilOther(): number;
  /** The next one goes. */
  shift(): void;
  /** There is enough for everybody: who waited in vain is owed nothing any more. */
  forgive(): void;
  /** How many wait, all in all. */
  count(): number;
}

interface Line<W> {
  readonly waiters: W[];
  /** What a tenant that never stopped waiting had been given when the first of these began to be paid for. */
  from: number;
}

/** Tenants that gave up are remembered up to this many, the latest ones. */
const MAX_OWED = 1_000;
/** What calls took that passed those who wait is made up for with all but this part of what comes. */
const LEAST_SHARE = 0.1;

/**
 * Lines of those who wait for something that comes bit by bit, one line per tenant, after WF²Q (Bennett and Zhang, 1996).
 * What comes is divided in thought among the tenants that wait. A tenant whose last call is paid for may have its next one;
 * of those the one goes first whose call will be paid for first. So a small call passes a large one of another tenant, many
 * small ones take no more than a few large ones do, and nobody passes a call that its tenant's share has paid for.
 *
 * Who gives up is owed what it had waited for: a call that needs longer than it may wait would never go otherwise.
 */
export function createFairLines<W extends Waiting>(): FairLines<W> {
  const lines = new Map<string, Line<W>>();
  const owed = new Map<string, number>();
  /** What a tenant was given that never stopped waiting. */
  let given = 0;
  /** What tenants were given that went before their share had come, and wait no longer. */
  let advanced = 0;

  const first = (line: Line<W>): W => line.waiters[0] as W;
  const end = (line: Line<W>): number => line.from + first(line).cost;

  function nextLine(): readonly [string, Line<W>] | null {
    let least = Number.POSITIVE_INFINITY;
    for (const { from } of lines.values()) least = Math.min(least, from);
    if (lines.size > 0) given = Math.max(given, least); // where all have had their share what is there is free
    let next: readonly [string, Line<W>] | null = null;
    for (const entry of lines) {
      if (entry[1].from <= given && (next === null || end(entry[1]) < end(next[1]))) next = entry;
    }
    return next;
  }

  return {
    size: () => lines.size,
    join(tenantId, waiter) {
      const line = lines.get(tenantId);
      if (line !== undefined) {
        line.waiters.push(waiter);
        return;
      }
      lines.set(tenantId, { waiters: [waiter], from: given - (owed.get(tenantId) ?? 0) });
      owed.delete(tenantId);
    },
    leave(tenantId, waiter) {
      const line = lines.get(tenantId);
      const place = line?.waiters.indexOf(waiter) ?? -1;
      if (line === undefined || place < 0) return;
      line.waiters.splice(place, 1);
      if (line.waiters.length > 0) return;
      lines.delete(tenantId);
      if (given > line.from) owed.set(tenantId, given - line.from);
      const [oldest] = owed.keys();
      if (owed.size > MAX_OWED && oldest !== undefined) owed.delete(oldest);
    },
    share(amount) {
      if (lines.size === 0) return;
      const madeUp = Math.min(advanced, amount * (1 - LEAST_SHARE));
      advanced -= madeUp;
      given += (amount - madeUp) / lines.size;
    },
    next() {
      const found = nextLine();
      return found && first(found[1]);
    },
    untilOther() {
      const found = nextLine();
      let least = Number.POSITIVE_INFINITY;
      for (const line of lines.values()) {
        if (found !== null && line.from > given && end(line) < end(found[1])) {
          least = Math.min(least, line.from - given);
        }
      }
      return least * lines.size;
    },
    shift() {
      const found = nextLine();
      if (found === null) return;
      const [tenantId, line] = found;
      const paidAt = end(line);
      line.waiters.shift();
      lines.delete(tenantId);
      if (line.waiters.length > 0)
        lines.set(tenantId, { ...line, from: Math.max(given, paidAt) }); // behind the others
      else if (lines.size > 0) advanced += Math.max(0, paidAt - given);
      if (lines.size === 0) advanced = 0;
    },
    forgive: () => owed.clear(),
    count: () => [...lines.values()].reduce((sum, { waiters }) => sum + waiters.length, 0),
  };
}
