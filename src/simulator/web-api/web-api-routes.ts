import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock, Random, Sleep } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { ApiCall, FaultKind } from '../control-api.ts';
import type { FaultBoard } from '../fault-board.ts';
import { slackId } from '../slack-ids.ts';
import type { WireObject } from '../wire-message.ts';
import type { Workspace } from '../workspace.ts';
import type { WorkspaceActions } from '../workspace-actions.ts';
import type { ApiArguments } from './api-arguments.ts';
import { parseArguments } from './api-arguments.ts';
import type { ApiMethod } from './api-method.ts';
import { grantedScopes, requireScope } from './api-method.ts';
import { chatMethods } from './chat-methods.ts';
import { conversationMethods } from './conversation-methods.ts';
import { createRateLimits } from './rate-limits.ts';
import { SlackApiError } from './slack-api-error.ts';
import { workspaceMethods } from './workspace-methods.ts';

export interface WebApiInput {
  readonly workspaceByToken: (token: string) => Workspace | undefined;
  readonly actions: WorkspaceActions;
  readonly faults: FaultBoard;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly called: (call: ApiCall) => void;
  /** Ends calls that hang or are held back. */
  readonly stopping: AbortSignal;
}

/** What goes back: an answer, or none where the connection is cut or left open. */
type Outcome =
  | { readonly kind: 'answer'; readonly status: number; readonly headers: Headers; readonly body: WireObject }
  | { readonly kind: 'cut' | 'hang' };
type Headers = Readonly<Record<string, string>>;

const methods: Readonly<Record<string, ApiMethod>> = {
  ...chatMethods,
  ...conversationMethods,
  ...workspaceMethods,
};

const faultsBefore = [
  'outage',
  'api_cut_before',
  'api_rate_limited',
  'api_http_error',
  'api_error',
] as const satisfies readonly FaultKind[];
const faultsAfter = ['api_delay', 'api_cut_after', 'api_hang'] as const satisfies readonly FaultKind[];

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
    const workspace = token === undefined ? undefined : input.workspaceByToken(token);
    const occasion = { workspaceId: workspace?.seed.id ?? null, target: method };

    const before = input.faults.strike(faultsBefore, occasion);
    const headers = workspace ? scopeHeaders(workspace, method) : {};
    let outcome = outcomeOfFaults(before, headers);
    const after = outcome ? [] : input.faults.strike(faultsAfter, occasion);
    const hang = after.find((fault) => fault.kind === 'api_hang');
    if (!outcome && !(hang && !hang.workDone)) outcome = answer(method, args, token, workspace, headers);
    if (hang) outcome = { kind: 'hang' };
    else if (after.some((fault) => fault.kind === 'api_cut_after')) outcome = { kind: 'cut' };
    for (const fault of after) {
      if (fault.kind === 'api_delay') await input.sleep(fault.delayMs, input.stopping);
    }
    await send(reply, outcome ?? { kind: 'cut' }, input);
    input.called({
      workspaceId: workspace?.seed.id ?? null,
      method,
      startedAtMs,
      durationMs: input.clock() - startedAtMs,
      status: outcome?.kind === 'answer' ? outcome.status : null,
      error:
        outcome?.kind === 'answer' && outcome.body.ok !== true ? String(outcome.body.error ?? 'error') : null,
      faults: [...before, ...after].map((fault) => fault.kind),
    });
    return reply;
  };

  const answer = (
    method: string,
    args: ApiArguments | SlackApiError,
    token: string | undefined,
    workspace: Workspace | undefined,
    headers: Headers,
  ): Outcome => {
    try {
      if (args instanceof SlackApiError) throw args;
      if (method === 'api.test') return testAnswer(args);
      const definition = methods[method];
      if (!definition) throw new SlackApiError('unknown_method', { req_method: method });
      const caller = authenticate(token, workspace);
      requireScope(caller, definition.scopes);
      if (input.faults.plan().realRateLimits) {
        const channelId = args.text('channel') ?? '';
        const waitSeconds = limits.take({ workspaceId: caller.seed.id, method, channelId });
        if (waitSeconds !== null) return rateLimited(waitSeconds, headers);
      }
      const { actions, random } = input;
      const result = definition.run({ workspace: caller, args, actions, random });
      return { kind: 'answer', status: 200, headers, body: { ok: true, ...result } };
    } catch (error) {
      if (error instanceof SlackApiError) {
        return {
          kind: 'answer',
          status: 200,
          headers,
          body: { ok: false, error: error.code, ...error.fields },
        };
      }
      input.log.error('simulator.api_failed', { method, error });
      return { kind: 'answer', status: 200, headers, body: { ok: false, error: 'internal_error' } };
    }
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

function outcomeOfFaults(faults: ReturnType<typeof strikeBefore>, headers: Headers): Outcome | undefined {
  for (const fault of faults) {
    switch (fault.kind) {
      case 'outage':
      case 'api_cut_before':
        return { kind: 'cut' };
      case 'api_rate_limited':
        return rateLimited(fault.retryAfterSeconds, headers);
      case 'api_http_error':
        return { kind: 'answer', status: fault.status, headers, body: { error: `http_${fault.status}` } };
      case 'api_error':
        return { kind: 'answer', status: 200, headers, body: { ok: false, error: fault.error } };
    }
  }
  return undefined;
}

const strikeBefore = (board: FaultBoard) => board.strike(faultsBefore, { workspaceId: null, target: '' });

function rateLimited(retryAfterSeconds: number, headers: Headers): Outcome {
  const body = { ok: false, error: 'ratelimited' };
  return {
    kind: 'answer',
    status: 429,
    headers: { ...headers, 'retry-after': String(retryAfterSeconds) },
    body,
  };
}

function testAnswer(args: ApiArguments): Outcome {
  const error = args.text('error');
  const body = error === undefined ? { ok: true, args: {} } : { ok: false, error, args: { error } };
  return { kind: 'answer', status: 200, headers: {}, body };
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

function bearerToken(request: FastifyRequest): string | undefined {
  return /^Bearer\s+(\S+)\s*$/i.exec(request.headers.authorization ?? '')?.[1];
}

function scopeHeaders(workspace: Workspace, method: string): Headers {
  return {
    'x-oauth-scopes': grantedScopes(workspace).join(','),
    'x-accepted-oauth-scopes': (methods[method]?.scopes ?? []).join(','),
  };
}

async function send(reply: FastifyReply, outcome: Outcome, input: WebApiInput): Promise<void> {
  if (outcome.kind === 'answer') {
    reply.status(outcome.status).headers({
      'content-type': 'application/json; charset=utf-8',
      'x-slack-req-id': slackId('', input.random, 32).toLowerCase(),
      ...outcome.headers,
    });
    await reply.send(JSON.stringify(outcome.body));
    return;
  }
  reply.hijack();
  const { socket } = reply.raw;
  if (outcome.kind === 'cut' || input.stopping.aborted) {
    socket?.destroy();
    return;
  }
  const end = () => socket?.destroy();
  input.stopping.addEventListener('abort', end, { once: true });
  reply.raw.once('close', () => input.stopping.removeEventListener('abort', end));
}
