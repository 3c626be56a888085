import type { Clock, Random } from '../../core/clock.ts';
import type { FileStore } from '../file-store.ts';
import type { WireObject } from '../wire-message.ts';
import type { ChannelKind, StoredMessage, Workspace, WorkspaceChannel } from '../workspace.ts';
import type { WorkspaceActions } from '../workspace-actions.ts';
import type { ApiArguments } from './api-arguments.ts';
import { SlackApiError } from './slack-api-error.ts';

/** One method of the Web API. */
export interface ApiMethod {
  /** One of these is needed; none: every token may. */
  readonly scopes: readonly string[];
  /** @throws SlackApiError what Slack would answer */
  run(call: ApiCallContext): WireObject;
}

export interface ApiCallContext {
  readonly workspace: Workspace;
  readonly args: ApiArguments;
  readonly actions: WorkspaceActions;
  readonly random: Random;
  readonly files: FileStore;
  readonly clock: Clock;
}

/** What a Konstruct-like app asks for, and all that the simulator checks. */
const knownScopes: readonly string[] = [
  'app_mentions:read',
  'assistant:write',
  'channels:history',
  'channels:read',
  'chat:write',
  'chat:write.customize',
  'commands',
  'files:read',
  'files:write',
  'groups:history',
  'groups:read',
  'im:history',
  'im:read',
  'im:write',
  'mpim:history',
  'mpim:read',
  'mpim:write',
  'reactions:read',
  'reactions:write',
  'team:read',
  'users:read',
];

const scopePrefixes: Readonly<Record<ChannelKind, string>> = {
  public: 'channels',
  private: 'groups',
  im: 'im',
  mpim: 'mpim',
};

/** `channelScope('im', 'history')` → `im:history` */
export function channelScope(kind: ChannelKind, action: 'history' | 'read' | 'write'): string {
  return `${scopePrefixes[kind]}:${action}`;
}

export const allChannelScopes = (action: 'history' | 'read' | 'write'): readonly string[] =>
  (['public', 'private', 'im', 'mpim'] as const).map((kind) => channelScope(kind, action));

export function grantedScopes(workspace: Workspace): readonly string[] {
  return workspace.seed.scopes ?? knownScopes;
}

/** @throws SlackApiError `missing_scope` with what is needed and what the token has */
export function requireScope(workspace: Workspace, accepted: readonly string[]): void {
  const provided = grantedScopes(workspace);
  if (accepted.length === 0 || accepted.some((scope) => provided.includes(scope))) return;
  throw new SlackApiError('missing_scope', { needed: accepted.join(','), provided: provided.join(',') });
}

/**
 * A conversation of the token's own workspace, as far as the app may know of it: another workspace's and private ones
 * that it is not in do not exist for it.
 * @throws SlackApiError `channel_not_found`
 */
export function visibleChannel(call: ApiCallContext, argument = 'channel'): WorkspaceChannel {
  const { workspace, args } = call;
  const wanted = args.requiredText(argument);
  const channel =
    workspace.channels.get(wanted) ??
    [...workspace.channels.values()].find(
      (candidate) => candidate.kind !== 'im' && `#${candidate.name}` === wanted,
    );
  const visible = channel && (channel.kind === 'public' || isMember(workspace, channel));
  if (!visible) throw new SlackApiError('channel_not_found');
  return channel;
}

/** @throws SlackApiError `channel_not_found`, `not_in_channel` */
export function joinedChannel(call: ApiCallContext, argument = 'channel'): WorkspaceChannel {
  const channel = visibleChannel(call, argument);
  if (!isMember(call.workspace, channel)) throw new SlackApiError('not_in_channel');
  return channel;
}

/** @throws SlackApiError with `missingCode` when there is no such message that the app may see */
export function messageAt(channel: WorkspaceChannel, ts: string, missingCode: string): StoredMessage {
  const message = channel.messages.get(ts);
  if (!message || message.tombstone || message.visibleToUserId !== null) throw new SlackApiError(missingCode);
  return message;
}

export function isMember(workspace: Workspace, channel: WorkspaceChannel): boolean {
  return channel.memberIds.has(workspace.seed.botUserId);
}
