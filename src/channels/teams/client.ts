import type { ConnectionAccess } from '../../core/outbound.ts';
import { createOauthCalls, type OauthCallsOptions, type TokenGrant } from '../create-oauth-calls.ts';
import type { Rate, RateLimit } from '../create-rate-limits.ts';
import type { JsonRecord } from '../read-json.ts';
import { formatConversationId, type Place } from './conversation-id.ts';
import type { ServiceUrls } from './service-urls.ts';
import { APP_REMEDY, type TeamsApp, type TeamsSettings, teamsAppOf } from './teams-app.ts';
import { errorOfAnswer, teamsError } from './teams-error.ts';

export interface TeamsClientOptions extends Omit<OauthCallsOptions, 'channel' | 'errors' | 'errorOfAnswer'> {
  readonly settings: TeamsSettings;
  readonly serviceUrls: ServiceUrls;
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
  /** It is an activity of a stream. */
  readonly isStreamed?: boolean;
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
/** The second place is for the answer itself, which does not wait for a glimpse of it that has just been shown. */
const EDITS_OF_ONE: Rate = { intervalMs: 1_000, burst: 2 };
/** Source: https://learn.microsoft.com/microsoftteams/platform/bots/streaming-ux */
const STREAM: Rate = { intervalMs: 1_000, burst: 1 };

const SCOPE = 'https://api.botframework.com/.default';
/** Where the token of an app for all companies is given. */
const BOT_FRAMEWORK_TENANT = 'botframework.com';

export function createTeamsClient(options: TeamsClientOptions): TeamsClient {
  const { settings, serviceUrls } = options;
  const calls = createOauthCalls({ ...options, channel: 'teams', errors: teamsError, errorOfAnswer });

  const appOf = (access: ConnectionAccess): TeamsApp => {
    const app = teamsAppOf(access, settings);
    if (app === null) throw teamsError.rejected('login', 'app_missing', { remedy: APP_REMEDY });
    return app;
  };

  /** Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
  const grantOf = ({ appId, appPassword, tenantId }: TeamsApp): TokenGrant => ({
    secrets: [appId, appPassword, tenantId ?? ''],
    request: async () => ({
      base: settings.loginUrl,
      path: `/${tenantId ?? BOT_FRAMEWORK_TENANT}/oauth2/v2.0/token`,
      form: { grant_type: 'client_credentials', client_id: appId, client_secret: appPassword, scope: SCOPE },
    }),
  });

  return {
    token: async (access, signal) => calls.token(grantOf(appOf(access)), signal),
    async call(access, { name, method, place, activityId, activity, isStreamed, ...rest }, signal) {
      const app = appOf(access);
      const { connectionId, externalId } = access;
      const conversation = `${connectionId} ${place.channelId}`;
      const limits: RateLimit[] = [
        [`tenant ${app.appId} ${externalId}`, TENANT],
        [conversation, CONVERSATION],
        [`hour ${conversation}`, CONVERSATION_HOURLY],
      ];
      if (isStreamed) limits.push([`stream ${conversation}`, STREAM]);
      if (method === 'PUT') limits.push([`${conversation} ${activityId}`, EDITS_OF_ONE]);
      const about = activityId === undefined ? '' : `/${encodeURIComponent(activityId)}`;
      const request = {
        base: serviceUrls.of(app.appId, externalId),
        path: `/v3/conversations/${encodeURIComponent(formatConversationId(place))}/activities${about}`,
        method,
        ...(activity === undefined ? {} : { body: activity }),
      };
      const call = { connectionId, name, limits, holdKey: conversation, ...rest };
      return calls.call(call, grantOf(app), request, signal);
    },
  };
}
