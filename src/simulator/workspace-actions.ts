import type { Clock, Random } from '../core/clock.ts';
import type { InnerEvent } from './event-body.ts';
import {
  changedEvent,
  deletedEvent,
  mentionEvent,
  messageEvent,
  messageSubscription,
  reactionEvent,
  uninstallEvent,
} from './event-body.ts';
import { mentionedUserIds, richTextBlock } from './message-text.ts';
import { randomUuid, slackId } from './slack-ids.ts';
import type {
  InstallationState,
  MessageMetadata,
  StoredFile,
  StoredMessage,
  Workspace,
  WorkspaceChannel,
} from './workspace.ts';
import { createChannel, nextTs } from './workspace.ts';

/** What happens in a workspace, whoever caused it: the state changes, those who watch hear of it, the app gets events. */
export interface WorkspaceActions {
  /** `acked` resolves when the app has acked all events of it (true) or not (false); it never rejects. */
  post(workspace: Workspace, channel: WorkspaceChannel, draft: MessageDraft): PostedMessage;
  edit(
    workspace: Workspace,
    channel: WorkspaceChannel,
    before: StoredMessage,
    patch: MessagePatch,
  ): StoredMessage;
  /** A root with replies leaves a tombstone behind, as in Slack. */
  remove(workspace: Workspace, channel: WorkspaceChannel, message: StoredMessage): void;
  react(
    workspace: Workspace,
    channel: WorkspaceChannel,
    message: StoredMessage,
    reaction: { readonly userId: string; readonly name: string; readonly present: boolean },
  ): StoredMessage;
  /** The direct conversation of the agent with these people; made when it does not exist. */
  openConversation(
    workspace: Workspace,
    userIds: readonly string[],
  ): { readonly channel: WorkspaceChannel; readonly created: boolean };
  setInstallation(workspace: Workspace, state: InstallationState): void;
  /** Sends any event to the app of a workspace. */
  fire(workspace: Workspace, events: readonly InnerEvent[]): Promise<boolean>;
}

export interface MessageDraft {
  readonly userId: string;
  readonly text: string;
  readonly threadTs?: string | null;
  readonly broadcast?: boolean;
  readonly markdown?: string | null;
  /** Made from the text when absent, as Slack's client does. */
  readonly blocks?: readonly unknown[] | null;
  readonly attachments?: readonly unknown[] | null;
  readonly metadata?: MessageMetadata | null;
  readonly username?: string | null;
  /** Those without an id get one. */
  readonly files?: readonly (Omit<StoredFile, 'id'> & Partial<Pick<StoredFile, 'id'>>)[];
  readonly visibleToUserId?: string | null;
}

export interface MessagePatch {
  readonly text: string;
  readonly editorId: string;
  /** Absent: it stays. */
  readonly username?: null;
  readonly markdown?: string | null;
  readonly blocks?: readonly unknown[] | null;
  readonly attachments?: readonly unknown[] | null;
  readonly metadata?: MessageMetadata | null;
}

export interface PostedMessage {
  readonly message: StoredMessage;
  readonly acked: Promise<boolean>;
}

/** What happened, for those who watch. */
export type WorkspaceChange =
  | {
      readonly type: 'posted' | 'changed' | 'deleted';
      readonly workspace: Workspace;
      readonly channel: WorkspaceChannel;
      readonly message: StoredMessage;
    }
  | { readonly type: 'workspace'; readonly workspace: Workspace };

export interface WorkspaceActionsInput {
  readonly clock: Clock;
  readonly random: Random;
  readonly changed: (change: WorkspaceChange) => void;
  /** Brings events to the app; see `EventSender.send`. */
  readonly dispatch: (workspace: Workspace, events: readonly InnerEvent[]) => Promise<boolean>;
}

