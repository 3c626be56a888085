import type { Clock } from '../../core/clock.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { createOauthCalls, type OauthCallsOptions, type TokenGrant } from '../create-oauth-calls.ts';
import type { Rate, RateLimit } from '../create-rate-limits.ts';
import type { JsonRecord } from '../read-json.ts';
import { errorOfAnswer, googleError } from './google-error.ts';
import { type ServiceAccount, serviceAccountMalformed, serviceAccountOf } from './service-account.ts';

export interface GoogleChatClientOptions
  extends Omit<OauthCallsOptions, 'channel' | 'errors' | 'errorOfAnswer'> {
  /** Without a slash at its end: `https://chat.googleapis.com`. */
  readonly apiUrl: string;
  /** Where service accounts get their tokens. */
  readonly tokenUrl: string;
  /** ms since 1970, for what is signed. */
  readonly wallClock: Clock;
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
  const { apiUrl, tokenUrl, wallClock } = options;
  const calls = createOauthCalls({ ...options, channel: 'google-chat', errors: googleError, errorOfAnswer });

  const grantOf = (account: ServiceAccount): TokenGrant => ({
    secrets: [account.email, account.privateKey],
    request: async () => ({
      base: tokenUrl,
      form: { grant_type: GRANT, assertion: await signAssertion(account, tokenUrl, wallClock()) },
    }),
  });

  return {
    token: async (access, signal) => calls.token(grantOf(serviceAccountOf(access)), signal),
    async call(access, { name, method, path, query, body, space, idempotent, mayStillSend }, signal) {
      const account = serviceAccountOf(access);
      const { connectionId } = access;
      const isRead = method === 'GET';
      const place = `${connectionId} ${space ?? ''}`;
      const limits: RateLimit[] = [];
      if (space !== null) limits.push(isRead ? [`read ${place}`, SPACE_READS] : [place, SPACE_WRITES]);
      if (!isRead) limits.push([account.email, APP_WRITES]);
      const request = {
        base: apiUrl,
        path: `/v1/${path}${query === undefined ? '' : `?${new URLSearchParams(query)}`}`,
        method,
        ...(body === undefined ? {} : { body }),
      };
      const call = { connectionId, name, limits, holdKey: place, idempotent, mayStillSend };
      return calls.call(call, grantOf(account), request, signal);
    },
  };
}

/** Source: https://developers.google.com/identity/protocols/oauth2/service-account#httprest */
async function signAssertion(
  { email, privateKey, keyId }: ServiceAccount,
  tokenUrl: string,
  nowMs: number,
): Promise<string> {
  const { importPKCS8, SignJWT } = await import('jose');
  try {
    const key = await importPKCS8(privateKey, 'RS256');
    const issuedAt = Math.floor(nowMs / 1_000);
    return await new SignJWT({ scope: SCOPE })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(keyId === '' ? {} : { kid: keyId }) })
      .setIssuer(email)
      .setAudience(tokenUrl)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ASSERTION_SECONDS)
      .sign(key);
  } catch {
    throw serviceAccountMalformed();
  }
}
