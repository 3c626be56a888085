import type { ConnectionAccess } from '../../core/outbound.ts';
import { createPacedCalls, type Pace, type PacedCallsOptions } from '../create-paced-calls.ts';
import { createKeptAliveHttp, type HttpAnswer } from '../kept-alive-http.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';
import { errorOfAnswer, graphErrors, rejected, unavailable } from './graph-error.ts';
import { createPacing } from './pacing.ts';

export interface GraphClientOptions extends Omit<PacedCallsOptions, 'channel' | 'errors'> {
  /** With the version, without a slash at its end: `https://graph.facebook.com/v26.0`. */
  readonly apiUrl: string;
  /** For one HTTP exchange. */
  readonly timeoutMs: number;
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

/** Where WhatsApp keeps what people send. */
const MEDIA_HOST = 'lookaside.fbsbx.com';
const TOKEN = /^[\x21-\x7e]{1,2000}$/;

/** The token comes with each call and is not kept. */
export function createGraphClient(options: GraphClientOptions): GraphClient {
  const { apiUrl, clock } = options;
  const paced = createPacedCalls({ ...options, channel: 'whatsapp', errors: graphErrors });
  const pacing = createPacing(clock);
  const http = createKeptAliveHttp();
  const apiOrigin = new URL(apiUrl).origin;

  const paceOf = (connectionId: string, personId: string | null): Pace | null =>
    personId === null
      ? null
      : {
          reserve: (maxWaitMs) => pacing.reserve(connectionId, personId, maxWaitMs),
          heldMs: () => pacing.heldMs(connectionId, personId),
          hold: ({ details, retryAfterMs }) =>
            pacing.hold(connectionId, details.ofPair === true ? personId : null, retryAfterMs ?? 0),
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
        throw graphErrors.ofTransport(error, name);
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
      const { name, idempotent, personId, mayStillSend } = call;
      requireToken(access, name);
      const { connectionId } = access;
      return paced(
        {
          connectionId,
          name,
          idempotent,
          mayStillSend,
          pace: paceOf(connectionId, personId),
          attempt: (during) => attempt(access, call, during),
        },
        signal,
      );
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
          throw graphErrors.ofTransport(error, name);
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

function parseAnswer(text: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}
