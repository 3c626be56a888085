import {
  channelFor,
  createPost,
  deletePost,
  patchPost,
  readableChannel,
  requireFields,
  textOf,
} from './mattermost-posts.ts';
import {
  AppError,
  fileInfo,
  forbidden,
  MAX_FILE_BYTES,
  newId,
  type Post,
  type User,
  type World,
  wireChannel,
  wirePost,
  wireUser,
} from './mattermost-world.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface ApiRequest {
  readonly method: string;
  /** Below `/api/v4`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly body: Buffer;
  readonly user: User;
}

export interface ApiAnswer {
  readonly status: number;
  /** JSON, or a file. */
  readonly json?: unknown;
  readonly file?: { readonly mediaType: string; readonly content: Buffer };
}

/** What an answer has changed, told to sockets and webhooks. */
export interface Announce {
  posted(post: Post): void;
  edited(post: Post): void;
  deleted(post: Post): void;
  reacted(post: Post, emojiName: string, userId: string, createAt: number, present: boolean): void;
}

const MAX_PER_PAGE = 200;
const MAX_SINCE = 1_000;
const json = (value: unknown, status = 200): ApiAnswer => ({ status, json: value });

/** One call of the API. @throws AppError what the server would refuse */
export async function answerCall(world: World, announce: Announce, request: ApiRequest): Promise<ApiAnswer> {
  const { method, path, query, user } = request;
  const parts = path.split('/').slice(1);
  const route = `${method} /${parts.map((part) => (/^[a-z0-9]{26}$/.test(part) ? '*' : part)).join('/')}`;
  const [, first = '', , third = ''] = parts;
  switch (route) {
    case 'GET /users/me':
      return json(wireUser(user));
    case 'GET /users/*':
      return json(wireUser(known(world.users.get(first), 'app.user.missing_account.const')));
    case 'GET /users/me/teams':
      return json([...world.teams.values()].filter(({ members }) => members.has(user.id)));
    case 'GET /users/me/channels': {
      const own = [...world.channels.values()].filter(({ members }) => members.has(user.id));
      return json(own.map(wireChannel));
    }
    case 'GET /channels/*':
      return json(wireChannel(readableChannel(world, first, user.id)));
    case 'GET /channels/*/posts':
      readableChannel(world, first, user.id);
      return json(listPosts(world, first, query, user.id));
    case 'POST /posts': {
      const { post, isNew } = createPost(world, user.id, fieldsOf(request));
      if (isNew) announce.posted(post);
      return json(wirePost(world, post, user.id), 201);
    }
    case 'POST /posts/ephemeral': {
      if (!user.may_post_ephemeral) throw forbidden();
      const fields = fieldsOf(request);
      requireFields(fields, ['user_id', 'post']);
      const post = fields.post as Fields;
      requireFields(post, ['channel_id', 'root_id', 'message']);
      channelFor(world, textOf(post, 'channel_id'), user.id);
      world.ephemeral.push({ userId: textOf(fields, 'user_id'), message: textOf(post, 'message') });
      return json({ ...post, id: newId(), type: 'system_ephemeral' }, 201);
    }
    case 'GET /posts/*': {
      const post = livingPost(world, first);
      readableChannel(world, post.channel_id, user.id);
      return json(wirePost(world, post, user.id));
    }
    case 'GET /posts/*/thread': {
      const post = livingPost(world, first);
      readableChannel(world, post.channel_id, user.id);
      return json(listThread(world, post.root_id || post.id, query, user.id));
    }
    case 'PUT /posts/*/patch': {
      const post = patchPost(world, user.id, first, fieldsOf(request));
      announce.edited(post);
      return json(wirePost(world, post, user.id));
    }
    case 'DELETE /posts/*':
      announce.deleted(deletePost(world, user.id, first));
      return json({ status: 'OK' });
    case 'POST /reactions': {
      const fields = fieldsOf(request);
      requireFields(fields, ['user_id', 'post_id', 'emoji_name']);
      if (fields.user_id !== user.id) throw forbidden();
      const post = livingPost(world, textOf(fields, 'post_id'));
      channelFor(world, post.channel_id, user.id);
      return json(addReaction(world, announce, post, user.id, textOf(fields, 'emoji_name')), 201);
    }
    case 'POST /users/me/typing': {
      const fields = fieldsOf(request);
      requireFields(fields, ['channel_id', 'parent_id']);
      const channelId = textOf(fields, 'channel_id');
      channelFor(world, channelId, user.id);
      world.typing.push({ userId: user.id, channelId, parentId: textOf(fields, 'parent_id') });
      return json({ status: 'OK' });
    }
    case 'PUT /users/me/preferences':
      for (const preference of JSON.parse(request.body.toString()) as readonly Fields[]) {
        requireFields(preference, ['user_id', 'category', 'name', 'value']);
        if (preference.user_id !== user.id)
          throw new AppError(403, 'api.preference.update_preferences.set.app_error');
        const [category, name, value] = ['category', 'name', 'value'].map((each) => textOf(preference, each));
        if (!category || category.length > 32)
          throw new AppError(400, 'model.preference.is_valid.category.app_error');
        if (name === undefined || name.length > 32)
          throw new AppError(400, 'model.preference.is_valid.name.app_error');
        if (value === undefined || value.length > 2000)
          throw new AppError(400, 'model.preference.is_valid.value.app_error');
        world.preferences.set(`${user.id} ${category} ${name}`, value);
      }
      return json({ status: 'OK' });
    case 'POST /files':
      return json(await uploadFile(world, request), 201);
    case 'GET /files/*': {
      const file = known(world.files.get(first), 'app.file_info.get.app_error');
      if (file.user_id !== user.id) readableChannel(world, file.channel_id, user.id);
      return { status: 200, file: { mediaType: file.mime_type, content: file.content } };
    }
    case 'GET /config/client':
      // Servers before 10 want to be asked for the old format, and there has never been another one.
      if ((query.get('format') ?? 'old') !== 'old')
        throw new AppError(400, 'api.config.client.old_format.app_error');
      return json(world.config);
    default:
      break;
  }
  if (method === 'GET' && path.startsWith('/users/username/')) {
    const found = [...world.users.values()].find(
      ({ username }) => username === decodeURIComponent(parts[2] ?? ''),
    );
    return json(wireUser(known(found, 'app.user.get_by_username.app_error')));
  }
  if (method === 'GET' && path.startsWith('/users/me/preferences/')) {
    const start = `${user.id} ${parts[3]} `;
    const stored = [...world.preferences].filter(([key]) => key.startsWith(start));
    if (stored.length === 0) throw new AppError(404, 'api.preference.preferences_category.get.app_error');
    return json(
      stored.map(([key, value]) => ({
        user_id: user.id,
        category: parts[3],
        name: key.slice(start.length),
        value,
      })),
    );
  }
  if (method === 'DELETE' && parts[0] === 'users' && parts[2] === 'posts' && parts[4] === 'reactions') {
    if (first !== user.id) throw forbidden();
    const post = livingPost(world, third);
    removeReaction(world, announce, post, user.id, decodeURIComponent(parts[5] ?? ''));
    return json({ status: 'OK' });
  }
  throw new AppError(404, 'api.context.404.app_error');
}

