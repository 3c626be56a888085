import type { Clock, Random, Sleep } from '../core/clock.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import { createRateLimits, type RateLimit } from './create-rate-limits.ts';
import type { PlatformErrors } from './platform-errors.ts';

export interface PacedCallsOptions {
  /** The channel's type, for metrics and log events. */
  readonly channel: string;
  readonly errors: PlatformErrors;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** For all waiting of one call: for its place and for the platform's Retry-After. */
  readonly maxWaitMs: number;
}

export interface PacedCall {
  readonly connectionId: string;
  readonly method: string;
  /** What it counts towards; none: it is not paced. */
  readonly limits: readonly RateLimit[];
  /** What waits when the platform says "slow down" to it. */
  readonly holdKey: string;
  /** Whether doing it twice is the same as doing it once: then an unknown outcome is tried again. */
  readonly idempotent: boolean;
  /** Asked right before each attempt, after all waiting. */
  readonly mayStillSend?: (() => boolean) | undefined;
}

/** Attempts after the first one that fails for a reason other than a limit. */
const MAX_RETRIES = 2;
const RETRY_BASE_MS = 250;
/** After a hold all who waited go on; spread over this time they do not run into the next one together. */
const SPREAD_MS = 250;

/** Makes calls of a platform: paced by its limits, retried where that is safe. */
export interface PacedCalls {
  /**
   * @param attempt makes the call once, with the project's errors
   * @throws KonstructError `platform_rate_limited`, `platform_unavailable`, `platform_rejected`, `aborted`, `lease_lost`
   */
  run<Result>(call: PacedCall, attempt: () => Promise<Result>, signal: AbortSignal): Promise<Result>;
}

export function createPacedCalls(options: PacedCallsOptions): PacedCalls {
  const { channel, errors, clock, random, sleep, log, maxWaitMs, metrics = noMetrics } = options;
  const limited = metrics.counter('konstruct_platform_rate_limited_total', { channel });
  const limits = createRateLimits(clock);

  const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
    if (ms <= 0) return;
    try {
      await sleep(ms, signal);
    } catch (cause) {
      throw signal.aborted ? new KonstructError('aborted', undefined, { cause }) : cause;
    }
  };

  const whenAllowed = async (call: PacedCall, untilMs: number, signal: AbortSignal): Promise<void> => {
    for (;;) {
      const heldMs = limits.heldMs(call.holdKey);
      if (heldMs === 0) return;
      if (clock() + heldMs > untilMs) throw errors.rateLimited(call.method, heldMs);
      await wait(heldMs + random() * SPREAD_MS, signal);
    }
  };

  return {
    async run(call, attempt, signal) {
      const { connectionId, method } = call;
      if (signal.aborted) throw new KonstructError('aborted');
      const untilMs = clock() + maxWaitMs;
      const placeMs = limits.reserve(call.limits, maxWaitMs);
      if (placeMs === null) throw errors.rateLimited(method, maxWaitMs);
      await wait(placeMs, signal);
      let retries = 0;
      for (;;) {
        await whenAllowed(call, untilMs, signal);
        if (call.mayStillSend?.() === false) throw new KonstructError('lease_lost');
        try {
          return await attempt();
        } catch (error) {
          if (isKonstructError(error, 'platform_rate_limited')) {
            const retryAfterMs = error.retryAfterMs ?? 0;
            limits.hold(call.holdKey, retryAfterMs);
            limited.increment();
            log.warn(`${channel}.rate_limited`, { connectionId, method, retryAfterMs });
            continue;
          }
          if (retries === MAX_RETRIES || !mayRetry(error, call)) throw error;
          retries += 1;
          const platformError = isKonstructError(error) ? error.details.platformError : null;
          log.warn(`${channel}.retry`, { connectionId, method, platformError, retries });
          await wait(RETRY_BASE_MS * 2 ** (retries - 1) * (0.5 + random()), signal);
        }
      }
    },
  };
}

function mayRetry(error: unknown, { idempotent }: PacedCall): boolean {
  if (!isKonstructError(error, 'platform_unavailable')) return false;
  return idempotent || error.details.outcomeUnknown !== true;
}
