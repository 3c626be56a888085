import { escapeText, markdownToText } from '../message-text.ts';
import { wireMessage } from '../wire-message.ts';
import type { MessageMetadata, StoredMessage, WorkspaceChannel } from '../workspace.ts';
import type { ApiArguments } from './api-arguments.ts';
import { isObject } from './api-arguments.ts';
import type { ApiCallContext, ApiMethod } from './api-method.ts';
import { joinedChannel, messageAt, requireScope } from './api-method.ts';
import { checkBlocks, markdownOf } from './check-blocks.ts';
import { invalidArguments, SlackApiError } from './slack-api-error.ts';

/** Longest `text` of a new message, in characters. https://docs.slack.dev/reference/methods/chat.postMessage */
const POST_TEXT_LIMIT = 40_000;
/**
 * Longest `text` of an update: Slack answers `msg_too_long` above it although its documentation names 40,000, see
 * https://github.com/seratch/ChatGPT-in-Slack/issues/102.
 */
const UPDATE_TEXT_LIMIT = 4_000;
const MARKDOWN_LIMIT = 12_000;
const AUTHOR = ['username', 'icon_emoji', 'icon_url'] as const;

export const chatMethods: Readonly<Record<string, ApiMethod>> = {
  'chat.postMessage': {
    scopes: ['chat:write'],
    run(call) {
      const { workspace, args, actions } = call;
      const channel = directOrJoinedChannel(call);
      const content = readContent(args, POST_TEXT_LIMIT, false);
      const { message } = actions.post(workspace, channel, {
        ...content,
        metadata: readMetadata(args) ?? null,
        userId: workspace.seed.botUserId,
        threadTs: args.text('thread_ts') ?? null,
        broadcast: args.text('thread_ts') !== undefined && args.flag('reply_broadcast'),
        username: authorOf(call),
      });
      return {
        channel: channel.id,
        ts: message.ts,
        message: wireMessage(workspace, message, { metadata: true }),
      };
    },
  },

  'chat.update': {
    scopes: ['chat:write'],
    run(call) {
      const { workspace, args, actions } = call;
      const channel = joinedChannel(call);
      const before = ownMessage(call, channel, 'cant_update_message');
      if (workspace.streams.has(before.ts)) throw new SlackApiError('streaming_state_conflict');
      if (AUTHOR.some((name) => args.has(name))) throw invalidArguments('unsupported argument of an update');
      const content = readContent(args, UPDATE_TEXT_LIMIT, true);
      const metadata = readMetadata(args);
      const after = actions.edit(workspace, channel, before, {
        ...content,
        editorId: workspace.seed.botUserId,
        // An update takes no name, and the app's own comes back: https://github.com/slackapi/node-slack-sdk/issues/944
        username: null,
        ...(metadata === undefined ? {} : { metadata }),
      });
      return {
        channel: channel.id,
        ts: after.ts,
        text: after.text,
        message: wireMessage(workspace, after, { metadata: true }),
      };
    },
  },

  'chat.postEphemeral': {
    scopes: ['chat:write'],
    run(call) {
      const { workspace, args, actions } = call;
      const channel = joinedChannel(call);
      const userId = args.requiredText('user');
      if (!channel.memberIds.has(userId)) throw new SlackApiError('user_not_in_channel');
      const { message } = actions.post(workspace, channel, {
        ...readContent(args, POST_TEXT_LIMIT, false),
        userId: workspace.seed.botUserId,
        threadTs: args.text('thread_ts') ?? null,
        visibleToUserId: userId,
      });
      return { message_ts: message.ts };
    },
  },

  'chat.delete': {
    scopes: ['chat:write'],
    run(call) {
      const channel = joinedChannel(call);
      const message = ownMessage(call, channel, 'cant_delete_message');
      // "No accommodations for impersonation": https://docs.slack.dev/reference/methods/chat.delete
      if (message.username !== null) throw new SlackApiError('cant_delete_message');
      if (call.workspace.streams.has(message.ts)) throw new SlackApiError('streaming_state_conflict');
      call.actions.remove(call.workspace, channel, message);
      return { channel: channel.id, ts: message.ts };
    },
  },
};

