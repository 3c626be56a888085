import type { ControlChannel, ControlMessage, ControlUser, ControlWorkspace } from './control-api.ts';
import type { FileStore } from './file-store.ts';
import { buttonsOf, notesOf } from './interaction-body.ts';
import { slackToPlain } from './message-text.ts';
import type { StoredMessage, UserSeed, Workspace, WorkspaceChannel } from './workspace.ts';
import { threadMessages, threadOf, tsToMs } from './workspace.ts';

/** The workspace as the control API shows it. */
export function viewWorkspace(workspace: Workspace): ControlWorkspace {
  const { seed } = workspace;
  const users = [...workspace.users.values()];
  const agent = workspace.users.get(seed.botUserId);
  return {
    id: seed.id,
    name: seed.name,
    enterpriseId: seed.enterpriseId ?? null,
    installation: workspace.installation,
    agent: agent
      ? viewUser(agent, true)
      : { id: seed.botUserId, handle: '', name: seed.agentName, title: '', isAgent: true },
    users: users.filter((user) => user.id !== seed.botUserId).map((user) => viewUser(user, false)),
    channels: [...workspace.channels.values()].map((channel) => viewChannel(workspace, channel)),
  };
}

export type ViewMessage = (
  workspace: Workspace,
  channel: WorkspaceChannel,
  message: StoredMessage,
) => ControlMessage;

/** How messages are shown, given the files that can still be fetched. */
export function createViewMessage(files: Pick<FileStore, 'get'>): ViewMessage {
  return (workspace, channel, message) => viewMessage(files, workspace, channel, message);
}

function viewMessage(
  files: Pick<FileStore, 'get'>,
  workspace: Workspace,
  channel: WorkspaceChannel,
  message: StoredMessage,
): ControlMessage {
  const replies = threadMessages(channel, message.ts)
    .slice(1)
    .filter((reply) => reply.visibleToUserId === null);
  const buttons = buttonsOf(message);
  const text = message.tombstone ? 'This message was deleted.' : message.text;
  return {
    workspaceId: workspace.seed.id,
    channelId: channel.id,
    messageId: message.ts,
    threadId: threadOf(channel, message),
    userId: message.userId,
    userName: message.username ?? workspace.users.get(message.userId)?.name ?? message.userId,
    isAgent: message.userId === workspace.seed.botUserId,
    text,
    plainText: slackToPlain(workspace, text),
    markdown: message.markdown,
    choices: buttons.map(({ text }) => text),
    buttons: buttons.map(({ blockId, actionId, text, style }) => ({ blockId, actionId, text, style })),
    notes: notesOf(message),
    sentAtMs: tsToMs(message.ts),
    editedAtMs: message.edited ? tsToMs(message.edited.ts) : null,
    replyCount: replies.length,
    replyUserIds: [...new Set(replies.map((reply) => reply.userId))],
    latestReplyId: replies.at(-1)?.ts ?? null,
    reactions: message.reactions,
    files: message.files.map(({ id, name, mediaType, sizeBytes }) => ({
      id,
      name,
      mediaType,
      sizeBytes,
      isKept: files.get(id) !== undefined,
    })),
    visibleToUserId: message.visibleToUserId,
    metadata: message.metadata
      ? { eventType: message.metadata.event_type, payload: message.metadata.event_payload }
      : null,
  };
}

function viewUser(user: UserSeed, isAgent: boolean): ControlUser {
  return { id: user.id, handle: user.handle, name: user.name, title: user.title ?? '', isAgent };
}

function viewChannel({ seed }: Workspace, channel: WorkspaceChannel): ControlChannel {
  let latestMessageId: string | null = null;
  for (const ts of channel.messages.keys()) latestMessageId = ts;
  return {
    id: channel.id,
    name: channel.name,
    kind: channel.kind,
    topic: channel.topic,
    memberIds: [...channel.memberIds],
    agentIsMember: channel.memberIds.has(seed.botUserId),
    messageCount: channel.messages.size,
    latestMessageId,
  };
}
