import type { Clock, Random, Sleep } from '../../core/clock.ts';
import { isKonstructError, KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type Metrics, noMetrics } from '../../core/metrics.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { createKeptAliveHttp, type HttpAnswer } from '../kept-alive-http.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';
import { errorOfAnswer, errorOfTransport, rateLimited, rejected, unavailable } from './graph-error.ts';
import { createPacing } from './pacing.ts';

export interface GraphClientOptions {
  /** With the version, without a slash at its end: `https://graph.facebook.com/v26.0`. */
  readonly apiUrl: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** For one HTTP exchange. */
  readonly timeoutMs: number;
  /** For all waiting of one call: for its place with the person and for WhatsApp's limits. */
  readonly maxWaitMs: number;
}

/** Calls Meta's Graph API for a number: paced, retried where that is safe, with the project's errors. */
export interface GraphClient {
  /**
   * @throws KonstructError `platform_rate_limited`, `platform_unavailable`, `platform_rejected`,
   *   `platform_window_closed`, `aborted`, `lease_lost`
   */
  call(access: ConnectionAccess, call: GraphCall, signal: AbortSignal): Promise<JsonRecord>;
  /** Fetches bytes from an address that Graph has named. @throws KonstructError as above */
  download(
    access: ConnectionAccess,
    url: string,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<Pick<HttpAnswer, 'bytes' | 'isCut'>>;
  close(): void;
}

export interface GraphCall {
  /** What it is for, in errors and log lines: no part of it is a secret. */
  readonly name: string;
  readonly httpMethod: 'GET' | 'POST';
  /** `/messages`, below the number; or `/123`, an object of its own, with `ofNumber: false`. */
  readonly path: string;
  readonly ofNumber?: boolean;
  readonly body?: { readonly contentType: string; readonly content: string | Uint8Array };
  /** Whether doing it twice is the same as doing it once: then an unknown outcome is tried again. */
  readonly idempotent: boolean;
  /** Who gets it; `null`: nobody, so it is not paced. */
  readonly personId: string | null;
  /** Asked right before each attempt, after all waiting. */
  readonly mayStillSend?: (() => boolean) | undefined;
  /** Overrides the client's, for what takes its time. */
  readonly timeoutMs?: number;
}

/** Attempts after the first one that fails for a reason other than a limit. */
const MAX_RETRIES = 2;
const RETRY_BASE_MS = 250;
/** After a hold all who waited go on; spread over this time they do not run into the next one together. */
const SPREAD_MS = 250;
/** Where WhatsApp keeps what people send. */
const MEDIA_HOST = 'lookaside.fbsbx.com';
const TOKEN = /^[\x21-\x7e]{1,2000}$/;

/** The token comes with each call and is not kept. */
export function createGraphClient(options: GraphClientOptions): GraphClient {
  const { apiUrl, clock, random, sleep, log, metrics = noMetrics } = options;
  const limited = metrics.counter('konstruct_platform_rate_limited_total', { channel: 'whatsapp' });
  const pacing = createPacing(clock);
  const http = createKeptAliveHttp();
  const apiOrigin = new URL(apiUrl).origin;

  const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
    if (ms <= 0) return;
    try {
      await sleep(ms, signal);
    } catch (cause) {
      throw signal.aborted ? new KonstructError('aborted', undefined, { cause }) : cause;
    }
  };

