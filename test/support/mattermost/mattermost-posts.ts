import {
  AppError,
  type Channel,
  forbidden,
  MAX_POST_RUNES,
  newId,
  type Post,
  type World,
} from './mattermost-world.ts';

type Fields = Readonly<Record<string, unknown>>;

const CREATE_FIELDS = ['channel_id', 'message', 'root_id', 'file_ids', 'props', 'pending_post_id'];
const PATCH_FIELDS = ['id', 'message', 'props', 'file_ids', 'is_pinned', 'has_reactions'];
const ID = /^[a-z0-9]{26}$/;
const PENDING_MS = 30_000;

/** The server ignores fields that it does not know; here they are a mistake. */
export function requireFields(fields: Fields, known: readonly string[]): void {
  for (const name of Object.keys(fields)) {
    if (!known.includes(name)) throw new AppError(400, `api.context.invalid_body_param.app_error: ${name}`);
  }
}

export function textOf(fields: Fields, name: string): string {
  const value = fields[name] ?? '';
  if (typeof value !== 'string') throw new AppError(400, 'api.context.invalid_body_param.app_error');
  return value;
}

export function channelFor(world: World, channelId: string, userId: string): Channel {
  const channel = world.channels.get(channelId);
  if (channel === undefined || !channel.members.has(userId)) throw forbidden();
  return channel;
}

/** A member, or anybody in the team of a public channel. */
export function readableChannel(world: World, channelId: string, userId: string): Channel {
  const channel = world.channels.get(channelId);
  if (channel === undefined) throw new AppError(404, 'app.channel.get.existing.app_error');
  const inTeam = world.teams.get(channel.team_id)?.members.has(userId) === true;
  if (!channel.members.has(userId) && !(channel.type === 'O' && inTeam)) throw forbidden();
  return channel;
}

/** `null`: it is new; otherwise the post that was made of the same request before. */
export function createPost(world: World, userId: string, fields: Fields): { post: Post; isNew: boolean } {
  requireFields(fields, CREATE_FIELDS);
  const channelId = textOf(fields, 'channel_id');
  const channel = channelFor(world, channelId, userId);
  if (channel.delete_at > 0) throw new AppError(400, 'api.post.create_post.can_not_post_to_deleted.error');
  const pendingId = textOf(fields, 'pending_post_id');
  const earlier = pendingId === '' ? undefined : world.pending.get(pendingId);
  if (earlier !== undefined && earlier.untilMs > Date.now()) {
    const post = world.posts.get(earlier.postId);
    if (post === undefined || post.delete_at > 0)
      throw new AppError(500, 'api.post.deduplicate_create_post.failed_to_get');
    return { post, isNew: false };
  }
  const message = textOf(fields, 'message');
  checkMessage(message);
  const rootId = textOf(fields, 'root_id');
  if (rootId !== '') checkRoot(world, rootId, channelId);
  const fileIds = fields.file_ids ?? [];
  if (!Array.isArray(fileIds) || fileIds.length > 10)
    throw new AppError(400, 'model.post.is_valid.file_ids.app_error');
  for (const id of fileIds) {
    const file = world.files.get(String(id));
    if (file === undefined || file.user_id !== userId || file.post_id !== '' || file.channel_id !== channelId)
      throw new AppError(400, 'app.file_info.attach_to_post.app_error');
  }
  const props = checkProps(fields.props);
  const isBot = world.users.get(userId)?.is_bot === true;
  const post = addPost(world, {
    user_id: userId,
    channel_id: channelId,
    root_id: rootId,
    message,
    type: '',
    props: isBot ? { ...props, from_bot: 'true' } : props,
    file_ids: fileIds.map(String),
    pending_post_id: pendingId,
  });
  for (const id of post.file_ids) (world.files.get(id) as { post_id: string }).post_id = post.id;
  if (pendingId !== '') world.pending.set(pendingId, { postId: post.id, untilMs: Date.now() + PENDING_MS });
  return { post, isNew: true };
}

export function addPost(
  world: World,
  given: Omit<Post, 'id' | 'create_at' | 'update_at' | 'edit_at' | 'delete_at' | 'reactions'>,
): Post {
  const at = world.now();
  const post: Post = {
    id: newId(),
    create_at: at,
    update_at: at,
    edit_at: 0,
    delete_at: 0,
    reactions: [],
    ...given,
  };
  world.posts.set(post.id, post);
  (world.channels.get(post.channel_id) as Channel).last_post_at = at;
  return post;
}

/**
 * Of a post that is gone the server says that one may not change it. Its props are replaced by those that are given, whatever
 * there was: only from version 11 on does the server keep who has written it (`PreserveIdentityPropsFrom`).
 */
export function patchPost(world: World, userId: string, postId: string, fields: Fields): Post {
  requireFields(fields, PATCH_FIELDS);
  const post = world.posts.get(postId);
  if (post === undefined || post.delete_at > 0 || post.user_id !== userId) throw forbidden();
  if (fields.message !== undefined) {
    const message = textOf(fields, 'message');
    checkMessage(message);
    if (message !== post.message) {
      post.message = message;
      post.edit_at = world.now();
    }
  }
  if (fields.props !== undefined) post.props = checkProps(fields.props);
  post.update_at = world.now();
  return post;
}

export function deletePost(world: World, userId: string, postId: string): Post {
  const post = world.posts.get(postId);
  if (post === undefined || post.delete_at > 0) throw new AppError(404, 'app.post.get.app_error');
  if (post.user_id !== userId) throw forbidden();
  return markDeleted(world, post);
}

export function markDeleted(world: World, post: Post): Post {
  post.delete_at = world.now();
  post.update_at = post.delete_at;
  return post;
}

function checkMessage(message: string): void {
  if ([...message].length > MAX_POST_RUNES)
    throw new AppError(400, 'model.post.is_valid.message_length.app_error');
}

function checkRoot(world: World, rootId: string, channelId: string): void {
  const root = ID.test(rootId) ? world.posts.get(rootId) : undefined;
  if (root === undefined || root.delete_at > 0 || root.root_id !== '')
    throw new AppError(400, 'api.post.create_post.root_id.app_error');
  if (root.channel_id !== channelId)
    throw new AppError(400, 'api.post.create_post.channel_root_id.app_error');
}

/** As `PostAction.IsValid` of the server. */
function checkProps(value: unknown): Readonly<Record<string, unknown>> {
  const props = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof props !== 'object' || Array.isArray(props))
    throw new AppError(400, 'api.context.invalid_body_param.app_error');
  for (const attachment of (props.attachments ?? []) as readonly Fields[]) {
    for (const action of (attachment.actions ?? []) as readonly Fields[]) {
      const url = (action.integration as Fields | undefined)?.url;
      const isValid =
        typeof action.id === 'string' &&
        /^[A-Za-z0-9]+$/.test(action.id) &&
        typeof action.name === 'string' &&
        action.name !== '' &&
        action.type === 'button' &&
        typeof url === 'string' &&
        /^https?:$/.test(URL.parse(url)?.protocol ?? '');
      if (!isValid) throw new AppError(400, 'model.post.is_valid.props_invalid.app_error');
    }
  }
  return props;
}
