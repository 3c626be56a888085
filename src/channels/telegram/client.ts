import type { Clock, Random, Sleep } from '../../core/clock.ts';
import { isKonstructError, KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type Metrics, noMetrics } from '../../core/metrics.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { createKeptAliveHttp, type HttpAnswer } from '../kept-alive-http.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';
import type { Place } from './ids.ts';
import { createPacing } from './pacing.ts';
import { errorOfAnswer, errorOfTransport, rateLimited, rejected, unavailable } from './telegram-error.ts';

export interface TelegramClientOptions {
  /** Without a slash at its end: `https://api.telegram.org`. */
  readonly apiUrl: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** For one HTTP exchange. */
  readonly timeoutMs: number;
  /** For all waiting of one call: for its place in the chat and for Telegram's retry_after. */
  readonly maxWaitMs: number;
}

/** Calls the Bot API: paced, retried where that is safe, with the project's errors. */
export interface TelegramClient {
  /**
   * @returns the `result` of the answer
   * @throws KonstructError `platform_rate_limited`, `platform_unavailable`, `platform_rejected`, `aborted`, `lease_lost`
   */
  call(access: ConnectionAccess, call: TelegramCall, signal: AbortSignal): Promise<unknown>;
  /**
   * Fetches a file from where `getFile` says that it is.
   * @throws KonstructError as above
   */
  download(
    access: ConnectionAccess,
    filePath: string,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<Pick<HttpAnswer, 'bytes' | 'isCut'>>;
  close(): void;
}

export interface TelegramCall {
  readonly method: string;
  readonly arguments: JsonRecord;
  /** In place of the arguments: a form with a file. */
  readonly form?: { readonly contentType: string; readonly content: Uint8Array };
  /** Whether doing it twice is the same as doing it once: then an unknown outcome is tried again. */
  readonly idempotent: boolean;
  /** Where it shows; `null`: nowhere, so it is not paced. */
  readonly place: Place | null;
  /** The message it changes. */
  readonly messageId?: string;
  /** Asked right before each attempt, after all waiting. */
  readonly mayStillSend?: (() => boolean) | undefined;
  /** Overrides the client's, for calls that wait on purpose. */
  readonly timeoutMs?: number;
}

/** Attempts after the first one that fails for a reason other than a limit. */
const MAX_RETRIES = 2;
const RETRY_BASE_MS = 250;
/** After a hold all who waited go on; spread over this time they do not run into the next one together. */
const SPREAD_MS = 250;
const FILE_PATH = /^[\w-][\w./-]{0,500}$/;
/** For 50 MB. */
export const FILE_TIMEOUT_MS = 60_000;
const TOKEN = /^\d{1,16}:[A-Za-z0-9_-]{1,200}$/;

/** The token comes with each call, as the Bot API has it in the path, and is not kept. */
export function createTelegramClient(options: TelegramClientOptions): TelegramClient {
  const { apiUrl, clock, random, sleep, log, metrics = noMetrics } = options;
  const limited = metrics.counter('konstruct_platform_rate_limited_total', { channel: 'telegram' });
  const pacing = createPacing(clock);
  const http = createKeptAliveHttp();

  const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
    if (ms <= 0) return;
    try {
      await sleep(ms, signal);
    } catch (cause) {
      throw signal.aborted ? new KonstructError('aborted', undefined, { cause }) : cause;
    }
  };

  const whenAllowed = async (
    access: ConnectionAccess,
    { method, place }: TelegramCall,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<void> => {
    while (place !== null) {
      const heldMs = pacing.heldMs(access.connectionId, place);
      if (heldMs === 0) return;
      if (clock() + heldMs > untilMs) throw rateLimited(method, heldMs);
      await wait(heldMs + random() * SPREAD_MS, signal);
    }
  };

  const attempt = async (token: string, call: TelegramCall, signal: AbortSignal): Promise<unknown> => {
    const { method } = call;
    const body = call.form?.content ?? JSON.stringify(call.arguments);
    const answer = await http
      .exchange({
        base: apiUrl,
        path: `/bot${token}/${method}`,
        method: 'POST',
        headers: {
          'content-type': call.form?.contentType ?? 'application/json',
          'content-length': String(Buffer.byteLength(body)),
        },
        body,
        timeoutMs: call.timeoutMs ?? options.timeoutMs,
        signal,
      })
      .catch((error: unknown) => {
        throw errorOfTransport(error, method);
      });
    const parsed = parseAnswer(answer.text);
    // A proxy's page and not a word of Telegram's.
    if (parsed === null) throw unavailable(method, `http_${answer.status}`, true);
    if (parsed.ok === true) return parsed.result;
    throw errorOfAnswer(parsed, answer.status, method);
  };

  return {
    async call(access, call, signal) {
      const { method, place } = call;
      const token = access.credentials.botToken ?? '';
      if (!TOKEN.test(token)) throw rejected(method, 'unauthorized');
      if (signal.aborted) throw new KonstructError('aborted');
      const untilMs = clock() + options.maxWaitMs;
      if (place !== null) {
        const placeMs = pacing.reserve(access.connectionId, place, call.messageId ?? null, options.maxWaitMs);
        if (placeMs === null) throw rateLimited(method, options.maxWaitMs);
        await wait(placeMs, signal);
      }
      let retries = 0;
      for (;;) {
        await whenAllowed(access, call, untilMs, signal);
        if (call.mayStillSend?.() === false) throw new KonstructError('lease_lost');
        try {
          return await attempt(token, call, signal);
        } catch (error) {
          if (isKonstructError(error, 'platform_rate_limited') && place !== null) {
            const retryAfterMs = error.retryAfterMs ?? 0;
            pacing.hold(access.connectionId, place, retryAfterMs);
            limited.increment();
            log.warn('telegram.rate_limited', { connectionId: access.connectionId, method, retryAfterMs });
            continue;
          }
          if (retries === MAX_RETRIES || !mayRetry(error, call)) throw error;
          retries += 1;
          const platformError = isKonstructError(error) ? error.details.platformError : null;
          log.warn('telegram.retry', { connectionId: access.connectionId, method, platformError, retries });
          await wait(RETRY_BASE_MS * 2 ** (retries - 1) * (0.5 + random()), signal);
        }
      }
    },
    async download(access, filePath, maxBytes, signal) {
      const method = 'file';
      const token = access.credentials.botToken ?? '';
      if (!TOKEN.test(token)) throw rejected(method, 'unauthorized');
      // A Bot API server of one's own may name a path of its disk: that is nowhere to be fetched.
      if (!FILE_PATH.test(filePath) || filePath.includes('..')) throw rejected(method, 'file_path_unknown');
      const answer = await http
        .exchange({
          base: apiUrl,
          path: `/file/bot${token}/${filePath}`,
          method: 'GET',
          headers: {},
          body: '',
          maxBytes,
          timeoutMs: Math.max(options.timeoutMs, FILE_TIMEOUT_MS),
          signal,
        })
        .catch((error: unknown) => {
          throw errorOfTransport(error, method);
        });
      if (answer.status === 200) return answer;
      throw errorOfAnswer({}, answer.status, method);
    },
    close: () => http.close(),
  };
}

function mayRetry(error: unknown, call: TelegramCall): boolean {
  if (!isKonstructError(error, 'platform_unavailable')) return false;
  return call.idempotent || error.details.outcomeUnknown !== true;
}

function parseAnswer(text: string): JsonRecord | null {
  try {
    const answer = asRecord(JSON.parse(text));
    return typeof answer?.ok === 'boolean' ? answer : null;
  } catch {
    return null;
  }
}