export function createWorkspaceActions(input: WorkspaceActionsInput): WorkspaceActions {
  const replace = (workspace: Workspace, channel: WorkspaceChannel, message: StoredMessage) => {
    channel.messages.set(message.ts, message);
    input.changed({ type: 'changed', workspace, channel, message });
  };

  const fire: WorkspaceActions['fire'] = (workspace, events) => {
    const wanted = events.filter((event) => reachesApp(workspace, event));
    return wanted.length === 0 ? Promise.resolve(true) : input.dispatch(workspace, wanted);
  };
  const fireAndForget = (workspace: Workspace, event: InnerEvent) => {
    void fire(workspace, [event]);
  };

  return {
    fire,

    post(workspace, channel, draft) {
      const message = newMessage(workspace, channel, draft, input);
      channel.messages.set(message.ts, message);
      const root = message.threadTs === null ? undefined : channel.messages.get(message.threadTs);
      if (root) {
        const replies = channel.replies.get(root.ts);
        if (replies) replies.push(message.ts);
        else channel.replies.set(root.ts, [message.ts]);
      }
      // "The status will be automatically cleared when the app sends a reply."
      if (root && message.botId === workspace.seed.botId) workspace.statuses.delete(root.ts);
      input.changed({ type: 'posted', workspace, channel, message });
      if (root) input.changed({ type: 'changed', workspace, channel, message: root });
      if (message.visibleToUserId !== null) return { message, acked: Promise.resolve(true) };
      const events = [messageEvent(workspace, channel, message)];
      if (mentionsAgent(workspace, channel, message)) events.push(mentionEvent(workspace, channel, message));
      return { message, acked: fire(workspace, events) };
    },

    edit(workspace, channel, before, patch) {
      const eventTs = nextTs(workspace, input.clock);
      const after: StoredMessage = {
        ...before,
        username: patch.username === undefined ? before.username : patch.username,
        text: patch.text,
        markdown: patch.markdown ?? null,
        blocks: patch.blocks === undefined ? textBlocks(patch.text, input.random) : patch.blocks,
        attachments: patch.attachments === undefined ? before.attachments : patch.attachments,
        metadata: patch.metadata === undefined ? before.metadata : patch.metadata,
        edited: { userId: patch.editorId, ts: `${eventTs.split('.')[0]}.000000` },
      };
      replace(workspace, channel, after);
      if (after.visibleToUserId === null)
        fireAndForget(workspace, changedEvent(workspace, channel, { before, after, eventTs }));
      return after;
    },

    remove(workspace, channel, message) {
      const eventTs = nextTs(workspace, input.clock);
      const hasReplies = (channel.replies.get(message.ts)?.length ?? 0) > 0;
      if (hasReplies) {
        const after: StoredMessage = { ...message, text: '', blocks: null, metadata: null, tombstone: true };
        replace(workspace, channel, after);
        fireAndForget(workspace, changedEvent(workspace, channel, { before: message, after, eventTs }));
        return;
      }
      const event = deletedEvent(workspace, channel, { before: message, eventTs });
      channel.messages.delete(message.ts);
      input.changed({ type: 'deleted', workspace, channel, message });
      const root = message.threadTs === null ? undefined : channel.messages.get(message.threadTs);
      if (root) {
        const others = (channel.replies.get(root.ts) ?? []).filter((ts) => ts !== message.ts);
        if (others.length > 0) channel.replies.set(root.ts, others);
        else channel.replies.delete(root.ts);
        input.changed({ type: 'changed', workspace, channel, message: root });
      }
      if (message.visibleToUserId === null) fireAndForget(workspace, event);
    },

    react(workspace, channel, message, { userId, name, present }) {
      const others = message.reactions.filter((reaction) => reaction.name !== name);
      const before = message.reactions.find((reaction) => reaction.name === name)?.userIds ?? [];
      if (before.includes(userId) === present) return message; // Slack sends nothing either
      const userIds = present ? [...before, userId] : before.filter((id) => id !== userId);
      const reactions = userIds.length > 0 ? [...others, { name, userIds }] : others;
      const after = { ...message, reactions };
      replace(workspace, channel, after);
      const eventTs = nextTs(workspace, input.clock);
      const type = present ? 'reaction_added' : 'reaction_removed';
      fireAndForget(workspace, reactionEvent(workspace, channel, after, { type, userId, name, eventTs }));
      return after;
    },

    openConversation(workspace, userIds) {
      const members = new Set([workspace.seed.botUserId, ...userIds]);
      const isThis = (channel: WorkspaceChannel) =>
        (channel.kind === 'im' || channel.kind === 'mpim') &&
        channel.memberIds.size === members.size &&
        [...members].every((id) => channel.memberIds.has(id));
      const known = [...workspace.channels.values()].find(isThis);
      if (known) return { channel: known, created: false };
      const handles = userIds.map((id) => workspace.users.get(id)?.handle ?? id);
      const group = userIds.length > 1;
      const channel = createChannel({
        id: slackId(group ? 'C' : 'D', input.random),
        name: group ? `mpdm-${handles.join('--')}-1` : (handles[0] ?? ''),
        kind: group ? 'mpim' : 'im',
        memberIds: [...members],
      });
      workspace.channels.set(channel.id, channel);
      input.changed({ type: 'workspace', workspace });
      return { channel, created: true };
    },

    setInstallation(workspace, state) {
      if (workspace.installation === state) return;
      const before = workspace.installation;
      workspace.installation = state;
      input.changed({ type: 'workspace', workspace });
      if (state === 'installed' || before !== 'installed') return;
      const eventTs = nextTs(workspace, input.clock);
      void input.dispatch(workspace, [uninstallEvent(workspace, state, eventTs)]);
    },
  };
}

