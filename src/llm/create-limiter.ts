import type { Clock } from '../core/clock.ts';
import type { ProviderLimits, ProviderName } from '../core/model.ts';

export interface LimitedCall {
  readonly provider: ProviderName;
  readonly tenantId: string;
  /** What it will probably use, in tokens. */
  readonly tokens: number;
  readonly signal: AbortSignal;
  /** How long it may wait, in ms. */
  readonly waitMs: number;
}

/** Leave to make a call; given back when it is over. */
export interface Slot {
  /** @param tokens what it used in truth; `null`: as was thought */
  release(tokens: number | null): void;
}

export interface LimiterSnapshot {
  readonly provider: ProviderName;
  readonly running: number;
  readonly waiting: number;
}

export interface Limiter {
  /** `null`: the time ran out, or the signal ended the wait. */
  acquire(call: LimitedCall): Promise<Slot | null> | Slot;
  snapshot(): readonly LimiterSnapshot[];
}

const freePass: Slot = { release: () => undefined };
const MINUTE_MS = 60_000;

/**
 * Keeps this process within what a provider lets it do: calls at a time and tokens a minute. Who has to wait waits in a
 * line of the tenant's own, and the tenants take turns: one tenant's burst delays the others by one call.
 *
 * @param limitsOf asked with every call, so that a change needs no restart
 */
export function createLimiter(
  limitsOf: (provider: ProviderName) => ProviderLimits | undefined,
  clock: Clock,
): Limiter {
  const gates = new Map<ProviderName, ReturnType<typeof createGate>>();
  return {
    acquire(call) {
      const limits = limitsOf(call.provider);
      if (limits === undefined) return freePass;
      let gate = gates.get(call.provider);
      if (gate === undefined) {
        gate = createGate(() => limitsOf(call.provider) ?? {}, clock);
        gates.set(call.provider, gate);
      }
      return gate.acquire(call);
    },
    snapshot: () => [...gates].map(([provider, gate]) => ({ provider, ...gate.counts() })),
  };
}

interface Waiter {
  readonly tokens: number;
  readonly admit: (slot: Slot) => void;
}

function createGate(limits: () => ProviderLimits, clock: Clock) {
  /** Waiting calls by tenant; the tenant whose turn it is comes first. */
  const lines = new Map<string, Waiter[]>();
  let running = 0;
  let filledAtMs = clock();
  let tokens = limits().tokensPerMinute ?? 0;
  let timer: NodeJS.Timeout | null = null;

  function refill(): void {
    const perMinute = limits().tokensPerMinute ?? 0;
    const nowMs = clock();
    tokens = Math.min(perMinute, tokens + ((nowMs - filledAtMs) * perMinute) / MINUTE_MS);
    filledAtMs = nowMs;
  }

  /** How long until a call of this size may go, in ms; `null`: only when another is over. */
  function delay(wanted: number): number | null {
    const { concurrency, tokensPerMinute } = limits();
    if (concurrency !== undefined && running >= concurrency) return null;
    if (tokensPerMinute === undefined) return 0;
    refill();
    const missing = Math.min(wanted, tokensPerMinute) - tokens; // a call larger than the bucket goes when it is full
    return missing <= 0 ? 0 : Math.ceil((missing * MINUTE_MS) / tokensPerMinute);
  }

  function take(wanted: number): Slot {
    running += 1;
    tokens -= wanted;
    let isHeld = true;
    return {
      release(used) {
        if (!isHeld) return;
        isHeld = false;
        running -= 1;
        if (used !== null) tokens += wanted - used;
        admitNext();
      },
    };
  }

  function admitNext(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    for (;;) {
      const [first] = lines;
      if (first === undefined) return;
      const [tenantId, line] = first;
      const [waiter] = line;
      if (waiter === undefined) {
        lines.delete(tenantId);
        continue;
      }
      const delayMs = delay(waiter.tokens);
      if (delayMs === null) return;
      if (delayMs > 0) {
        timer = setTimeout(admitNext, delayMs);
        return;
      }
      line.shift();
      lines.delete(tenantId);
      if (line.length > 0) lines.set(tenantId, line); // behind the others
      waiter.admit(take(waiter.tokens));
    }
  }

  function acquire({ tenantId, tokens: wanted, signal, waitMs }: LimitedCall): Promise<Slot | null> | Slot {
    if (signal.aborted) return Promise.resolve(null); // it would never tell the line
    if (lines.size === 0 && delay(wanted) === 0) return take(wanted);
    return new Promise((resolve) => {
      const leave = (slot: Slot | null) => {
        clearTimeout(deadline);
        signal.removeEventListener('abort', giveUp);
        resolve(slot);
      };
      const waiter: Waiter = { tokens: wanted, admit: leave };
      const giveUp = () => {
        const line = lines.get(tenantId);
        line?.splice(line.indexOf(waiter), 1);
        leave(null);
        admitNext(); // behind a large call smaller ones may have waited
      };
      const deadline = setTimeout(giveUp, waitMs);
      signal.addEventListener('abort', giveUp, { once: true });
      const line = lines.get(tenantId);
      if (line === undefined) lines.set(tenantId, [waiter]);
      else line.push(waiter);
      admitNext();
    });
  }

  return {
    acquire,
    counts: () => ({
      running,
      waiting: [...lines.values()].reduce((sum, line) => sum + line.length, 0),
    }),
  };
}