  const whenAllowed = async (
    { connectionId }: ConnectionAccess,
    { name, personId }: GraphCall,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<void> => {
    while (personId !== null) {
      const heldMs = pacing.heldMs(connectionId, personId);
      if (heldMs === 0) return;
      if (clock() + heldMs > untilMs) throw rateLimited(name, heldMs);
      await wait(heldMs + random() * SPREAD_MS, signal);
    }
  };

  const attempt = async (
    { externalId, credentials }: ConnectionAccess,
    call: GraphCall,
    signal: AbortSignal,
  ): Promise<JsonRecord> => {
    const { name, httpMethod, body } = call;
    const content = body?.content ?? '';
    const answer = await http
      .exchange({
        base: apiUrl,
        path: call.ofNumber === false ? call.path : `/${externalId}${call.path}`,
        method: httpMethod,
        headers: {
          authorization: `Bearer ${credentials.accessToken}`,
          ...(body !== undefined && {
            'content-type': body.contentType,
            'content-length': String(
              typeof content === 'string' ? Buffer.byteLength(content) : content.length,
            ),
          }),
        },
        body: content,
        timeoutMs: call.timeoutMs ?? options.timeoutMs,
        signal,
      })
      .catch((error: unknown) => {
        throw errorOfTransport(error, name);
      });
    const parsed = parseAnswer(answer.text);
    // A proxy's page and not a word of Graph's.
    if (parsed === null) throw unavailable(name, `http_${answer.status}`, true);
    if (answer.status < 300 && parsed.error === undefined) return parsed;
    throw errorOfAnswer(parsed, answer, name);
  };

  const requireToken = ({ credentials }: ConnectionAccess, name: string): void => {
    if (!TOKEN.test(credentials.accessToken ?? '')) throw rejected(name, 'unauthorized');
  };

  return {
    async call(access, call, signal) {
      const { name, personId } = call;
      requireToken(access, name);
      if (signal.aborted) throw new KonstructError('aborted');
      const untilMs = clock() + options.maxWaitMs;
      if (personId !== null) {
        const placeMs = pacing.reserve(access.connectionId, personId, options.maxWaitMs);
        if (placeMs === null) throw rateLimited(name, options.maxWaitMs);
        await wait(placeMs, signal);
      }
      let retries = 0;
      for (;;) {
        await whenAllowed(access, call, untilMs, signal);
        if (call.mayStillSend?.() === false) throw new KonstructError('lease_lost');
        try {
          return await attempt(access, call, signal);
        } catch (error) {
          if (isKonstructError(error, 'platform_rate_limited') && personId !== null) {
            const retryAfterMs = error.retryAfterMs ?? 0;
            pacing.hold(access.connectionId, error.details.ofPair === true ? personId : null, retryAfterMs);
            limited.increment();
            log.warn('whatsapp.rate_limited', {
              connectionId: access.connectionId,
              method: name,
              retryAfterMs,
            });
            continue;
          }
          if (retries === MAX_RETRIES || !mayRetry(error, call)) throw error;
          retries += 1;
          const platformError = isKonstructError(error) ? error.details.platformError : null;
          log.warn('whatsapp.retry', {
            connectionId: access.connectionId,
            method: name,
            platformError,
            retries,
          });
          await wait(RETRY_BASE_MS * 2 ** (retries - 1) * (0.5 + random()), signal);
        }
      }
    },
    async download(access, url, maxBytes, signal) {
      const name = 'media_download';
      requireToken(access, name);
      const target = URL.canParse(url) ? new URL(url) : null;
      if (target === null || !isTrusted(target)) throw rejected(name, 'media_host_unknown');
      const answer = await http
        .exchange({
          base: target.origin,
          path: target.pathname + target.search,
          method: 'GET',
          headers: { authorization: `Bearer ${access.credentials.accessToken}` },
          body: '',
          maxBytes,
          timeoutMs: Math.max(options.timeoutMs, DOWNLOAD_TIMEOUT_MS),
          signal,
        })
        .catch((error: unknown) => {
          throw errorOfTransport(error, name);
        });
      if (answer.status === 200) return answer;
      // An address is good for five minutes; a redirect would show the token to somebody else.
      throw errorOfAnswer({}, answer, name);
    },
    close: () => http.close(),
  };

  function isTrusted(url: URL): boolean {
    return (url.protocol === 'https:' && url.host === MEDIA_HOST) || url.origin === apiOrigin;
  }
}

/** For 100 MB. */
const DOWNLOAD_TIMEOUT_MS = 60_000;

function mayRetry(error: unknown, call: GraphCall): boolean {
  if (!isKonstructError(error, 'platform_unavailable')) return false;
  return call.idempotent || error.details.outcomeUnknown !== true;
}

function parseAnswer(text: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}
