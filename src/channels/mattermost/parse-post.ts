import type {
  AccountRef,
  Attachment,
  DeletionEvent,
  EditEvent,
  IgnoredEvent,
  MessageEvent,
} from '../../core/channel-event.ts';
import { quotation, withQuotations } from '../quotation.ts';
import { asLabel, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asMattermostId, asTime, type Scope } from './ids.ts';
import { type NormalisedText, normaliseText } from './normalise-text.ts';

/** What comes over a socket or a connection's own path names no account: whose it is, the socket or the path knows. */
export const ACCOUNT: AccountRef = { externalIds: [], appId: null, agentUserId: null };
const base = { account: ACCOUNT, eventId: null } as const;

/** What is not in a post but has to be known to read it. */
export interface PostSetting {
  readonly scope: Scope;
  /** The account that the connection's token belongs to: what it has said itself is no news. */
  readonly ownUserId: string;
}

/** Ordinary posts, and what people say by `/me`. All others are the system's, an app's or a plugin's. */
const SPOKEN = new Set(['', 'me']);
/** An edit changes both at the same moment; pins and reactions change only when it was last touched. */
const SAME_MOMENT_MS = 5_000;
const MAX_ATTACHMENTS = 10;
/** Mattermost shows the first post that is named, and no other. */
const MAX_QUOTED_POSTS = 3;

/**
 * A new post. A reply names the root of its thread; in a direct conversation what is no reply is answered beside it.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/GetPost
 */
export function parsePost(post: JsonRecord, setting: PostSetting): MessageEvent | IgnoredEvent {
  const said = spoken(post, setting);
  if ('reason' in said) return ignored(said.reason);
  const { messageId, channelId, senderId } = said;
  const { text, mentions, addressee, attachments } = contentOf(post);
  if (text === '' && attachments.length === 0) return ignored('post_empty');
  const threadId = asMattermostId(post.root_id);
  return {
    ...base,
    type: 'message',
    channelId,
    messageId,
    threadId,
    ...besideIt(setting.scope, threadId),
    scope: setting.scope,
    sender: { externalId: senderId, name: null },
    text,
    mentions,
    addressee,
    mentionsAgent: false,
    attachments,
    sentAtMs: asTime(post.create_at),
    channelMetadata: {},
  };
}

/** A post that was changed. Pins, previews and reactions come by the same event and are no edits. */
export function parseEditedPost(post: JsonRecord, setting: PostSetting): EditEvent | IgnoredEvent {
  const said = spoken(post, setting);
  if ('reason' in said) return ignored(said.reason);
  const editedAtMs = asTime(post.edit_at);
  if (editedAtMs === 0 || asTime(post.update_at) - editedAtMs > SAME_MOMENT_MS) return ignored('not_edited');
  const { text, mentions } = contentOf(post);
  return {
    ...base,
    type: 'edit',
    channelId: said.channelId,
    messageId: said.messageId,
    threadId: asMattermostId(post.root_id),
    scope: setting.scope,
    text,
    mentions,
    editedAtMs,
  };
}

/** A post that was taken away, by whoever. */
export function parseDeletedPost(post: JsonRecord, nowMs: number): DeletionEvent | IgnoredEvent {
  const messageId = asMattermostId(post.id);
  const channelId = asMattermostId(post.channel_id);
  if (messageId === null || channelId === null) return ignored('post_incomplete');
  const deletedAtMs = asTime(post.delete_at) || nowMs;
  return { ...base, type: 'deletion', channelId, messageId, deletedAtMs };
}

/** In a direct conversation the answer to what is no reply stands in the conversation, not in a thread below it. */
export function besideIt(scope: Scope, threadId: string | null): Pick<MessageEvent, 'chain'> {
  return scope === 'direct' && threadId === null
    ? { chain: { repliesTo: null, answerAt: IN_THE_CHANNEL, isPart: false } }
    : {};
}

/** As a `threadId`: no thread at all. */
export const IN_THE_CHANNEL = '';

export function ignored(reason: string): IgnoredEvent {
  return { ...base, type: 'ignored', reason };
}

/** Whether a person said it; otherwise why it is nothing for us. */
function spoken(
  post: JsonRecord,
  { ownUserId }: PostSetting,
):
  | { readonly messageId: string; readonly channelId: string; readonly senderId: string }
  | { readonly reason: string } {
  const messageId = asMattermostId(post.id);
  const channelId = asMattermostId(post.channel_id);
  const senderId = asMattermostId(post.user_id);
  if (messageId === null || channelId === null || senderId === null) return { reason: 'post_incomplete' };
  if (senderId === ownUserId) return { reason: 'own_message' };
  const type = post.type ?? '';
  if (typeof type !== 'string' || !SPOKEN.has(type)) return { reason: `post_type:${asLabel(type)}` };
  const props = asRecord(post.props) ?? {};
  if (isSet(props.from_bot) || isSet(props.from_webhook) || isSet(props.from_plugin))
    return { reason: 'bot_message' };
  return { messageId, channelId, senderId };
}

/** Mattermost writes `"true"`, and may write `true`. */
function isSet(value: unknown): boolean {
  return value === true || value === 'true';
}

/**
 * What a post says and carries. Whoever writes the address of another post means what it says: where the account may read
 * that, the server shows it below the address, and so it stands before the text as a quotation, and its files come with it.
 *
 * Source: `PreviewPost` in the server's `public/model/permalink.go`
 */
export function contentOf(post: JsonRecord): NormalisedText & Pick<MessageEvent, 'attachments'> {
  const said = normaliseText(post.message);
  const quoted = asRecords(asRecord(post.metadata)?.embeds)
    .filter(({ type }) => type === 'permalink')
    .slice(0, MAX_QUOTED_POSTS)
    .map(({ data }) => asRecord(asRecord(data)?.post) ?? {})
    .map((shown) => ({ text: normaliseText(shown.message).text, files: attachmentsOf(shown) }));
  return {
    ...said,
    text: withQuotations(
      quoted.map(({ text, files }) => quotation(text, null, files)),
      said.text,
    ),
    attachments: [...attachmentsOf(post), ...quoted.flatMap(({ files }) => files)],
  };
}

function attachmentsOf(post: JsonRecord): readonly Attachment[] {
  const described = asRecords(asRecord(post.metadata)?.files);
  const listed = Array.isArray(post.file_ids) ? post.file_ids : [];
  const files = described.length > 0 ? described : listed.map((id) => ({ id }) as JsonRecord);
  return files.slice(0, MAX_ATTACHMENTS).flatMap((file) => {
    const externalId = asMattermostId(file.id);
    if (externalId === null) return [];
    const size = asTime(file.size);
    return [
      {
        name: asText(file.name) || 'file',
        mediaType: asText(file.mime_type) || 'application/octet-stream',
        sizeBytes: size === 0 ? null : size,
        externalId,
      },
    ];
  });
}
