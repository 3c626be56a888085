import type { Clock } from '../core/clock.ts';
import type { ProviderLimits, ProviderName } from '../core/model.ts';
import { createFairLines } from './create-fair-lines.ts';
import { createTokenBucket } from './create-token-bucket.ts';

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
/** `setTimeout` takes no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Keeps this process within what a provider lets it do: calls at a time and tokens a minute. Who has to wait waits in a
 * line of the tenant's own (`createFairLines`). Tenants share tokens by tokens, and where only the number of calls is
 * limited they take turns: one tenant's burst delays the others by one call.
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
  readonly cost: number;
  readonly tokens: number;
  readonly admit: (slot: Slot) => void;
}

function createGate(limits: () => ProviderLimits, clock: Clock) {
  const lines = createFairLines<Waiter>();
  const bucket = createTokenBucket(() => limits().tokensPerMinute ?? 0, clock);
  let running = 0;
  let timer: NodeJS.Timeout | null = null;

  /** How long until a call of this size may go, in ms; `null`: only when another is over. */
  function delayMs(wanted: number): number | null {
    const { concurrency, tokensPerMinute } = limits();
    if (concurrency !== undefined && running >= concurrency) return null;
    return tokensPerMinute === undefined ? 0 : bucket.delayMs(wanted);
  }

  function refill(): void {
    if (limits().tokensPerMinute === undefined) return;
    lines.share(bucket.refill());
    if (bucket.isFull()) lines.forgive();
  }

  function take(wanted: number): Slot {
    running += 1;
    const putRight = limits().tokensPerMinute === undefined ? null : bucket.take(wanted);
    let isHeld = true;
    return {
      release(used) {
        if (!isHeld) return;
        isHeld = false;
        running -= 1;
        putRight?.(used);
        if (lines.size() > 0) admitNext();
      },
    };
  }

  function admitNext(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    refill();
    for (;;) {
      const next = lines.next();
      if (next === null) return;
      const waitMs = delayMs(next.tokens);
      if (waitMs === null) return;
      if (waitMs > 0) {
        timer = setTimeout(admitNext, Math.min(waitMs, bucket.fillMs(lines.untilOther())));
        return;
      }
      lines.shift();
      next.admit(take(next.tokens));
    }
  }

  function acquire({ tenantId, tokens, signal, waitMs }: LimitedCall): Promise<Slot | null> | Slot {
    if (signal.aborted) return Promise.resolve(null); // it would never tell the line
    refill();
    if (lines.size() === 0 && delayMs(tokens) === 0) return take(tokens);
    return new Promise((resolve) => {
      const leave = (slot: Slot | null) => {
        clearTimeout(deadline);
        signal.removeEventListener('abort', giveUp);
        resolve(slot);
      };
      const { tokensPerMinute } = limits();
      const cost = tokensPerMinute === undefined ? 1 : Math.max(1, Math.min(tokens, tokensPerMinute));
      const waiter: Waiter = { cost, tokens, admit: leave };
      const giveUp = () => {
        refill();
        lines.leave(tenantId, waiter);
        leave(null);
        admitNext(); // behind a large call smaller ones may have waited
      };
      const deadline = setTimeout(giveUp, Math.min(waitMs, MAX_TIMER_MS));
      signal.addEventListener('abort', giveUp, { once: true });
      lines.join(tenantId, waiter);
      admitNext();
    });
  }

  return { acquire, counts: () => ({ running, waiting: lines.count() }) };
}
