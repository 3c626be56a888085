import type { Clock, Random } from '../core/clock.ts';
import { slackId } from './slack-ids.ts';
import type { ApiArguments } from './web-api/api-arguments.ts';
import { SlackApiError } from './web-api/slack-api-error.ts';
import type { WireObject } from './wire-message.ts';
import type { Workspace } from './workspace.ts';

/** The app as Slack's app pages know it: who may ask for consent, and where the browser goes back to. */
export interface OAuthApp {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Where a browser may be sent back to: these, or anything below them. */
  readonly redirectUrls: readonly string[];
  /** `token_rotation_enabled`: bot tokens hold for 12 hours, and a refresh token works once. */
  readonly tokenRotation?: boolean;
}

/** Slack's OAuth 2 as an app meets it. */
export interface OAuth {
  /** What is wrong with a request for consent, as Slack's page says it; `null`: nothing. */
  refusal(request: ConsentRequest): string | null;
  /** Where the browser goes when somebody has decided. */
  decide(request: ConsentRequest, workspace: Workspace | null): string;
  /** `oauth.v2.access`. @throws SlackApiError */
  access(args: ApiArguments, basic: ClientCredentials | null): WireObject;
  tokenState(token: string): TokenState;
}

export interface ConsentRequest {
  readonly clientId: string;
  readonly scope: string;
  readonly redirectUri: string;
  readonly state: string;
}

interface ClientCredentials {
  readonly id: string;
  readonly secret: string;
}

export type TokenState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'good' | 'expired'; readonly workspace: Workspace };

interface Code {
  readonly workspace: Workspace;
  readonly scope: string;
  readonly redirectUri: string;
  readonly expiresAtMs: number;
  used: boolean;
}

interface Issued {
  readonly workspace: Workspace;
  readonly scope: string;
  readonly expiresAtMs: number | null;
}

const CODE_MS = 10 * 60_000;
const TOKEN_SECONDS = 43_200;

/**
 * Sources: https://docs.slack.dev/authentication/installing-with-oauth, https://docs.slack.dev/reference/methods/oauth.v2.access,
 * https://docs.slack.dev/authentication/using-token-rotation
 *
 * @param install puts the app (back) into a workspace
 */
export function createOAuth(input: {
  readonly app: OAuthApp | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly install: (workspace: Workspace) => void;
}): OAuth {
  const { app, clock, random, install } = input;
  const codes = new Map<string, Code>();
  const tokens = new Map<string, Issued>();
  const refreshTokens = new Map<string, Issued>();
  const secretWord = () => slackId('', random, 24);

  function refusal({ clientId, scope, redirectUri }: ConsentRequest): string | null {
    if (app === null || clientId !== app.clientId) return 'Invalid client_id parameter';
    if (scope === '') return 'No scopes requested';
    const allowed = app.redirectUrls.some((url) => redirectUri === url || redirectUri.startsWith(`${url}/`));
    return allowed ? null : 'redirect_uri did not match any configured URIs';
  }

  /** @throws SlackApiError */
  function issue(workspace: Workspace, scope: string): WireObject {
    const { seed } = workspace;
    const rotating = app?.tokenRotation === true;
    const expiresAtMs = rotating ? clock() + TOKEN_SECONDS * 1_000 : null;
    const issued = { workspace, scope, expiresAtMs };
    const access_token = rotating ? `xoxe.xoxb-1-${secretWord()}` : `xoxb-${secretWord()}`;
    tokens.set(access_token, issued);
    const refresh_token = `xoxe-1-${secretWord()}`;
    if (rotating) refreshTokens.set(refresh_token, issued);
    const orgWide = seed.orgWideInstall === true;
    return {
      app_id: seed.appId,
      authed_user: { id: [...workspace.users.values()].find(({ bot }) => !bot)?.id },
      scope,
      token_type: 'bot',
      access_token,
      bot_user_id: seed.botUserId,
      team: orgWide ? null : { id: seed.id, name: seed.name },
      enterprise: seed.enterpriseId ? { id: seed.enterpriseId, name: seed.name } : null,
      is_enterprise_install: orgWide,
      ...(rotating ? { refresh_token, expires_in: TOKEN_SECONDS } : {}),
    };
  }

  /** @throws SlackApiError */
  function exchange(args: ApiArguments): WireObject {
    const code = codes.get(args.text('code') ?? '');
    if (code === undefined || clock() >= code.expiresAtMs) throw new SlackApiError('invalid_code');
    if (code.used) throw new SlackApiError('code_already_used');
    if (args.text('redirect_uri') !== code.redirectUri) throw new SlackApiError('bad_redirect_uri');
    code.used = true;
    install(code.workspace);
    return issue(code.workspace, code.scope);
  }

  /** @throws SlackApiError */
  function refresh(args: ApiArguments): WireObject {
    const token = args.text('refresh_token') ?? '';
    const issued = refreshTokens.get(token);
    if (issued === undefined || issued.workspace.installation !== 'installed')
      throw new SlackApiError('invalid_refresh_token');
    refreshTokens.delete(token); // it works once
    return issue(issued.workspace, issued.scope);
  }

  return {
    refusal,
    decide(request, workspace) {
      const url = new URL(request.redirectUri);
      if (workspace === null) {
        url.searchParams.set('error', 'access_denied');
      } else {
        const code = `${workspace.seed.id}.${secretWord()}`;
        const { scope, redirectUri } = request;
        codes.set(code, { workspace, scope, redirectUri, expiresAtMs: clock() + CODE_MS, used: false });
        url.searchParams.set('code', code);
      }
      url.searchParams.set('state', request.state);
      return url.href;
    },
    access(args, basic) {
      const id = basic?.id ?? args.text('client_id');
      const secret = basic?.secret ?? args.text('client_secret');
      if (app === null || id !== app.clientId) throw new SlackApiError('invalid_client_id');
      if (secret !== app.clientSecret) throw new SlackApiError('bad_client_secret');
      const grant = args.text('grant_type') ?? 'authorization_code';
      if (grant === 'authorization_code') return exchange(args);
      if (grant === 'refresh_token') return refresh(args);
      throw new SlackApiError('invalid_grant_type');
    },
    tokenState(token) {
      const issued = tokens.get(token);
      if (issued === undefined) return { kind: 'unknown' };
      const { workspace, expiresAtMs } = issued;
      if (expiresAtMs !== null && clock() >= expiresAtMs) return { kind: 'expired', workspace };
      return { kind: 'good', workspace };
    },
  };
}
