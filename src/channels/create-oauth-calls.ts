import { isKonstructError, KonstructError } from '../core/errors.ts';
import { retryAfterMsOf, wordOf } from './answer-words.ts';
import { type AccessToken, createAccessTokens } from './create-access-tokens.ts';
import { createPacedCalls, type PacedCall, type PacedCallsOptions } from './create-paced-calls.ts';
import { createRateLimits, paceOf, type RateLimit } from './create-rate-limits.ts';
import type { HttpAnswer, HttpCall, KeptAliveHttp } from './kept-alive-http.ts';
import { type JsonRecord, readRecord } from './read-json.ts';

export interface OauthCallsOptions extends PacedCallsOptions {
  readonly http: KeptAliveHttp;
  /** For one HTTP exchange. */
  readonly timeoutMs: number;
  /** An answer that is no success. */
  readonly errorOfAnswer: (answer: HttpAnswer, method: string) => KonstructError;
}

/** What a token is given for. */
export interface TokenGrant {
  /** All of it: who knows less gets no token of ours. */
  readonly secrets: readonly string[];
  /** What the token endpoint is asked. */
  request(): Promise<{
    readonly base: string;
    readonly path?: string;
    readonly form: Readonly<Record<string, string>>;
  }>;
}

/** Calls a platform with tokens that it gives for a while (OAuth 2.0), paced and retried. */
export interface OauthCalls {
  /** @throws as `call` */
  token(grant: TokenGrant, signal: AbortSignal): Promise<string>;
  /**
   * @returns the answer's JSON; empty if it has none
   * @throws KonstructError `platform_rate_limited`, `platform_unavailable`, `platform_rejected`, `aborted`, `lease_lost`
   */
  call(call: OauthCall, grant: TokenGrant, request: OauthRequest, signal: AbortSignal): Promise<JsonRecord>;
}

export interface OauthCall extends Omit<PacedCall<JsonRecord>, 'attempt' | 'pace'> {
  /** What it counts towards. */
  readonly limits: readonly RateLimit[];
  /** What waits when the platform says "slow down" to it. */
  readonly holdKey: string;
}

export type OauthRequest = Pick<HttpCall, 'base' | 'path' | 'method'> & { readonly body?: JsonRecord };

const LOGIN = 'login';

export function createOauthCalls(options: OauthCallsOptions): OauthCalls {
  const { http, errors, timeoutMs, errorOfAnswer } = options;
  const tokens = createAccessTokens(options.clock);
  const paced = createPacedCalls(options);
  const limits = createRateLimits(options.clock);

  const login = async (grant: TokenGrant): Promise<AccessToken> => {
    const { form, ...target } = await grant.request();
    const body = new URLSearchParams(form).toString();
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
    };
    const answer = await http
      .exchange({ ...target, method: 'POST', headers, body, timeoutMs })
      .catch((error: unknown) => {
        const failed = errors.ofTransport(error, LOGIN);
        // Whatever became of it: nothing of the message was sent.
        throw errors.unavailable(LOGIN, String(failed.details.platformError), false, error);
      });
    const said = readRecord(answer.text) ?? {};
    if (answer.status !== 200) throw errorOfLogin(answer, said);
    const { access_token: token, expires_in: seconds } = said;
    if (typeof token !== 'string' || token === '' || typeof seconds !== 'number')
      throw errors.unavailable(LOGIN, 'token_missing', false);
    return { token, lifetimeMs: seconds * 1_000 };
  };

  /** Source: https://www.rfc-editor.org/rfc/rfc6749#section-5.2 */
  const errorOfLogin = ({ status, headers }: HttpAnswer, { error: word }: JsonRecord): KonstructError => {
    if (status === 429) return errors.rateLimited(LOGIN, retryAfterMsOf(headers['retry-after']));
    if (status >= 500 || typeof word !== 'string') return errors.unavailable(LOGIN, `http_${status}`, false);
    return errors.rejected(LOGIN, wordOf(word, status));
  };

  const attempt = async (
    method: string,
    { body: given, ...target }: OauthRequest,
    token: string,
    signal: AbortSignal,
  ): Promise<JsonRecord> => {
    const body = given === undefined ? '' : JSON.stringify(given);
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body === '' ? {} : { 'content-type': 'application/json' }),
      'content-length': String(Buffer.byteLength(body)),
    };
    const answer = await http
      .exchange({ ...target, headers, body, timeoutMs, signal })
      .catch((error: unknown) => {
        throw errors.ofTransport(error, method);
      });
    if (answer.status < 200 || answer.status > 299) throw errorOfAnswer(answer, method);
    return readRecord(answer.text) ?? {};
  };

  const tokenOf = (grant: TokenGrant, signal: AbortSignal): Promise<string> =>
    tokens.get(grant.secrets, () => login(grant), signal);

  return {
    token: tokenOf,
    call({ limits: wanted, holdKey, ...call }, grant, request, signal) {
      let isExchanged = false;
      const once = async (): Promise<JsonRecord> => {
        const token = await tokenOf(grant, signal);
        // The token may have taken its time.
        if (call.mayStillSend?.() === false) throw new KonstructError('lease_lost');
        try {
          return await attempt(call.name, request, token, signal);
        } catch (error) {
          if (isExchanged || !isKonstructError(error) || error.details.status !== 401) throw error;
          // Revoked before its end, or from before the secret was changed: once more with another.
          isExchanged = true;
          tokens.forget(grant.secrets, token);
          return once();
        }
      };
      return paced({ ...call, pace: paceOf(limits, wanted, holdKey), attempt: once }, signal);
    },
  };
}
