import type { RenewCredentials } from '../../core/channel-definition.ts';
import type { Clock, Random, Sleep } from '../../core/clock.ts';
import { isKonstructError, KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type Metrics, noMetrics } from '../../core/metrics.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import type { JsonRecord } from '../read-json.ts';
import { withBotToken } from './bot-token.ts';
import { createPacing } from './pacing.ts';
import { rateLimited, rejected } from './slack-failure.ts';
import { createWebApi } from './web-api.ts';

export interface SlackClientOptions {
  /** Ends in `/api/`. */
  readonly apiUrl: string;
  readonly clock: Clock;
  readonly wallClock?: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly renewCredentials?: RenewCredentials;
  /** For one HTTP exchange. */
  readonly timeoutMs: number;
  /** For all waiting of one call: for its place in the channel and for Slack's Retry-After. */
  readonly maxWaitMs: number;
}

/** Calls Slack's Web API: paced, retried where that is safe, with the project's errors. */
export interface SlackClient {
  /**
   * @throws KonstructError `platform_rate_limited`, `platform_unavailable`, `platform_rejected`, `aborted`, `lease_lost`
   */
  call(access: ConnectionAccess, call: SlackCall, signal: AbortSignal): Promise<JsonRecord>;
  /** Runs what is no call of the Web API but wants a connection's token, see `withBotToken`. */
  withToken<T>(
    access: ConnectionAccess,
    name: string,
    signal: AbortSignal,
    work: (token: string) => Promise<T>,
  ): Promise<T>;
  close(): void;
}

interface SlackCall {
  readonly method: string;
  readonly arguments: JsonRecord;
  /** Whether doing it twice is the same as doing it once: then an unknown outcome is tried again. */
  readonly idempotent: boolean;
  /** Asked right before each attempt, after all waiting. */
  readonly mayStillSend?: (() => boolean) | undefined;
  /** Overrides the client's; 0: fail at once when Slack is limiting. */
  readonly maxWaitMs?: number;
}

/** Attempts after the first one that fails for a reason other than a limit. */
const MAX_RETRIES = 2;
const RETRY_BASE_MS = 250;
/** After a hold all who waited go on; spread over this time they do not run into the next one together. */
const SPREAD_MS = 250;

/** One for all connections: the token comes with each call and is not kept. */
export function createSlackClient(options: SlackClientOptions): SlackClient {
  const { apiUrl, clock, random, sleep, log, timeoutMs, metrics = noMetrics } = options;
  const limited = metrics.counter('konstruct_platform_rate_limited_total', { channel: 'slack' });
  const pacing = createPacing(clock);
  const tokens = { renew: options.renewCredentials, wallClock: options.wallClock ?? clock };
  const api = createWebApi({ apiUrl, timeoutMs });

  const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
    if (ms <= 0) return;
    try {
      await sleep(ms, signal);
    } catch (cause) {
      throw signal.aborted ? new KonstructError('aborted', undefined, { cause }) : cause;
    }
  };

  /** Waits for the place of a message in its channel and for the end of a hold. */
  const whenAllowed = async (
    access: ConnectionAccess,
    call: SlackCall,
    untilMs: number,
    signal: AbortSignal,
  ) => {
    for (;;) {
      const heldMs = pacing.heldMs(access.connectionId, call.method);
      if (heldMs === 0) return;
      if (clock() + heldMs > untilMs) throw rateLimited(call.method, heldMs);
      await wait(heldMs + random() * SPREAD_MS, signal);
    }
  };

  const takePlace = async (
    access: ConnectionAccess,
    call: SlackCall,
    maxWaitMs: number,
    signal: AbortSignal,
  ) => {
    const channelId = String(call.arguments.channel ?? call.arguments.channel_id);
    const placeMs =
      call.method === 'chat.postMessage' || call.method === 'files.completeUploadExternal'
        ? pacing.reservePost(access.connectionId, channelId, maxWaitMs)
        : call.method === 'chat.update'
          ? pacing.reserveEdit(access.connectionId, channelId, String(call.arguments.ts), maxWaitMs)
          : 0;
    if (placeMs === null) throw rateLimited(call.method, maxWaitMs);
    await wait(placeMs, signal);
  };

  return {
    async call(access, call, signal) {
      if (!access.credentials.botToken) throw rejected(call.method, 'not_authed');
      if (signal.aborted) throw new KonstructError('aborted');
      const maxWaitMs = call.maxWaitMs ?? options.maxWaitMs;
      const untilMs = clock() + maxWaitMs;
      await takePlace(access, call, maxWaitMs, signal);
      let retries = 0;
      for (;;) {
        await whenAllowed(access, call, untilMs, signal);
        if (call.mayStillSend?.() === false) throw new KonstructError('lease_lost');
        try {
          return await withBotToken(access, call.method, tokens, signal, (token) =>
            api.call(call.method, `Bearer ${token}`, call.arguments, signal),
          );
        } catch (error) {
          if (isKonstructError(error, 'platform_rate_limited')) {
            const retryAfterMs = error.retryAfterMs ?? 0;
            pacing.hold(access.connectionId, call.method, retryAfterMs);
            limited.increment();
            log.warn('slack.rate_limited', {
              connectionId: access.connectionId,
              method: call.method,
              retryAfterMs,
            });
            continue;
          }
          if (retries === MAX_RETRIES || !mayRetry(error, call)) throw error;
          retries += 1;
          log.warn('slack.retry', {
            connectionId: access.connectionId,
            method: call.method,
            platformError: isKonstructError(error) ? error.details.platformError : null,
            retries,
          });
          await wait(RETRY_BASE_MS * 2 ** (retries - 1) * (0.5 + random()), signal);
        }
      }
    },
    withToken: (access, name, signal, work) => withBotToken(access, name, tokens, signal, work),
    close: () => api.close(),
  };
}

function mayRetry(error: unknown, call: SlackCall): boolean {
  if (!isKonstructError(error, 'platform_unavailable')) return false;
  return call.idempotent || error.details.outcomeUnknown !== true;
}
