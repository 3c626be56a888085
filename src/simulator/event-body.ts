import type { Clock, Random } from '../core/clock.ts';
import { slackId } from './slack-ids.ts';
import type { WireObject } from './wire-message.ts';
import { wireMessage } from './wire-message.ts';
import type { StoredMessage, Workspace, WorkspaceChannel } from './workspace.ts';

/** What the app gets about something that happened: the inner event and where it happened. */
export interface InnerEvent {
  /** For logs and fault filters: the type, and the subtype of edits and deletions after a dot. */
  readonly label: string;
  readonly channel: WorkspaceChannel | null;
  readonly messageTs: string | null;
  /** Home workspace of the sender where it is another than the app's (Slack Connect). */
  readonly senderTeamId: string | null;
  readonly event: WireObject;
}

const channelTypes = { public: 'channel', private: 'group', im: 'im', mpim: 'mpim' } as const;

/** The subscription that lets a channel's messages through: `message.channels`, … */
export function messageSubscription(channel: WorkspaceChannel): string {
  return { public: 'message.channels', private: 'message.groups', im: 'message.im', mpim: 'message.mpim' }[
    channel.kind
  ];
}

/** Source: https://docs.slack.dev/reference/events/message.channels */
export function messageEvent(
  workspace: Workspace,
  channel: WorkspaceChannel,
  message: StoredMessage,
): InnerEvent {
  return {
    label: 'message',
    ...place(workspace, channel, message),
    event: {
      ...wireMessage(workspace, message),
      ...parentUser(channel, message),
      channel: channel.id,
      event_ts: message.ts,
      channel_type: channelTypes[channel.kind],
    },
  };
}

/** Source: https://docs.slack.dev/reference/events/app_mention. It has no `channel_type`. */
export function mentionEvent(
  workspace: Workspace,
  channel: WorkspaceChannel,
  message: StoredMessage,
): InnerEvent {
  return {
    label: 'app_mention',
    ...place(workspace, channel, message),
    event: {
      ...wireMessage(workspace, message),
      ...parentUser(channel, message),
      type: 'app_mention',
      channel: channel.id,
      event_ts: message.ts,
    },
  };
}

/** Source: https://docs.slack.dev/reference/events/message/message_changed */
export function changedEvent(
  workspace: Workspace,
  channel: WorkspaceChannel,
  change: { readonly before: StoredMessage; readonly after: StoredMessage; readonly eventTs: string },
): InnerEvent {
  return {
    label: 'message.message_changed',
    ...place(workspace, channel, change.after),
    event: {
      type: 'message',
      subtype: 'message_changed',
      message: { ...wireMessage(workspace, change.after), ...parentUser(channel, change.after) },
      previous_message: { ...wireMessage(workspace, change.before), ...parentUser(channel, change.before) },
      channel: channel.id,
      hidden: true,
      ts: change.eventTs,
      event_ts: change.eventTs,
      channel_type: channelTypes[channel.kind],
    },
  };
}

/** Source: https://docs.slack.dev/reference/events/message/message_deleted */
export function deletedEvent(
  workspace: Workspace,
  channel: WorkspaceChannel,
  deletion: { readonly before: StoredMessage; readonly eventTs: string },
): InnerEvent {
  return {
    label: 'message.message_deleted',
    ...place(workspace, channel, deletion.before),
    event: {
      type: 'message',
      subtype: 'message_deleted',
      previous_message: {
        ...wireMessage(workspace, deletion.before),
        ...parentUser(channel, deletion.before),
      },
      channel: channel.id,
      hidden: true,
      deleted_ts: deletion.before.ts,
      ts: deletion.eventTs,
      event_ts: deletion.eventTs,
      channel_type: channelTypes[channel.kind],
    },
  };
}

/** Source: https://docs.slack.dev/reference/events/reaction_added */
export function reactionEvent(
  workspace: Workspace,
  channel: WorkspaceChannel,
  message: StoredMessage,
  reaction: {
    readonly type: 'reaction_added' | 'reaction_removed';
    readonly userId: string;
    readonly name: string;
    readonly eventTs: string;
  },
): InnerEvent {
  return {
    label: reaction.type,
    ...place(workspace, channel, message),
    event: {
      type: reaction.type,
      user: reaction.userId,
      reaction: reaction.name,
      item: { type: 'message', channel: channel.id, ts: message.ts },
      item_user: message.userId,
      event_ts: reaction.eventTs,
    },
  };
}

/** Source: https://docs.slack.dev/reference/events/app_uninstalled and …/tokens_revoked */
export function uninstallEvent(
  workspace: Workspace,
  type: 'app_uninstalled' | 'tokens_revoked',
  eventTs: string,
): InnerEvent {
  const tokens = type === 'tokens_revoked' ? { tokens: { oauth: [], bot: [workspace.seed.botUserId] } } : {};
  return {
    label: type,
    channel: null,
    messageTs: null,
    senderTeamId: null,
    event: { type, ...tokens, event_ts: eventTs },
  };
}

/**
 * The outer body of an Events API request, as the bytes that are signed.
 * Source: https://docs.slack.dev/apis/events-api#callback-field and recorded traffic.
 */
export function eventBody(
  workspace: Workspace,
  inner: InnerEvent,
  input: { readonly clock: Clock; readonly random: Random },
): { readonly eventId: string; readonly body: string } {
  const { seed } = workspace;
  const eventId = slackId('Ev', input.random);
  const context = {
    et: inner.event.type,
    tid: seed.id,
    aid: seed.appId,
    ...(inner.channel ? { cid: inner.channel.id } : {}),
  };
  const orgWide = seed.orgWideInstall === true;
  const body = JSON.stringify({
    token: `verification-${seed.appId}`,
    team_id: inner.senderTeamId ?? seed.id,
    context_team_id: seed.id,
    context_enterprise_id: seed.enterpriseId ?? null,
    ...(seed.enterpriseId ? { enterprise_id: seed.enterpriseId } : {}),
    api_app_id: seed.appId,
    event: inner.event,
    type: 'event_callback',
    event_id: eventId,
    event_time: Math.floor(input.clock() / 1000),
    authorizations: [
      {
        enterprise_id: seed.enterpriseId ?? null,
        team_id: orgWide ? null : seed.id,
        user_id: seed.botUserId,
        is_bot: true,
        is_enterprise_install: orgWide,
      },
    ],
    is_ext_shared_channel: inner.channel?.externallyShared ?? false,
    event_context: `4-${Buffer.from(JSON.stringify(context)).toString('base64url')}`,
  });
  return { eventId, body };
}

function place(workspace: Workspace, channel: WorkspaceChannel, message: StoredMessage) {
  return {
    channel,
    messageTs: message.ts,
    senderTeamId: workspace.users.get(message.userId)?.teamId ?? null,
  };
}

function parentUser(channel: WorkspaceChannel, message: StoredMessage): WireObject {
  const root = message.threadTs === null ? undefined : channel.messages.get(message.threadTs);
  return root ? { parent_user_id: root.userId } : {};
}
