import { SimulatorError } from './simulator-error.ts';
import type { StoredMessage, Workspace, WorkspaceChannel } from './workspace.ts';

type Workspaces = ReadonlyMap<string, Workspace>;

export interface ChannelPlace {
  readonly workspaceId: string;
  readonly channelId: string;
}

/** @throws SimulatorError `not_found` */
export function findWorkspace(workspaces: Workspaces, id: string): Workspace {
  const workspace = workspaces.get(id);
  if (!workspace) throw notFound(`There is no workspace ${id}.`);
  return workspace;
}

/** @throws SimulatorError `not_found` */
export function findChannel(
  workspaces: Workspaces,
  { workspaceId, channelId }: ChannelPlace,
): { readonly workspace: Workspace; readonly channel: WorkspaceChannel } {
  const workspace = findWorkspace(workspaces, workspaceId);
  const channel = workspace.channels.get(channelId);
  if (!channel) throw notFound(`There is no channel ${channelId} in ${workspace.seed.name}.`);
  return { workspace, channel };
}

/** @throws SimulatorError `not_found`, also for what was deleted */
export function findMessage(channel: WorkspaceChannel, ts: string): StoredMessage {
  const message = channel.messages.get(ts);
  if (!message || message.tombstone) throw notFound(`There is no message ${ts} in ${channel.name}.`);
  return message;
}

function notFound(message: string): SimulatorError {
  return new SimulatorError('not_found', 404, message);
}
