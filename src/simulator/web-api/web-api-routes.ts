import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock, Random, Sleep } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { ApiCall } from '../control-api.ts';
import type { FaultBoard } from '../fault-board.ts';
import type { FileStore } from '../file-store.ts';
import type { OAuth } from '../oauth.ts';
import type { SocketMode } from '../socket-mode.ts';
import type { WireObject } from '../wire-message.ts';
import type { Workspace } from '../workspace.ts';
import type { WorkspaceActions } from '../workspace-actions.ts';
import type { ApiArguments } from './api-arguments.ts';
import { parseArguments } from './api-arguments.ts';
import type { ApiMethod } from './api-method.ts';
import { grantedScopes, requireScope } from './api-method.ts';
import type { ApiHeaders, ApiOutcome } from './api-outcome.ts';
import {
  faultsAfter,
  faultsBefore,
  okOrError,
  outcomeOfFault,
  rateLimited,
  sendOutcome,
} from './api-outcome.ts';
import { assistantMethods } from './assistant-methods.ts';
import { chatMethods } from './chat-methods.ts';
import { conversationMethods } from './conversation-methods.ts';
import { fileMethods } from './file-methods.ts';
import { unknownArguments } from './method-arguments.ts';
import { createRateLimits } from './rate-limits.ts';
import { invalidArguments, SlackApiError } from './slack-api-error.ts';
import { streamMethods } from './stream-methods.ts';
import { workspaceMethods } from './workspace-methods.ts';

export interface WebApiInput {
  /** By the tokens of the seeds. */
  readonly workspaceByToken: (token: string) => Workspace | undefined;
  readonly oauth: OAuth;
  readonly files: FileStore;
  readonly isAppToken: (token: string) => boolean;
  readonly sockets: SocketMode;
  readonly actions: WorkspaceActions;
  readonly faults: FaultBoard;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly called: (call: ApiCall) => void;
  /** Refuses arguments that a method does not take, which Slack ignores. */
  readonly refusesUnknownArguments: boolean;
  /** Ends calls that hang or are held back. */
  readonly stopping: AbortSignal;
}

export const webApiMethods: Readonly<Record<string, ApiMethod>> = {
  ...assistantMethods,
  ...chatMethods,
  ...conversationMethods,
  ...fileMethods,
  ...streamMethods,
  ...workspaceMethods,
};

/**
 * Slack's Web API: `POST {method}`, form-encoded or JSON, Bearer token or `token` argument. Almost everything answers
 * with status 200 and says in `ok` whether it worked. Source: https://docs.slack.dev/apis/web-api
 */
