import type { Clock, Random, Sleep } from '../core/clock.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import type { PlatformErrors } from './platform-errors.ts';

export interface PacedCallsOptions {
  /** In log lines and metrics: `telegram`. */
  readonly channel: string;
  readonly errors: PlatformErrors;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** For all waiting of one call: for its place and for the platform's limits. */
  readonly maxWaitMs: number;
}

export interface PacedCall<Answer> {
  readonly connectionId: string;
  /** What it is for, in errors and log lines: no part of it is a secret. */
  readonly name: string;
  /** Whether doing it twice is the same as doing it once: then an unknown outcome is tried again. */
  readonly idempotent: boolean;
  /** The limits it has to keep; `null`: none that are ours to keep. */
  readonly pace: Pace | null;
  /** Asked right before each attempt, after all waiting. */
  readonly mayStillSend?: (() => boolean) | undefined;
  attempt(signal: AbortSignal): Promise<Answer>;
}

export interface Pace {
  /** Takes the next place. Returns ms to wait; `null`, and no place is taken, if that is more than `maxWaitMs`. */
  reserve(maxWaitMs: number): number | null;
  /** How long the platform still wants to be left alone there, in ms. */
  heldMs(): number;
  /** The platform said so. */
  hold(limit: KonstructError): void;
}

/**
 * Makes calls within a platform's limits, and again where that is safe.
 * @throws KonstructError what the attempt throws; `platform_rate_limited`, `aborted`, `lease_lost`
 */
export type PacedCalls = <Answer>(call: PacedCall<Answer>, signal: AbortSignal) => Promise<Answer>;

/** Attempts after the first one that fails for a reason other than a limit. */
const MAX_RETRIES = 2;
const RETRY_BASE_MS = 250;
/** After a hold all who waited go on; spread over this time they do not run into the next one together. */
const SPREAD_MS = 250;

export function createPacedCalls(options: PacedCallsOptions): PacedCalls {
  const { channel, errors, clock, random, sleep, log, metrics = noMetrics, maxWaitMs } = options;
  const limited = metrics.counter('konstruct_platform_rate_limited_total', { channel });

  const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
    if (ms <= 0) return;
    try {
      await sleep(ms, signal);
    } catch (cause) {
      throw signal.aborted ? new KonstructError('aborted', undefined, { cause }) : cause;
    }
  };

  const whenAllowed = async (
    name: string,
    pace: Pace | null,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<void> => {
    while (pace !== null) {
      const heldMs = pace.heldMs();
      if (heldMs === 0) return;
      if (clock() + heldMs > untilMs) throw errors.rateLimited(name, heldMs);
      await wait(heldMs + random() * SPREAD_MS, signal);
    }
  };

  return async ({ connectionId, name, idempotent, pace, mayStillSend, attempt }, signal) => {
    if (signal.aborted) throw new KonstructError('aborted');
    const untilMs = clock() + maxWaitMs;
    if (pace !== null) {
      const placeMs = pace.reserve(maxWaitMs);
      if (placeMs === null) throw errors.rateLimited(name, maxWaitMs);
      await wait(placeMs, signal);
    }
    let retries = 0;
    for (;;) {
      await whenAllowed(name, pace, untilMs, signal);
      if (mayStillSend?.() === false) throw new KonstructError('lease_lost');
      try {
        return await attempt(signal);
      } catch (error) {
        if (isKonstructError(error, 'platform_rate_limited') && pace !== null) {
          pace.hold(error);
          limited.increment();
          const { retryAfterMs } = error;
          log.warn(`${channel}.rate_limited`, { connectionId, method: name, retryAfterMs });
          continue;
        }
        if (retries === MAX_RETRIES || !mayRetry(error, idempotent)) throw error;
        retries += 1;
        const platformError = isKonstructError(error) ? error.details.platformError : null;
        log.warn(`${channel}.retry`, { connectionId, method: name, platformError, retries });
        await wait(RETRY_BASE_MS * 2 ** (retries - 1) * (0.5 + random()), signal);
      }
    }
  };
}

function mayRetry(error: unknown, idempotent: boolean): boolean {
  if (!isKonstructError(error, 'platform_unavailable')) return false;
  return idempotent || error.details.outcomeUnknown !== true;
}
