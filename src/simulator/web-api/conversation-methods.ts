import type { WireObject } from '../wire-message.ts';
import { wireMessageWithThread } from '../wire-message.ts';
import type { StoredMessage, WorkspaceChannel } from '../workspace.ts';
import { threadMessages, topLevelMessages } from '../workspace.ts';
import type { ApiArguments } from './api-arguments.ts';
import type { ApiCallContext, ApiMethod } from './api-method.ts';
import {
  allChannelScopes,
  channelScope,
  isMember,
  joinedChannel,
  requireScope,
  visibleChannel,
} from './api-method.ts';
import { SlackApiError } from './slack-api-error.ts';

const DEFAULT_PAGE = 100;
const MAXIMUM_PAGE = 999;

export const conversationMethods: Readonly<Record<string, ApiMethod>> = {
  'conversations.history': {
    scopes: allChannelScopes('history'),
    run(call) {
      const channel = readableChannel(call);
      const newestFirst = topLevelMessages(channel)
        .filter((message) => message.visibleToUserId === null && inRange(call.args, message.ts))
        .reverse();
      const page = takePage(call.args, newestFirst, DEFAULT_PAGE);
      return {
        messages: page.items.map((message) => wire(call, channel, message)),
        has_more: page.nextCursor !== '',
        pin_count: 0,
        response_metadata: { next_cursor: page.nextCursor },
      };
    },
  },

  /** Oldest first. Every page begins with the root, as in Slack; a message without replies is a thread of one. */
  'conversations.replies': {
    scopes: allChannelScopes('history'),
    run(call) {
      const { args } = call;
      const channel = readableChannel(call);
      const root = channel.messages.get(args.requiredText('ts'));
      if (!root || root.visibleToUserId !== null) throw new SlackApiError('thread_not_found');
      const replies = threadMessages(channel, root.ts)
        .slice(1)
        .filter((message) => message.visibleToUserId === null && inRange(args, message.ts));
      const page = takePage(args, replies, MAXIMUM_PAGE, args.text('cursor') === undefined ? 1 : 0);
      return {
        messages: [root, ...page.items].map((message) => wire(call, channel, message)),
        has_more: page.nextCursor !== '',
        response_metadata: { next_cursor: page.nextCursor },
      };
    },
  },

  'conversations.info': {
    scopes: allChannelScopes('read'),
    run(call) {
      const channel = visibleChannel(call);
      requireScope(call.workspace, [channelScope(channel.kind, 'read')]);
      return { channel: wireChannel(call, channel) };
    },
  },

  'conversations.open': {
    scopes: ['im:write', 'mpim:write'],
    run(call) {
      const { workspace, args, actions } = call;
      if (args.text('channel') !== undefined) {
        const channel = visibleChannel(call);
        return { no_op: true, already_open: true, channel: { id: channel.id } };
      }
      const userIds = (args.text('users') ?? '').split(',').filter((id) => id !== '');
      if (userIds.length === 0) throw new SlackApiError('users_list_not_supplied');
      for (const id of userIds) {
        const user = workspace.users.get(id);
        if (!user) throw new SlackApiError('user_not_found');
        if (user.bot) throw new SlackApiError('cannot_dm_bot');
      }
      requireScope(workspace, [channelScope(userIds.length > 1 ? 'mpim' : 'im', 'write')]);
      const { channel, created } = actions.openConversation(workspace, userIds);
      const known = created ? {} : { no_op: true, already_open: true };
      return { ...known, channel: args.flag('return_im') ? wireChannel(call, channel) : { id: channel.id } };
    },
  },
};

function readableChannel(call: ApiCallContext): WorkspaceChannel {
  const channel = joinedChannel(call);
  requireScope(call.workspace, [channelScope(channel.kind, 'history')]);
  return channel;
}

function wire(call: ApiCallContext, channel: WorkspaceChannel, message: StoredMessage): WireObject {
  const metadata = call.args.flag('include_all_metadata');
  return wireMessageWithThread(call.workspace, channel, message, { metadata });
}

/** `oldest` and `latest` are exclusive unless `inclusive` is set. */
function inRange(args: ApiArguments, ts: string): boolean {
  const inclusive = args.flag('inclusive');
  const time = Number(ts);
  const oldest = Number(args.text('oldest') ?? 0);
  const latest = Number(args.text('latest') ?? Number.POSITIVE_INFINITY);
  return inclusive ? time >= oldest && time <= latest : time > oldest && time < latest;
}

/**
 * One page and the cursor to the next one, empty at the end. A cursor names the message that comes next, so that what
 * is posted meanwhile does not shift the pages.
 * @param taken what the page holds already
 * @throws SlackApiError `invalid_cursor`, `invalid_limit`
 */
function takePage(
  args: ApiArguments,
  messages: readonly StoredMessage[],
  defaultLimit: number,
  taken = 0,
): { readonly items: readonly StoredMessage[]; readonly nextCursor: string } {
  const limit = args.integer('limit') ?? defaultLimit;
  if (limit < 1) throw new SlackApiError('invalid_limit');
  const cursor = args.text('cursor');
  const nextTs = cursor === undefined ? null : decodeCursor(cursor);
  const start = nextTs === null ? 0 : messages.findIndex((message) => message.ts === nextTs);
  if (start < 0) throw new SlackApiError('invalid_cursor');
  const end = start + Math.max(Math.min(limit, MAXIMUM_PAGE) - taken, 1);
  const next = messages[end];
  return { items: messages.slice(start, end), nextCursor: next ? encodeCursor(next.ts) : '' };
}

function encodeCursor(ts: string): string {
  return Buffer.from(`next_ts:${ts}`).toString('base64');
}

function decodeCursor(cursor: string): string {
  const match = /^next_ts:(\d+\.\d+)$/.exec(Buffer.from(cursor, 'base64').toString('utf8'));
  if (!match?.[1]) throw new SlackApiError('invalid_cursor');
  return match[1];
}

function wireChannel({ workspace }: ApiCallContext, channel: WorkspaceChannel): WireObject {
  const { seed } = workspace;
  const shared = {
    id: channel.id,
    created: 0,
    is_archived: false,
    is_org_shared: false,
    is_ext_shared: channel.externallyShared,
    is_shared: channel.externallyShared,
    context_team_id: seed.id,
  };
  if (channel.kind === 'im') {
    const partner = [...channel.memberIds].find((id) => id !== seed.botUserId);
    return { ...shared, is_im: true, user: partner, is_user_deleted: false, priority: 0 };
  }
  return {
    ...shared,
    name: channel.name,
    name_normalized: channel.name,
    is_channel: channel.kind === 'public',
    is_group: channel.kind === 'private',
    is_im: false,
    is_mpim: channel.kind === 'mpim',
    is_private: channel.kind !== 'public',
    is_general: channel.name === 'general',
    is_member: isMember(workspace, channel),
    creator: seed.users[0]?.id ?? seed.botUserId,
    topic: { value: channel.topic, creator: '', last_set: 0 },
    purpose: { value: '', creator: '', last_set: 0 },
    num_members: channel.memberIds.size,
  };
}