export function webApiRoutes(input: WebApiInput): FastifyPluginAsync {
  const limits = createRateLimits(input.clock);

  const handle = async (request: FastifyRequest<{ Params: { method: string } }>, reply: FastifyReply) => {
    const startedAtMs = input.clock();
    const { method } = request.params;
    const args = readArguments(request);
    const token = bearerToken(request) ?? (args instanceof SlackApiError ? undefined : args.text('token'));
    const workspace = token === undefined ? undefined : workspaceOf(token);
    const occasion = { workspaceId: workspace?.seed.id ?? null, target: method };

    const headers = workspace ? scopeHeaders(workspace, method) : {};
    const [instead] = input.faults.strike(faultsBefore, occasion, 1);
    const after = instead ? [] : input.faults.strike(faultsAfter, occasion);
    const hang = after.find((fault) => fault.kind === 'api_hang');
    let outcome: ApiOutcome = { kind: 'hang' };
    if (instead) outcome = outcomeOfFault(instead, headers);
    else if (!hang || hang.workDone) outcome = answer(request, args, token, workspace, headers);
    if (hang) outcome = { kind: 'hang' };
    else if (after.some((fault) => fault.kind === 'api_cut_after')) outcome = { kind: 'cut' };
    for (const fault of after) {
      if (fault.kind === 'api_delay') await input.sleep(fault.delayMs, input.stopping);
    }
    await sendOutcome(reply, outcome, input);
    const body = outcome.kind === 'answer' ? outcome.body : null;
    input.called({
      workspaceId: workspace?.seed.id ?? null,
      method,
      startedAtMs,
      durationMs: input.clock() - startedAtMs,
      status: outcome.kind === 'answer' ? outcome.status : null,
      error: body === null || body.ok === true ? null : String(body.error),
      faults: [...(instead ? [instead] : []), ...after].map((fault) => fault.kind),
    });
    return reply;
  };

  const workspaceOf = (token: string): Workspace | undefined => {
    const issued = input.oauth.tokenState(token);
    return 'workspace' in issued ? issued.workspace : input.workspaceByToken(token);
  };

  const answer = (
    request: FastifyRequest<{ Params: { method: string } }>,
    args: ApiArguments | SlackApiError,
    token: string | undefined,
    workspace: Workspace | undefined,
    headers: ApiHeaders,
  ): ApiOutcome => {
    const { method } = request.params;
    try {
      if (args instanceof SlackApiError) throw args;
      checkArguments(method, args);
      if (method === 'apps.connections.open')
        return okOrError({ ok: true, url: openSocket(request) }, headers);
      if (method === 'oauth.v2.access')
        return okOrError({ ok: true, ...input.oauth.access(args, basicCredentials(request)) }, headers);
      if (method === 'api.test') return okOrError(testAnswer(args), headers);
      const definition = webApiMethods[method];
      if (!definition) throw new SlackApiError('unknown_method', { req_method: method });
      const caller = authenticate(token, workspace);
      if (token !== undefined && input.oauth.tokenState(token).kind === 'expired')
        throw new SlackApiError('token_expired');
      requireScope(caller, definition.scopes);
      if (input.faults.plan().realRateLimits) {
        const channelId = args.text('channel') ?? '';
        const waitSeconds = limits.take({ workspaceId: caller.seed.id, method, channelId });
        if (waitSeconds !== null) return rateLimited(waitSeconds, headers);
      }
      const { actions, random, files, clock } = input;
      const result = definition.run({ workspace: caller, args, actions, random, files, clock });
      return okOrError({ ok: true, ...result }, headers);
    } catch (error) {
      if (error instanceof SlackApiError) {
        return okOrError({ ok: false, error: error.code, ...error.fields }, headers);
      }
      input.log.error('simulator.api_failed', { method, error });
      return okOrError({ ok: false, error: 'internal_error' }, headers);
    }
  };

  /** @throws SlackApiError `invalid_arguments`, where Slack would say nothing */
  const checkArguments = (method: string, args: ApiArguments): void => {
    const unknown = unknownArguments(method, args.names);
    if (unknown.length === 0) return;
    if (input.refusesUnknownArguments) throw invalidArguments(`unknown arguments: ${unknown.join(', ')}`);
    input.log.warn('simulator.unknown_arguments', { method, arguments: unknown });
  };

  /** Takes its token from the header only. @throws SlackApiError */
  const openSocket = (request: FastifyRequest): string => {
    const token = bearerToken(request);
    if (request.method !== 'POST') throw new SlackApiError('insecure_request');
    if (token === undefined) throw new SlackApiError('not_authed');
    if (!token.startsWith('xapp-')) throw new SlackApiError('not_allowed_token_type');
    if (!input.isAppToken(token)) throw new SlackApiError('invalid_auth');
    const path = request.routeOptions.url?.replace(/\/api\/:method$/, '') ?? '';
    return `ws://${request.host}${path}/link/?ticket=${input.sockets.openTicket(token)}&app_id=A0KONSTRUCT`;
  };

  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    app.post('/:method', handle);
    app.get('/:method', handle);
  };
}

/** @throws SlackApiError `not_authed`, `invalid_auth`, `account_inactive`, `token_revoked` */
function authenticate(token: string | undefined, workspace: Workspace | undefined): Workspace {
  if (token === undefined) throw new SlackApiError('not_authed');
  if (!workspace) throw new SlackApiError('invalid_auth');
  if (workspace.installation === 'app_uninstalled') throw new SlackApiError('account_inactive');
  if (workspace.installation === 'tokens_revoked') throw new SlackApiError('token_revoked');
  return workspace;
}

function testAnswer(args: ApiArguments): WireObject {
  const error = args.text('error');
  return error === undefined ? { ok: true, args: {} } : { ok: false, error, args: { error } };
}

function readArguments(request: FastifyRequest): ApiArguments | SlackApiError {
  const body = typeof request.body === 'string' ? request.body : '';
  const query = typeof request.query === 'object' && request.query !== null ? { ...request.query } : {};
  try {
    return parseArguments(body, request.headers['content-type'], query);
  } catch (error) {
    if (error instanceof SlackApiError) return error;
    throw error;
  }
}

export function bearerToken(request: FastifyRequest): string | undefined {
  return /^Bearer\s+(\S+)\s*$/i.exec(request.headers.authorization ?? '')?.[1];
}

function basicCredentials(request: FastifyRequest): { readonly id: string; readonly secret: string } | null {
  const encoded = /^Basic\s+(\S+)\s*$/i.exec(request.headers.authorization ?? '')?.[1];
  if (encoded === undefined) return null;
  const [id = '', ...rest] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return { id, secret: rest.join(':') };
}

function scopeHeaders(workspace: Workspace, method: string): ApiHeaders {
  return {
    'x-oauth-scopes': grantedScopes(workspace).join(','),
    'x-accepted-oauth-scopes': (webApiMethods[method]?.scopes ?? []).join(','),
  };
}
