import type { StoredFile, StoredMessage, Workspace, WorkspaceChannel } from './workspace.ts';
import { threadMessages, workspaceDomain } from './workspace.ts';

export type WireObject = Readonly<Record<string, unknown>>;

/**
 * A message as Slack writes it in events and Web API answers.
 * Source: https://docs.slack.dev/reference/events/message and recorded traffic.
 */
export function wireMessage(
  workspace: Workspace,
  message: StoredMessage,
  options: { readonly metadata?: boolean } = {},
): WireObject {
  if (message.tombstone) return tombstone(message);
  const sender = workspace.users.get(message.userId);
  const team = sender?.teamId ?? workspace.seed.id;
  return {
    ...(message.username ? { subtype: 'bot_message', username: message.username } : { user: message.userId }),
    ...(message.files.length > 0 ? { subtype: 'file_share' } : {}),
    ...(message.broadcast ? { subtype: 'thread_broadcast' } : {}),
    type: 'message',
    ts: message.ts,
    ...(message.clientMessageId ? { client_msg_id: message.clientMessageId } : {}),
    ...(message.botId
      ? { bot_id: message.botId, app_id: message.appId, bot_profile: botProfile(workspace, message) }
      : {}),
    text: message.text,
    team,
    ...(sender?.teamId ? { user_team: sender.teamId, source_team: sender.teamId } : {}),
    ...(message.blocks ? { blocks: message.blocks } : {}),
    ...(message.attachments ? { attachments: message.attachments } : {}),
    ...(message.files.length > 0
      ? { files: message.files.map((file) => wireFile(workspace, message.userId, file)), upload: false }
      : {}),
    ...(message.edited ? { edited: { user: message.edited.userId, ts: message.edited.ts } } : {}),
    ...(message.threadTs ? { thread_ts: message.threadTs } : {}),
    ...(options.metadata && message.metadata ? { metadata: message.metadata } : {}),
  };
}

/** What Slack adds when a message is read back: reactions, and the state of the thread on its root. */
export function wireMessageWithThread(
  workspace: Workspace,
  channel: WorkspaceChannel,
  message: StoredMessage,
  options: { readonly metadata?: boolean } = {},
): WireObject {
  const replies = threadMessages(channel, message.ts)
    .slice(1)
    .filter((reply) => reply.visibleToUserId === null);
  const root = message.threadTs === null ? null : channel.messages.get(message.threadTs);
  return {
    ...wireMessage(workspace, message, options),
    ...(root ? { parent_user_id: root.userId } : {}),
    ...(replies.length > 0
      ? {
          thread_ts: message.ts,
          reply_count: replies.length,
          reply_users_count: new Set(replies.map((reply) => reply.userId)).size,
          reply_users: [...new Set(replies.map((reply) => reply.userId))],
          latest_reply: replies.at(-1)?.ts,
          is_locked: false,
          subscribed: false,
        }
      : {}),
    ...(message.reactions.length > 0
      ? {
          reactions: message.reactions.map(({ name, userIds }) => ({
            name,
            users: userIds,
            count: userIds.length,
          })),
        }
      : {}),
  };
}

/** What stands where the root of a living thread was deleted. */
function tombstone(message: StoredMessage): WireObject {
  return {
    type: 'message',
    subtype: 'tombstone',
    text: 'This message was deleted.',
    user: 'USLACKBOT',
    hidden: true,
    ts: message.ts,
    thread_ts: message.ts,
  };
}

function botProfile({ seed, users }: Workspace, message: StoredMessage): WireObject {
  return {
    id: message.botId,
    app_id: message.appId,
    user_id: message.userId,
    name: users.get(message.userId)?.name,
    icons: {},
    deleted: false,
    updated: 0,
    team_id: seed.id,
  };
}

export function wireFile({ seed }: Workspace, userId: string, file: StoredFile): WireObject {
  const address = `https://${workspaceDomain(seed)}.slack.com/files/${userId}/${file.id}/${encodeURIComponent(file.name)}`;
  return {
    id: file.id,
    name: file.name,
    title: file.title ?? file.name,
    mimetype: file.mediaType,
    filetype: file.name.split('.').at(-1) ?? '',
    size: file.sizeBytes,
    user: userId,
    mode: 'hosted',
    is_external: false,
    is_public: true,
    url_private: address,
    url_private_download: address,
    permalink: address,
  };
}
