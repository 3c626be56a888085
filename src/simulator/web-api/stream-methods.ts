import { markdownToText } from '../message-text.ts';
import type { StoredMessage, WorkspaceChannel } from '../workspace.ts';
import type { ApiCallContext, ApiMethod } from './api-method.ts';
import { joinedChannel, messageAt } from './api-method.ts';
import { authorOf, ownMessage, readMetadata } from './chat-methods.ts';
import { invalidArguments, SlackApiError } from './slack-api-error.ts';

const LIFE_MS = 5 * 60_000;
const MARKDOWN_LIMIT = 12_000;

/**
 * A message that is written while people look on. It takes no metadata until it ends, and cannot be edited meanwhile.
 * Source: https://docs.slack.dev/reference/methods/chat.startStream, …/chat.appendStream, …/chat.stopStream
 */
export const streamMethods: Readonly<Record<string, ApiMethod>> = {
  'chat.startStream': {
    scopes: ['chat:write'],
    run(call) {
      const { workspace, args, actions, clock } = call;
      const channel = joinedChannel(call);
      const threadTs = args.requiredText('thread_ts');
      messageAt(channel, threadTs, 'invalid_thread_ts');
      if (args.has('metadata')) throw invalidArguments('unsupported argument: metadata');
      if (channel.kind !== 'im') {
        for (const name of ['recipient_user_id', 'recipient_team_id'])
          if (args.text(name) === undefined) throw new SlackApiError(`missing_${name}`);
      }
      const markdown = args.text('markdown_text') ?? '';
      const { message } = actions.post(workspace, channel, {
        userId: workspace.seed.botUserId,
        threadTs,
        text: markdownToText(markdown),
        markdown,
        username: authorOf(call),
      });
      workspace.streams.set(message.ts, clock());
      return { channel: channel.id, ts: message.ts };
    },
  },

  'chat.appendStream': {
    scopes: ['chat:write'],
    run(call) {
      const { channel, message } = streamed(call);
      write(call, channel, message, call.args.requiredText('markdown_text'));
      return { channel: channel.id, ts: message.ts };
    },
  },

  'chat.stopStream': {
    scopes: ['chat:write'],
    run(call) {
      const { channel, message } = streamed(call);
      write(call, channel, message, call.args.text('markdown_text') ?? '');
      call.workspace.streams.delete(message.ts);
      return { channel: channel.id, ts: message.ts };
    },
  },
};

/** @throws SlackApiError `message_not_in_streaming_state`, `message_not_found`, `message_not_owned_by_app` */
function streamed(call: ApiCallContext): {
  readonly channel: WorkspaceChannel;
  readonly message: StoredMessage;
} {
  const channel = joinedChannel(call);
  const message = ownMessage(call, channel, 'message_not_owned_by_app');
  const { streams } = call.workspace;
  const begunAtMs = streams.get(message.ts);
  if (begunAtMs !== undefined && call.clock() - begunAtMs > LIFE_MS) streams.delete(message.ts);
  if (!streams.has(message.ts)) throw new SlackApiError('message_not_in_streaming_state');
  return { channel, message };
}

function write(
  { workspace, args, actions }: ApiCallContext,
  channel: WorkspaceChannel,
  message: StoredMessage,
  more: string,
): void {
  const markdown = (message.markdown ?? '') + more;
  if (markdown.length > MARKDOWN_LIMIT) throw new SlackApiError('msg_too_long');
  const metadata = readMetadata(args);
  actions.edit(workspace, channel, message, {
    text: markdownToText(markdown),
    markdown,
    editorId: workspace.seed.botUserId,
    ...(metadata === undefined ? {} : { metadata }),
  });
}