function newMessage(
  workspace: Workspace,
  channel: WorkspaceChannel,
  draft: MessageDraft,
  input: { readonly clock: Clock; readonly random: Random },
): StoredMessage {
  const bot = workspace.users.get(draft.userId)?.bot ?? null;
  return {
    ts: nextTs(workspace, input.clock),
    channelId: channel.id,
    userId: draft.userId,
    botId: bot?.botId ?? null,
    appId: bot?.appId ?? null,
    username: draft.username ?? null,
    text: draft.text,
    markdown: draft.markdown ?? null,
    blocks: draft.blocks === undefined ? textBlocks(draft.text, input.random) : draft.blocks,
    attachments: draft.attachments ?? null,
    threadTs: rootTs(channel, draft.threadTs ?? null),
    broadcast: draft.broadcast ?? false,
    clientMessageId: bot ? null : randomUuid(input.random),
    edited: null,
    metadata: draft.metadata ?? null,
    reactions: [],
    files: (draft.files ?? []).map(({ id, name, title, mediaType, sizeBytes }) => ({
      id: id ?? slackId('F', input.random),
      name,
      ...(title === undefined ? {} : { title }),
      mediaType,
      sizeBytes,
    })),
    visibleToUserId: draft.visibleToUserId ?? null,
    tombstone: false,
  };
}

/**
 * The root of the thread a message is posted to. A reply's `ts` stands for its thread. Where the root is gone Slack
 * does not fail: the message silently lands in the channel itself (https://github.com/slack-go/slack/issues/1571).
 */
function rootTs(channel: WorkspaceChannel, threadTs: string | null): string | null {
  const target = threadTs === null ? undefined : channel.messages.get(threadTs);
  return target ? (target.threadTs ?? target.ts) : null;
}

function textBlocks(text: string, random: Random): readonly unknown[] | null {
  return text === '' ? null : [richTextBlock(text, slackId('', random, 5))];
}

function mentionsAgent(workspace: Workspace, channel: WorkspaceChannel, message: StoredMessage): boolean {
  return (
    channel.kind !== 'im' &&
    message.userId !== workspace.seed.botUserId &&
    mentionedUserIds(message.text).includes(workspace.seed.botUserId)
  );
}

/** Slack sends an app only what it subscribed to, and messages only of conversations that it is in. */
function reachesApp(workspace: Workspace, { channel, event }: InnerEvent): boolean {
  if (workspace.installation !== 'installed') return false;
  if (channel && !channel.memberIds.has(workspace.seed.botUserId)) return false;
  const subscription =
    event.type === 'message' && channel ? messageSubscription(channel) : String(event.type);
  return workspace.seed.subscriptions?.includes(subscription) ?? true;
}
