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
import { formatConversationId, type Place } from './conversation-id.ts';
import type { ServiceUrls } from './service-urls.ts';
import { type TeamsApp, type TeamsSettings, teamsAppOf } from './teams-app.ts';
import { errorOfAnswer, errorOfLogin, readJson, teamsError } from './teams-error.ts';

export interface TeamsClientOptions {
  readonly settings: TeamsSettings;
  readonly serviceUrls: ServiceUrls;
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

/** Calls the Bot Connector: paced, retried where that is safe, with the project's errors. */
export interface TeamsClient {
  /**
   * @returns the answer's JSON; empty if it has none
   * @throws KonstructError `platform_rate_limited`, `platform_unavailable`, `platform_rejected`, `aborted`, `lease_lost`
   */
  call(access: ConnectionAccess, call: TeamsCall, signal: AbortSignal): Promise<JsonRecord>;
  /** The token of a connection's app, for what it may read. Throws as `call` does. */
  token(access: ConnectionAccess, signal: AbortSignal): Promise<string>;
}

export interface TeamsCall {
  /** What it is called in errors and logs. */
  readonly name: string;
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly place: Place;
  /** The activity that it concerns; absent: a new one. */
  readonly activityId?: string;
  readonly activity?: JsonRecord;
  /** Whether doing it twice is the same as doing it once: then an unknown outcome is tried again. */
  readonly idempotent: boolean;
  readonly mayStillSend?: (() => boolean) | undefined;
}

/**
 * In one conversation 7 a second, 8 in two, 60 in 30 and 1,800 in an hour; of one app in one tenant 30 a second.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit#per-bot-per-thread-limit
 */
const CONVERSATION: Rate = { intervalMs: 1_000, burst: 6 };
const CONVERSATION_HOURLY: Rate = { intervalMs: 2_100, burst: 80 };
const TENANT: Rate = { intervalMs: 1_000 / 15, burst: 15 };
const EDITS_OF_ONE: Rate = { intervalMs: 1_000, burst: 1 };

const SCOPE = 'https://api.botframework.com/.default';
/** Where the token of an app for all companies is given. */
const BOT_FRAMEWORK_TENANT = 'botframework.com';

export function createTeamsClient(options: TeamsClientOptions): TeamsClient {
  const { settings, serviceUrls, http, timeoutMs } = options;
  const tokens = createAccessTokens(options.clock);
  const calls = createPacedCalls({ ...options, channel: 'teams', errors: teamsError });

  const appOf = (access: ConnectionAccess): TeamsApp => {
    const app = teamsAppOf(access, settings);
    if (app === null) throw teamsError.rejected('login', 'app_missing');
    return app;
  };

  const secretsOf = ({ appId, appPassword, tenantId }: TeamsApp): readonly string[] => [
    appId,
    appPassword,
    tenantId ?? '',
  ];

  const login = async ({ appId, appPassword, tenantId }: TeamsApp): Promise<AccessToken> => {
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: appId,
      client_secret: appPassword,
      scope: SCOPE,
    }).toString();
    const answer = await http
      .exchange({
        base: settings.loginUrl,
        path: `/${tenantId ?? BOT_FRAMEWORK_TENANT}/oauth2/v2.0/token`,
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': String(Buffer.byteLength(body)),
        },
        body,
        timeoutMs,
      })
      .catch((error: unknown) => {
        const failed = teamsError.ofTransport(error, 'login');
        // Whatever became of it: nothing of the message was sent.
        throw teamsError.unavailable('login', String(failed.details.platformError), false, error);
      });
    if (answer.status !== 200) throw errorOfLogin(answer);
    const { access_token: token, expires_in: seconds } = readJson(answer.text) ?? {};
    if (typeof token !== 'string' || token === '' || typeof seconds !== 'number')
      throw teamsError.unavailable('login', 'token_missing', false);
    return { token, lifetimeMs: seconds * 1_000 };
  };

  const tokenOf = (app: TeamsApp, signal: AbortSignal): Promise<string> =>
    tokens.get(secretsOf(app), () => login(app), signal);

  const attempt = async (
    access: ConnectionAccess,
    app: TeamsApp,
    call: TeamsCall,
    token: string,
    signal: AbortSignal,
  ): Promise<JsonRecord> => {
    const body = call.activity === undefined ? '' : JSON.stringify(call.activity);
    const conversation = encodeURIComponent(formatConversationId(call.place));
    const activity = call.activityId === undefined ? '' : `/${encodeURIComponent(call.activityId)}`;
    const answer = await http
      .exchange({
        base: serviceUrls.of(app.appId, access.externalId),
        path: `/v3/conversations/${conversation}/activities${activity}`,
        method: call.method,
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(body)),
        },
        body,
        timeoutMs,
        signal,
      })
      .catch((error: unknown) => {
        throw teamsError.ofTransport(error, call.name);
      });
    if (answer.status < 200 || answer.status > 299) throw errorOfAnswer(answer, call.name);
    return readJson(answer.text) ?? {};
  };

  return {
    token: (access, signal) => tokenOf(appOf(access), signal),
    async call(access, call, signal) {
      const app = appOf(access);
      const { connectionId } = access;
      const conversation = `${connectionId} ${call.place.channelId}`;
      const limits: RateLimit[] = [
        [`tenant ${app.appId} ${access.externalId}`, TENANT],
        [conversation, CONVERSATION],
        [`hour ${conversation}`, CONVERSATION_HOURLY],
      ];
      if (call.method === 'PUT') limits.push([`${conversation} ${call.activityId}`, EDITS_OF_ONE]);
      const { name: method, idempotent, mayStillSend } = call;
      const paced = { connectionId, method, limits, holdKey: conversation, idempotent, mayStillSend };
      let isExchanged = false;
      const once = async (): Promise<JsonRecord> => {
        const token = await tokenOf(app, signal);
        // The token may have taken its time.
        if (mayStillSend?.() === false) throw new KonstructError('lease_lost');
        try {
          return await attempt(access, app, call, token, signal);
        } catch (error) {
          if (isExchanged || !isKonstructError(error) || error.details.platformError !== 'unauthorized')
            throw error;
          // Revoked before its end, or from before the password was changed: once more with another.
          isExchanged = true;
          tokens.forget(secretsOf(app), token);
          return once();
        }
      };
      return calls.run(paced, once, signal);
    },
  };
}
