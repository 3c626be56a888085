import type { ConnectionAccess } from '../../core/outbound.ts';
import { createPacedCalls, type PacedCallsOptions } from '../create-paced-calls.ts';
import { createKeptAliveHttp, type KeptAliveHttp } from '../kept-alive-http.ts';
import { discordErrors, errorOfAnswer, rejected, unavailable } from './discord-error.ts';
import { createRateBuckets } from './rate-buckets.ts';

export interface DiscordClientOptions extends Omit<PacedCallsOptions, 'channel' | 'errors'> {
  /** With the version and without a slash at its end: `https://discord.com/api/v10`. */
  readonly apiUrl: string;
  /** For one HTTP exchange. */
  readonly timeoutMs: number;
}

/** Calls Discord's HTTP API: paced, retried where that is safe, with the project's errors. */
export interface DiscordClient {
  /**
   * @returns the JSON of the answer; `null`: it has none
   * @throws KonstructError `platform_rate_limited`, `platform_unavailable`, `platform_rejected`, `aborted`, `lease_lost`
   */
  call(access: ConnectionAccess, call: DiscordCall, signal: AbortSignal): Promise<unknown>;
  readonly http: KeptAliveHttp;
  close(): void;
}

export interface DiscordCall {
  /** In errors and log lines: no part of it is a secret. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** Parts of the path, each of them encoded here. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
  /** In place of the body: a form with a file. */
  readonly form?: { readonly contentType: string; readonly content: Uint8Array };
  /** Whether doing it twice is the same as doing it once: then an unknown outcome is tried again. */
  readonly idempotent: boolean;
  /** The answer to an interaction is proved by the token in its path and counts towards no limit of the bot. */
  readonly isAnonymous?: boolean;
  /** Asked right before each attempt, after all waiting. */
  readonly mayStillSend?: (() => boolean) | undefined;
  readonly timeoutMs?: number;
}

/** Discord wants to know who calls, and in this form. Source: https://discord.com/developers/docs/reference#user-agent */
const USER_AGENT = 'DiscordBot (https://konstruct.example, 1)';
const TOKEN = /^[A-Za-z0-9_-]{10,100}\.[A-Za-z0-9_-]{4,20}\.[A-Za-z0-9_-]{10,100}$/;
/** For the largest file. */
export const FILE_TIMEOUT_MS = 60_000;

/** The token comes with each call and is not kept. */
export function createDiscordClient(options: DiscordClientOptions): DiscordClient {
  const { apiUrl, clock } = options;
  const paced = createPacedCalls({ ...options, channel: 'discord', errors: discordErrors });
  const buckets = createRateBuckets(clock);
  const http = createKeptAliveHttp();
  return {
    http,
    async call(access, call, signal) {
      const { name, idempotent, mayStillSend, isAnonymous = false } = call;
      const token = isAnonymous ? null : botToken(access, name);
      const { connectionId } = access;
      const route = {
        connectionId,
        route: `${call.method} ${routeOf(call.path)}`,
        resource: call.path[1] ?? '',
      };
      const attempt = async (during: AbortSignal): Promise<unknown> => {
        const body = call.form?.content ?? (call.body === undefined ? '' : JSON.stringify(call.body));
        const answer = await http
          .exchange({
            base: apiUrl,
            path: pathOf(call),
            method: call.method,
            headers: {
              'user-agent': USER_AGENT,
              ...(token !== null && { authorization: `Bot ${token}` }),
              ...(body !== '' && { 'content-type': call.form?.contentType ?? 'application/json' }),
              'content-length': String(Buffer.byteLength(body)),
            },
            body,
            timeoutMs: call.timeoutMs ?? options.timeoutMs,
            signal: during,
          })
          .catch((error: unknown) => {
            throw discordErrors.ofTransport(error, name);
          });
        if (!isAnonymous) buckets.learn(route, answer.headers);
        if (answer.status < 200 || answer.status > 299)
          throw errorOfAnswer(answer.text, answer.status, answer.headers['retry-after'], name);
        return parseAnswer(answer.text, name);
      };
      const pace = isAnonymous ? null : buckets.paceOf(route);
      return paced({ connectionId, name, idempotent, mayStillSend, pace, attempt }, signal);
    },
    close: () => http.close(),
  };
}

/** @throws KonstructError `platform_rejected` with `unauthorized`: nothing that Discord would take */
export function botToken({ credentials }: ConnectionAccess, name: string): string {
  const token = credentials.botToken ?? '';
  if (!TOKEN.test(token)) throw rejected(name, 'unauthorized');
  return token;
}

function pathOf({ path, query }: DiscordCall): string {
  const parameters = query === undefined ? '' : `?${new URLSearchParams(query)}`;
  return `/${path.map((part) => encodeURIComponent(part).replaceAll('%40', '@')).join('/')}${parameters}`;
}

/** The path without ids: emoji and names of messages do not make limits of their own. */
function routeOf(path: readonly string[]): string {
  return path.filter((part) => /^[a-z@-]+$/.test(part)).join('/');
}

function parseAnswer(text: string, name: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    throw unavailable(name, 'answer_unreadable', true);
  }
}