export function addReaction(world: World, announce: Announce, post: Post, userId: string, emojiName: string) {
  const existing = post.reactions.find((each) => each.user_id === userId && each.emoji_name === emojiName);
  if (existing !== undefined) return existing;
  if (!/^[a-z0-9_+-]{1,64}$/.test(emojiName))
    throw new AppError(400, 'model.reaction.is_valid.emoji_name.app_error');
  const reaction = { user_id: userId, post_id: post.id, emoji_name: emojiName, create_at: world.now() };
  post.reactions = [...post.reactions, reaction];
  post.update_at = reaction.create_at;
  announce.reacted(post, emojiName, userId, reaction.create_at, true);
  return reaction;
}

export function removeReaction(
  world: World,
  announce: Announce,
  post: Post,
  userId: string,
  emojiName: string,
): void {
  const existing = post.reactions.find((each) => each.user_id === userId && each.emoji_name === emojiName);
  if (existing === undefined) return;
  post.reactions = post.reactions.filter((each) => each !== existing);
  post.update_at = world.now();
  announce.reacted(post, emojiName, userId, existing.create_at, false);
}

function known<T>(value: T | undefined, id: string): T {
  if (value === undefined) throw new AppError(404, id);
  return value;
}

function livingPost(world: World, postId: string): Post {
  const post = known(world.posts.get(postId), 'app.post.get.app_error');
  if (post.delete_at > 0) throw new AppError(404, 'app.post.get.app_error');
  return post;
}

