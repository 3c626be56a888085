import type { Clock, Random, Sleep } from '../../core/clock.ts';
import { isKonstructError, KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { type AccessToken, createAccessTokens } from '../create-access-tokens.ts';
import { createPacedCalls } from '../create-paced-calls.ts';
import type { Rate, RateLimit } from '../create-rate-limits.ts';
import type { KeptAliveHttp } from '../kept-alive-http.ts';
import type { JsonRecord } from '../read-json.ts';
import { errorOfAnswer, errorOfLogin, googleError, readJson } from './google-error.ts';
import { type ServiceAccount, serviceAccountOf } from './service-account.ts';

export interface GoogleChatClientOptions {
  /** Without a slash at its end: `https://chat.googleapis.com`. */
  readonly apiUrl: string;
  /** Where service accounts get their tokens. */
  readonly tokenUrl: string;
  readonly http: KeptAliveHttp;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** For one HTTP exchange. */
  readonly timeoutMs: number;
  /** For all waiting of one call. */
  readonly maxWaitMs: number;
}

/** Calls the Chat API as the app: paced, retried where that is safe, with the project's errors. */
export interface GoogleChatClient {
  /** @throws KonstructError `platform_rate_limited`, `platform_unavailable`, `platform_rejected`, `aborted`, `lease_lost` */
  call(access: ConnectionAccess, call: GoogleChatCall, signal: AbortSignal): Promise<JsonRecord>;
  /** The app's token, for what it may read. Throws as `call` does. */
  token(access: ConnectionAccess, signal: AbortSignal): Promise<string>;
}

export interface GoogleChatCall {
  /** What it is called in errors and logs. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Behind `/v1/`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: JsonRecord;
  /** Where it shows; `null`: nowhere. */
  readonly space: string | null;
  /** Whether doing it twice is the same as doing it once: then an unknown outcome is tried again. */
  readonly idempotent: boolean;
  readonly mayStillSend?: (() => boolean) | undefined;
}

/**
 * In one space one write a second, of all apps together, and 15 reads; of one app 3,000 writes a minute. Two at once,
 * because a quick answer follows its placeholder; if Chat does not take the second, it waits and comes again.
 *
 * Source: https://developers.google.com/workspace/chat/limits
 */
const SPACE_WRITES: Rate = { intervalMs: 1_000, burst: 2 };
const SPACE_READS: Rate = { intervalMs: 1_000 / 15, burst: 5 };
const APP_WRITES: Rate = { intervalMs: 20, burst: 25 };

const SCOPE = 'https://www.googleapis.com/auth/chat.bot';
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const ASSERTION_SECONDS = 3_600;

export function createGoogleChatClient(options: GoogleChatClientOptions): GoogleChatClient {
  const { apiUrl, tokenUrl, http, timeoutMs } = options;
  const tokens = createAccessTokens(options.clock);
  const calls = createPacedCalls({ ...options, channel: 'google-chat', errors: googleError });

  const login = async (account: ServiceAccount): Promise<AccessToken> => {
    const assertion = await signAssertion(account, tokenUrl);
    const body = new URLSearchParams({ grant_type: GRANT, assertion }).toString();
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
    };
    const answer = await http
      .exchange({ base: tokenUrl, method: 'POST', headers, body, timeoutMs })
      .catch((error: unknown) => {
        const failed = googleError.ofTransport(error, 'login');
        // Whatever became of it: nothing of the message was sent.
        throw googleError.unavailable('login', String(failed.details.platformError), false, error);
      });
    if (answer.status !== 200) throw errorOfLogin(answer);
    const { access_token: token, expires_in: seconds } = readJson(answer.text) ?? {};
    if (typeof token !== 'string' || token === '' || typeof seconds !== 'number')
      throw googleError.unavailable('login', 'token_missing', false);
    return { token, lifetimeMs: seconds * 1_000 };
  };

  const secretsOf = ({ email, privateKey }: ServiceAccount): readonly string[] => [email, privateKey];
  const tokenOf = (account: ServiceAccount, signal: AbortSignal): Promise<string> =>
    tokens.get(secretsOf(account), () => login(account), signal);

  const attempt = async (call: GoogleChatCall, token: string, signal: AbortSignal): Promise<JsonRecord> => {
    const body = call.body === undefined ? '' : JSON.stringify(call.body);
    const query = call.query === undefined ? '' : `?${new URLSearchParams(call.query)}`;
    const answer = await http
      .exchange({
        base: apiUrl,
        path: `/v1/${call.path}${query}`,
        method: call.method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === '' ? {} : { 'content-type': 'application/json' }),
          'content-length': String(Buffer.byteLength(body)),
        },
        body,
        timeoutMs,
        signal,
      })
      .catch((error: unknown) => {
        throw googleError.ofTransport(error, call.name);
      });
    if (answer.status !== 200) throw errorOfAnswer(answer, call.name);
    return readJson(answer.text) ?? {};
  };

  return {
    token: async (access, signal) => tokenOf(serviceAccountOf(access), signal),
    async call(access, call, signal) {
      const account = serviceAccountOf(access);
      const { connectionId } = access;
      const { name: method, space, idempotent, mayStillSend } = call;
      const isRead = call.method === 'GET';
      const place = `${connectionId} ${space ?? ''}`;
      const limits: RateLimit[] = [];
      if (space !== null) limits.push(isRead ? [`read ${place}`, SPACE_READS] : [place, SPACE_WRITES]);
      if (!isRead) limits.push([account.email, APP_WRITES]);
      let isExchanged = false;
      const once = async (): Promise<JsonRecord> => {
        const token = await tokenOf(account, signal);
        // The token may have taken its time.
        if (mayStillSend?.() === false) throw new KonstructError('lease_lost');
        try {
          return await attempt(call, token, signal);
        } catch (error) {
          if (isExchanged || !isKonstructError(error) || error.details.status !== 401) throw error;
          // Revoked before its end: once more with another.
          isExchanged = true;
          tokens.forget(secretsOf(account), token);
          return once();
        }
      };
      return calls.run(
        { connectionId, method, limits, holdKey: place, idempotent, mayStillSend },
        once,
        signal,
      );
    },
  };
}

/** Source: https://developers.google.com/identity/protocols/oauth2/service-account#httprest */
async function signAssertion(
  { email, privateKey, keyId }: ServiceAccount,
  tokenUrl: string,
): Promise<string> {
  const { importPKCS8, SignJWT } = await import('jose');
  try {
    const key = await importPKCS8(privateKey, 'RS256');
    const issuedAt = Math.floor(Date.now() / 1_000);
    return await new SignJWT({ scope: SCOPE })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(keyId === '' ? {} : { kid: keyId }) })
      .setIssuer(email)
      .setAudience(tokenUrl)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ASSERTION_SECONDS)
      .sign(key);
  } catch {
    // No cause: it may quote the key.
    throw googleError.rejected('login', 'service_account_malformed');
  }
}