/** The name that a message is sent under; `null`: the app's. @throws SlackApiError `missing_scope` */
export function authorOf({ workspace, args }: ApiCallContext): string | null {
  if (AUTHOR.some((name) => args.text(name) !== undefined)) requireScope(workspace, ['chat:write.customize']);
  return args.text('username') ?? null;
}

/** A person's id in place of a channel's means the direct conversation with them. */
function directOrJoinedChannel(call: ApiCallContext): WorkspaceChannel {
  const { workspace, args, actions } = call;
  const user = workspace.users.get(args.text('channel') ?? '');
  return user && !user.bot ? actions.openConversation(workspace, [user.id]).channel : joinedChannel(call);
}

/** @throws SlackApiError `message_not_found`, or `foreignCode` when somebody else wrote it */
export function ownMessage(
  call: ApiCallContext,
  channel: WorkspaceChannel,
  foreignCode: string,
): StoredMessage {
  const message = messageAt(channel, call.args.requiredText('ts'), 'message_not_found');
  if (message.botId !== call.workspace.seed.botId) throw new SlackApiError(foreignCode);
  return message;
}

interface MessageContent {
  readonly text: string;
  readonly markdown: string | null;
  readonly blocks?: readonly unknown[] | null;
  readonly attachments?: readonly unknown[];
}

/** @throws SlackApiError `no_text`, `msg_too_long`, `markdown_text_conflict`, `invalid_blocks_format`, … */
function readContent(args: ApiArguments, textLimit: number, isUpdate: boolean): MessageContent {
  const text = args.text('text');
  const markdown = args.text('markdown_text');
  const blocks = readList(args, 'blocks', 'invalid_blocks_format', 'invalid_blocks');
  const attachments = readList(args, 'attachments', 'invalid_attachments', 'invalid_attachments');
  if (markdown !== undefined) {
    if (text !== undefined || blocks !== undefined) throw new SlackApiError('markdown_text_conflict');
    if (markdown.length > MARKDOWN_LIMIT) throw new SlackApiError('msg_too_long');
    return { text: markdownToText(markdown), markdown };
  }
  if (blocks) checkBlocks(blocks);
  const empty = text === undefined && !blocks?.length && !attachments?.length;
  if (empty && !(isUpdate && (blocks !== undefined || attachments !== undefined))) {
    throw new SlackApiError('no_text');
  }
  if (text !== undefined && text.length > textLimit) throw new SlackApiError('msg_too_long');
  return {
    text: normaliseAmpersands(text ?? ''),
    markdown: blocks ? markdownOf(blocks) : null,
    ...(blocks === undefined ? {} : { blocks }),
    ...(attachments === undefined ? {} : { attachments }),
  };
}

/** Slack stores a bare `&` escaped; entities and what is escaped already stay. */
function normaliseAmpersands(text: string): string {
  return text.replaceAll(/&(?!amp;|lt;|gt;)/g, escapeText('&'));
}

function readList(
  args: ApiArguments,
  name: string,
  formatCode: string,
  contentCode: string,
): readonly unknown[] | undefined {
  const value = args.json(name, formatCode);
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw new SlackApiError(formatCode);
  if (!value.every(isObject)) throw new SlackApiError(contentCode);
  return value;
}

/**
 * `undefined`: not given (an update keeps what is there); `null`: an empty object (an update takes it off).
 * @throws SlackApiError `invalid_metadata_format`
 */
export function readMetadata(args: ApiArguments): MessageMetadata | null | undefined {
  const value = args.json('metadata', 'invalid_metadata_format');
  if (value === undefined) return undefined;
  if (!isObject(value)) throw new SlackApiError('invalid_metadata_format');
  if (Object.keys(value).length === 0) return null;
  const { event_type, event_payload } = value;
  if (typeof event_type !== 'string' || event_type === '' || !isObject(event_payload)) {
    throw new SlackApiError('invalid_metadata_format');
  }
  return { event_type, event_payload };
}
