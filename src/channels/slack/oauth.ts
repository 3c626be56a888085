import type { ChannelInstallation, InstalledApp, IssuedCredentials } from '../../core/channel.ts';
import type { Clock } from '../../core/clock.ts';
import type { Credentials } from '../../core/tenant.ts';
import { asId, asRecord, asText, type JsonRecord } from '../read-json.ts';
import { allScopes } from './manifest.ts';
import { rejected, unavailable } from './slack-failure.ts';
import { createWebApi } from './web-api.ts';

export interface SlackOAuthOptions {
  /** Ends in `/api/`. */
  readonly apiUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

const METHOD = 'oauth.v2.access';

/**
 * Slack's OAuth 2: consent, code, token; and, where the app rotates its tokens, a refresh token that works once.
 *
 * Source: https://docs.slack.dev/authentication/installing-with-oauth,
 * https://docs.slack.dev/authentication/using-token-rotation
 *
 * @param options.clock what the machine's clock says: a token's end is kept for other processes
 */
export function createSlackOAuth(
  options: SlackOAuthOptions,
): ChannelInstallation & { readonly close: () => void } {
  const { apiUrl, clientId, clientSecret, clock, timeoutMs } = options;
  const api = createWebApi({ apiUrl, timeoutMs });
  // As Slack asks for: the secret is no argument. https://docs.slack.dev/reference/methods/oauth.v2.access
  const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;

  const access = (form: JsonRecord, signal: AbortSignal) => api.call(METHOD, authorization, form, signal);

  /** What is stored of an answer; the token's end stands beside it, for whoever is about to use it. */
  function issued(answer: JsonRecord): IssuedCredentials {
    const botToken = asText(answer.access_token);
    if (botToken === '' || answer.token_type !== 'bot') throw rejected(METHOD, 'no_bot_token');
    const refreshToken = asText(answer.refresh_token);
    if (refreshToken === '') return { credentials: { botToken }, expiresAtMs: null };
    const seconds = Number(answer.expires_in);
    if (!(seconds > 0)) throw unavailable(METHOD, 'expires_in_missing', true);
    const expiresAtMs = clock() + seconds * 1_000;
    return {
      credentials: { botToken, refreshToken, tokenExpiresAt: String(Math.floor(expiresAtMs)) },
      expiresAtMs,
    };
  }

  return {
    authorizeUrl({ state, redirectUrl }) {
      // Slack has it beside the API: https://slack.com/oauth/v2/authorize
      const url = new URL('../oauth/v2/authorize', apiUrl);
      url.searchParams.set('client_id', clientId);
      url.searchParams.set('scope', allScopes.join(','));
      url.searchParams.set('redirect_uri', redirectUrl);
      url.searchParams.set('state', state);
      return url.href;
    },
    async exchange({ code, redirectUrl }, signal): Promise<InstalledApp> {
      const answer = await access({ code, redirect_uri: redirectUrl }, signal);
      const team = asRecord(answer.team);
      const organisation = asRecord(answer.enterprise);
      // Of an installation on all of an organisation Slack names the organisation only.
      const place = answer.is_enterprise_install === true ? organisation : team;
      const externalId = asId(place?.id);
      if (externalId === null) throw unavailable(METHOD, 'team_id_missing', true);
      const appId = asText(answer.app_id);
      return {
        ...issued(answer),
        externalId,
        appId,
        agentUserId: asText(answer.bot_user_id),
        name: asText(place?.name) || externalId,
        openUrl: openUrl(appId, asId(team?.id)),
      };
    },
    async renew(credentials: Credentials, signal) {
      const { refreshToken = '' } = credentials;
      if (refreshToken === '') throw rejected(METHOD, 'not_renewable');
      const answer = await access({ grant_type: 'refresh_token', refresh_token: refreshToken }, signal);
      const { credentials: fresh, expiresAtMs } = issued(answer);
      return { credentials: { ...credentials, ...fresh }, expiresAtMs };
    },
    close: () => api.close(),
  };
}

/** Source: https://docs.slack.dev/interactivity/deep-linking */
function openUrl(appId: string, team: string | null): string | null {
  if (appId === '') return null;
  const url = new URL('https://slack.com/app_redirect');
  url.searchParams.set('app', appId);
  if (team !== null) url.searchParams.set('team', team);
  return url.href;
}
