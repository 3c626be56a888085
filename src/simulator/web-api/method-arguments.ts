const MESSAGE = [
  'channel',
  'text',
  'markdown_text',
  'blocks',
  'attachments',
  'as_user',
  'parse',
  'link_names',
];
const AUTHOR = ['username', 'icon_emoji', 'icon_url'];
const READING = ['channel', 'include_all_metadata', 'cursor', 'limit', 'oldest', 'latest', 'inclusive'];
const REACTION = ['channel', 'timestamp', 'name'];

/**
 * What each method takes beside `token`. Slack ignores what it does not know, so a mistyped name posts into the channel
 * instead of the thread and says yes (slackapi/python-slack-sdk#1923).
 *
 * Source: https://docs.slack.dev/reference/methods and the request types of @slack/web-api
 */
export const methodArguments: Readonly<Record<string, readonly string[]>> = {
  'assistant.threads.setStatus': ['channel_id', 'thread_ts', 'status', 'loading_messages', ...AUTHOR],
  'assistant.threads.setSuggestedPrompts': ['channel_id', 'thread_ts', 'title', 'prompts'],
  'assistant.threads.setTitle': ['channel_id', 'thread_ts', 'title'],
  'auth.test': [],
  'chat.appendStream': ['channel', 'ts', 'markdown_text', 'chunks'],
  'chat.delete': ['channel', 'ts', 'as_user'],
  'chat.postEphemeral': [...MESSAGE, ...AUTHOR, 'user', 'thread_ts'],
  'chat.postMessage': [
    ...MESSAGE,
    ...AUTHOR,
    'thread_ts',
    'reply_broadcast',
    'metadata',
    'mrkdwn',
    'unfurl_links',
    'unfurl_media',
  ],
  'chat.startStream': [
    ...AUTHOR,
    'channel',
    'thread_ts',
    'markdown_text',
    'chunks',
    'recipient_user_id',
    'recipient_team_id',
    'task_display_mode',
  ],
  'chat.stopStream': ['channel', 'ts', 'markdown_text', 'chunks', 'blocks', 'metadata', 'session_status'],
  'chat.update': [...MESSAGE, 'ts', 'file_ids', 'metadata', 'reply_broadcast'],
  'conversations.history': READING,
  'conversations.info': ['channel', 'include_locale', 'include_num_members'],
  'conversations.open': ['channel', 'users', 'prevent_creation', 'return_im'],
  'conversations.replies': [...READING, 'ts'],
  'files.completeUploadExternal': [
    ...AUTHOR,
    'files',
    'channel_id',
    'channels',
    'thread_ts',
    'initial_comment',
    'blocks',
  ],
  'files.getUploadURLExternal': ['filename', 'length', 'alt_text', 'snippet_type'],
  'files.info': ['file', 'count', 'cursor', 'limit', 'page'],
  'oauth.v2.access': [
    'client_id',
    'client_secret',
    'code',
    'code_verifier',
    'grant_type',
    'redirect_uri',
    'refresh_token',
  ],
  'reactions.add': REACTION,
  'reactions.remove': [...REACTION, 'file', 'file_comment'],
  'team.info': ['team', 'domain'],
  'users.info': ['user', 'include_locale'],
};

/** Names among those given that the method does not take. */
export function unknownArguments(method: string, given: readonly string[]): readonly string[] {
  const taken = methodArguments[method];
  return taken === undefined ? [] : given.filter((name) => name !== 'token' && !taken.includes(name));
}