function fieldsOf({ body }: ApiRequest): Fields {
  const value: unknown = JSON.parse(body.toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new AppError(400, 'api.context.invalid_body_param.app_error');
  return value as Fields;
}

function perPageOf(query: URLSearchParams, name: string): number {
  return Math.min(Number(query.get(name) ?? 60), MAX_PER_PAGE);
}

function asList(world: World, ordered: readonly Post[], hasNext: boolean, viewerId: string) {
  const roots = ordered.flatMap(({ root_id }) => world.posts.get(root_id) ?? []);
  const all = [...ordered, ...roots];
  return {
    order: ordered.map(({ id }) => id),
    posts: Object.fromEntries(all.map((post) => [post.id, wirePost(world, post, viewerId)])),
    next_post_id: '',
    prev_post_id: '',
    has_next: hasNext,
    first_inaccessible_post_time: 0,
  };
}

/** Newest first. With `since` those that have changed, deleted ones among them, and of too many any. */
function listPosts(world: World, channelId: string, query: URLSearchParams, viewerId: string) {
  const all = [...world.posts.values()].filter((post) => post.channel_id === channelId);
  const since = Number(query.get('since') ?? 0);
  if (since > 0) {
    const changed = all.filter(({ update_at }) => update_at > since);
    return asList(world, changed.slice(0, MAX_SINCE).reverse(), false, viewerId);
  }
  const living = all.filter(({ delete_at }) => delete_at === 0).reverse();
  const perPage = perPageOf(query, 'per_page');
  const pivot = (name: string) =>
    known(world.posts.get(query.get(name) ?? ''), 'app.post.get.app_error').create_at;
  if (query.has('after')) {
    const after = living.filter(({ create_at }) => create_at > pivot('after'));
    return asList(world, after.slice(-perPage), false, viewerId);
  }
  const older = query.has('before') ? living.filter(({ create_at }) => create_at < pivot('before')) : living;
  const page = Number(query.get('page') ?? 0);
  return asList(world, older.slice(page * perPage, (page + 1) * perPage), false, viewerId);
}

/** The root always; replies up from the end, or down from a time. */
function listThread(world: World, rootId: string, query: URLSearchParams, viewerId: string) {
  if (Number(query.get('perPage') ?? 0) > MAX_PER_PAGE)
    throw new AppError(400, 'api.context.invalid_url_param.app_error');
  const fromPost = query.get('fromPost') ?? '';
  const from = Number(query.get('fromCreateAt') ?? 0);
  if (fromPost !== '' && from === 0) throw new AppError(400, 'api.context.invalid_url_param.app_error');
  const root = livingPost(world, rootId);
  const replies = [...world.posts.values()].filter((post) => post.root_id === rootId && post.delete_at === 0);
  const isDown = query.get('direction') === 'down';
  const wanted = isDown ? replies.filter(({ create_at }) => create_at > from) : replies.reverse();
  const perPage = perPageOf(query, 'perPage');
  const page = wanted.slice(0, perPage);
  return asList(world, [root, ...page], wanted.length > perPage, viewerId);
}

async function uploadFile(world: World, { contentType, body, user }: ApiRequest) {
  const form = await new Response(new Uint8Array(body), {
    headers: { 'content-type': contentType },
  }).formData();
  for (const name of form.keys()) {
    if (!['channel_id', 'files', 'client_ids'].includes(name))
      throw new AppError(400, 'api.file.upload_file.read_form_value.app_error');
  }
  const channelId = String(form.get('channel_id') ?? '');
  channelFor(world, channelId, user.id);
  const uploaded = form.getAll('files');
  if (uploaded.length === 0) throw new AppError(400, 'api.file.upload_file.no_files.app_error');
  const infos: Fields[] = [];
  for (const part of uploaded) {
    if (typeof part === 'string') throw new AppError(400, 'api.file.upload_file.read_form_value.app_error');
    if (part.size > Math.min(MAX_FILE_BYTES, Number(world.config.MaxFileSize)))
      throw new AppError(413, 'api.file.upload_file.too_large_detailed.app_error');
    const id = newId();
    const content = Buffer.from(await part.arrayBuffer());
    const file = {
      id,
      name: part.name,
      mime_type: part.type,
      content,
      user_id: user.id,
      channel_id: channelId,
      post_id: '',
    };
    world.files.set(id, file);
    infos.push(fileInfo(file));
  }
  return { file_infos: infos, client_ids: [] };
}
