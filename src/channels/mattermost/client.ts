import type { ConnectionAccess } from '../../core/outbound.ts';
import { createPacedCalls, type PacedCallsOptions } from '../create-paced-calls.ts';
import { createRateLimits, paceOf, type Rate, type RateLimit } from '../create-rate-limits.ts';
import { createKeptAliveHttp, type HttpAnswer, type KeptAliveHttp } from '../kept-alive-http.ts';
import type { JsonRecord } from '../read-json.ts';
import { errorOfAnswer, mattermostErrors, rejected, unavailable } from './mattermost-error.ts';
import { guardedLookup, type MattermostServer, serverOf } from './server-url.ts';

export interface MattermostClientOptions extends Omit<PacedCallsOptions, 'channel' | 'errors'> {
  /** For one HTTP exchange. */
  readonly timeoutMs: number;
}

/** Calls a connection's own server: paced, retried where that is safe, with the project's errors. */
export interface MattermostClient {
  /**
   * @returns what the answer's JSON holds
   * @throws KonstructError `platform_rate_limited`, `platform_unavailable`, `platform_rejected`, `aborted`, `lease_lost`
   */
  call(access: ConnectionAccess, call: MattermostCall, signal: AbortSignal): Promise<unknown>;
  /**
   * Fetches a file; reads little more of it than so many bytes.
   * @throws KonstructError as above
   */
  download(
    access: ConnectionAccess,
    fileId: string,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<Pick<HttpAnswer, 'bytes' | 'isCut' | 'headers'>>;
  close(): void;
}

export interface MattermostCall {
  /** In errors and log lines: `posts.create`. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below `/api/v4`. */
  readonly path: string;
  readonly body?: JsonRecord | readonly JsonRecord[];
  /** In place of the body: a form with a file. */
  readonly form?: { readonly contentType: string; readonly content: Uint8Array };
  /** Whether doing it twice is the same as doing it once: then an unknown outcome is tried again. */
  readonly idempotent: boolean;
  /** The message it changes. */
  readonly messageId?: string;
  /** What a 404 means; `path_not_found` unless given: the address is not quite that of a server. */
  readonly notFound?: string;
  /** Asked right before each attempt, after all waiting. */
  readonly mayStillSend?: (() => boolean) | undefined;
  /** Overrides the client's. */
  readonly timeoutMs?: number;
}

/** For 100 MB. */
export const FILE_TIMEOUT_MS = 120_000;
/**
 * What a server allows a user whose operator has switched limits on and not changed them: 10 a second and 100 at once. Some
 * are left to what else the account does.
 *
 * Source: https://docs.mattermost.com/configure/rate-limiting-configuration-settings.html
 */
const CALLS: Rate = { intervalMs: 100, burst: 60 };
/** The second place is for the answer itself: it does not wait for a glimpse of it that has just been shown. */
const EDITS_OF_ONE: Rate = { intervalMs: 1_000, burst: 2 };
/** So much is read of an answer in any case: an error has to be understood. */
const MAX_ERROR_BYTES = 4_096;
const TOKEN = /^[\w.-]{10,200}$/;

/** Redirects are not followed: a connection's token goes to its server and nowhere else. */
export function createMattermostClient(options: MattermostClientOptions): MattermostClient {
  const paced = createPacedCalls({ ...options, channel: 'mattermost', errors: mattermostErrors });
  const limits = createRateLimits(options.clock);
  /** By the certificate that is believed: companies with one of their own share nothing with others. */
  const https = new Map<string, KeptAliveHttp>();

  const httpFor = (certificate: string): KeptAliveHttp => {
    const known = https.get(certificate);
    if (known !== undefined) return known;
    const made = createKeptAliveHttp({
      lookup: guardedLookup,
      ...(certificate === '' ? {} : { ca: certificate }),
    });
    https.set(certificate, made);
    return made;
  };

  const exchange = async (
    access: ConnectionAccess,
    { name, method, path, body, form, timeoutMs = options.timeoutMs }: MattermostCall,
    signal: AbortSignal,
    maxBytes?: number,
  ): Promise<HttpAnswer> => {
    const { server, token, certificate } = credentialsOf(access, name);
    const content = form?.content ?? (body === undefined ? '' : JSON.stringify(body));
    const contentType = form?.contentType ?? (body === undefined ? null : 'application/json');
    return httpFor(certificate)
      .exchange({
        base: server.base,
        path: `/api/v4${path}`,
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(contentType === null ? {} : { 'content-type': contentType }),
          ...(method === 'GET' ? {} : { 'content-length': String(Buffer.byteLength(content)) }),
        },
        body: content,
        ...(maxBytes === undefined ? {} : { maxBytes }),
        timeoutMs,
        signal,
      })
      .catch((error: unknown) => {
        throw mattermostErrors.ofTransport(error, name);
      });
  };

  const attempt = async (
    access: ConnectionAccess,
    call: MattermostCall,
    signal: AbortSignal,
  ): Promise<unknown> => {
    const answer = await exchange(access, call, signal);
    if (answer.status < 200 || answer.status > 299)
      throw errorOfAnswer(answer, call.name, call.notFound ?? 'path_not_found');
    try {
      return JSON.parse(answer.text);
    } catch {
      // A proxy's page that says 200, and not a word of Mattermost's.
      throw unavailable(call.name, 'answer_malformed', true);
    }
  };

  const run = <Answer>(
    access: ConnectionAccess,
    call: MattermostCall,
    signal: AbortSignal,
    work: (during: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> => {
    const { connectionId } = access;
    const wanted: RateLimit[] = [[connectionId, CALLS]];
    if (call.messageId !== undefined) wanted.push([`${connectionId} ${call.messageId}`, EDITS_OF_ONE]);
    const { name, idempotent, mayStillSend } = call;
    const pace = paceOf(limits, wanted, connectionId);
    return paced({ connectionId, name, idempotent, mayStillSend, pace, attempt: work }, signal);
  };

  return {
    call: (access, call, signal) => run(access, call, signal, (during) => attempt(access, call, during)),
    download(access, fileId, maxBytes, signal) {
      const call: MattermostCall = {
        name: 'files.get',
        method: 'GET',
        path: `/files/${fileId}`,
        idempotent: true,
        timeoutMs: Math.max(options.timeoutMs, FILE_TIMEOUT_MS),
      };
      return run(access, call, signal, async (during) => {
        const answer = await exchange(access, call, during, Math.max(maxBytes, MAX_ERROR_BYTES));
        if (answer.status === 200) return answer;
        const text = Buffer.from(answer.bytes).toString('utf8');
        throw errorOfAnswer({ ...answer, text }, call.name, 'file_not_found');
      });
    },
    close() {
      for (const http of https.values()) http.close();
    },
  };
}

/** @throws KonstructError `platform_rejected`: nobody can be asked with these */
export function credentialsOf(
  { credentials }: ConnectionAccess,
  call: string,
): { readonly server: MattermostServer; readonly token: string; readonly certificate: string } {
  const server = serverOf(credentials);
  if (server === null) throw rejected(call, 'server_url_invalid');
  const { botToken: token = '', certificate = '' } = credentials;
  if (!TOKEN.test(token)) throw rejected(call, 'unauthorized');
  return { server, token, certificate };
}
