import type { ConnectionAccess } from '../../core/outbound.ts';
import { createPacedCalls, type Pace, type PacedCallsOptions } from '../create-paced-calls.ts';
import { createKeptAliveHttp, type HttpAnswer } from '../kept-alive-http.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';
import type { Place } from './ids.ts';
import { createPacing } from './pacing.ts';
import { errorOfAnswer, rejected, telegramErrors, unavailable } from './telegram-error.ts';

export interface TelegramClientOptions extends Omit<PacedCallsOptions, 'channel' | 'errors'> {
  /** Without a slash at its end: `https://api.telegram.org`. */
  readonly apiUrl: string;
  /** For one HTTP exchange. */
  readonly timeoutMs: number;
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
  /** Overrides the client's. */
  readonly timeoutMs?: number;
  /** Telegram answers when something happens: it holds a connection that no other call is to wait for. */
  readonly waits?: true;
}

const FILE_PATH = /^[\w-][\w./-]{0,500}$/;
/** For 50 MB. */
export const FILE_TIMEOUT_MS = 60_000;
const TOKEN = /^\d{1,16}:[A-Za-z0-9_-]{1,200}$/;

/** The token comes with each call, as the Bot API has it in the path, and is not kept. */
export function createTelegramClient(options: TelegramClientOptions): TelegramClient {
  const { apiUrl, clock } = options;
  const paced = createPacedCalls({ ...options, channel: 'telegram', errors: telegramErrors });
  const pacing = createPacing(clock);
  const http = createKeptAliveHttp();
  // A question that waits for updates holds its connection: with some hundred bots nothing would be left to answer with.
  const waitingHttp = createKeptAliveHttp({ maxSockets: Number.POSITIVE_INFINITY });

  const attempt = async (token: string, call: TelegramCall, signal: AbortSignal): Promise<unknown> => {
    const { method } = call;
    const body = call.form?.content ?? JSON.stringify(call.arguments);
    const { exchange } = call.waits ? waitingHttp : http;
    const answer = await exchange({
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
    }).catch((error: unknown) => {
      throw telegramErrors.ofTransport(error, method);
    });
    const parsed = parseAnswer(answer.text);
    // A proxy's page and not a word of Telegram's.
    if (parsed === null) throw unavailable(method, `http_${answer.status}`, true);
    if (parsed.ok === true) return parsed.result;
    throw errorOfAnswer(parsed, answer.status, method);
  };

  return {
    async call(access, call, signal) {
      const { method, place, idempotent, mayStillSend } = call;
      const token = access.credentials.botToken ?? '';
      if (!TOKEN.test(token)) throw rejected(method, 'unauthorized');
      const { connectionId } = access;
      const pace: Pace | null =
        place === null
          ? null
          : {
              reserve: (maxWaitMs) => pacing.reserve(connectionId, place, call.messageId ?? null, maxWaitMs),
              heldMs: () => pacing.heldMs(connectionId, place),
              hold: ({ retryAfterMs }) => pacing.hold(connectionId, place, retryAfterMs ?? 0),
            };
      return paced(
        {
          connectionId,
          name: method,
          idempotent,
          mayStillSend,
          pace,
          attempt: (during) => attempt(token, call, during),
        },
        signal,
      );
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
          throw telegramErrors.ofTransport(error, method);
        });
      if (answer.status === 200) return answer;
      throw errorOfAnswer({}, answer.status, method);
    },
    close() {
      http.close();
      waitingHttp.close();
    },
  };
}

function parseAnswer(text: string): JsonRecord | null {
  try {
    const answer = asRecord(JSON.parse(text));
    return typeof answer?.ok === 'boolean' ? answer : null;
  } catch {
    return null;
  }
}
