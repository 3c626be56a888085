/** What the stand-in knows of one Mattermost server. Shapes as in its API (`@mattermost/types`). */
export interface User {
  readonly id: string;
  readonly username: string;
  readonly first_name: string;
  readonly last_name: string;
  readonly nickname: string;
  readonly is_bot: boolean;
  /** What administrators have to allow a bot. */
  readonly may_post_ephemeral: boolean;
}

export interface Channel {
  readonly id: string;
  readonly type: 'O' | 'P' | 'D' | 'G';
  readonly name: string;
  readonly team_id: string;
  readonly members: Set<string>;
  last_post_at: number;
  delete_at: number;
}

export interface Reaction {
  readonly user_id: string;
  readonly post_id: string;
  readonly emoji_name: string;
  readonly create_at: number;
}

export interface Post {
  readonly id: string;
  readonly user_id: string;
  readonly channel_id: string;
  readonly root_id: string;
  readonly create_at: number;
  readonly type: string;
  readonly file_ids: readonly string[];
  readonly pending_post_id: string;
  update_at: number;
  edit_at: number;
  delete_at: number;
  message: string;
  props: Readonly<Record<string, unknown>>;
  reactions: readonly Reaction[];
}

export interface StoredFile {
  readonly id: string;
  readonly name: string;
  readonly mime_type: string;
  readonly content: Buffer;
  readonly user_id: string;
  readonly channel_id: string;
  post_id: string;
}

export interface OutgoingWebhook {
  readonly token: string;
  /** `null`: any public channel. */
  readonly channelId: string | null;
  readonly triggerWords: readonly string[];
  readonly contentType: 'application/json' | 'application/x-www-form-urlencoded';
  readonly url: string;
}

export interface World {
  readonly users: Map<string, User>;
  readonly tokens: Map<string, string>;
  readonly teams: Map<string, { readonly id: string; readonly name: string; readonly members: Set<string> }>;
  readonly channels: Map<string, Channel>;
  /** In the order in which they were written. */
  readonly posts: Map<string, Post>;
  readonly files: Map<string, StoredFile>;
  readonly webhooks: OutgoingWebhook[];
  /** `user category name` → value */
  readonly preferences: Map<string, string>;
  /** `pending_post_id` → id of the post, for half a minute. */
  readonly pending: Map<string, { readonly postId: string; readonly untilMs: number }>;
  readonly typing: { readonly userId: string; readonly channelId: string; readonly parentId: string }[];
  readonly ephemeral: { readonly userId: string; readonly message: string }[];
  readonly config: Record<string, string>;
  /** The server's clock: no two things happen at the same time, so that order is time. */
  now(): number;
  /** Lets time pass there, or go back. */
  pass(ms: number): void;
}

/** A refusal in Mattermost's words. */
export class AppError extends Error {
  readonly status: number;
  readonly id: string;

  constructor(status: number, id: string) {
    super(`Refused: ${id}`);
    this.status = status;
    this.id = id;
  }
}

export const forbidden = (): AppError => new AppError(403, 'api.context.permissions.app_error');
export const MAX_POST_RUNES = 16_383;
export const MAX_FILE_BYTES = 100 * 1024 * 1024;

const ALPHABET = 'ybndrfg8ejkmcpqxot1uwisza345h769';
let ids = 0;

/** As `model.NewId` makes them: 26 characters of its own base 32. */
export function newId(): string {
  ids += 1;
  let left = ids * 7_919;
  let id = '';
  while (id.length < 26) {
    id += ALPHABET[left % 32];
    left = Math.floor(left / 32) + 31 * (id.length + 1);
  }
  return `${id.slice(0, 18)}${ids.toString(36).padStart(8, '0')}`;
}

export function createWorld(): World {
  let last = 0;
  let aheadMs = 0;
  return {
    users: new Map(),
    tokens: new Map(),
    teams: new Map(),
    channels: new Map(),
    posts: new Map(),
    files: new Map(),
    webhooks: [],
    preferences: new Map(),
    pending: new Map(),
    typing: [],
    ephemeral: [],
    config: {
      MaxPostSize: String(MAX_POST_RUNES),
      MaxFileSize: String(MAX_FILE_BYTES),
      Version: '10.11.0',
    },
    now() {
      last = Math.max(Date.now() + aheadMs, last + 1);
      return last;
    },
    pass(ms) {
      aheadMs += ms;
      if (ms < 0) last += ms;
    },
  };
}

/** The address of a post, wherever the server is. */
const PERMALINK = /https?:\/\/[^\s/]+(?:\/[^\s/]+)*\/[a-z0-9_-]+\/pl\/([a-z0-9]{26})(?![a-z0-9])/;

/**
 * The post whose address stands first in a text, as the server shows it to whoever may read it. Without such a post of its
 * own: a preview shows no preview.
 */
function embedsFor(world: World, { message }: Post, viewerId: string): readonly unknown[] {
  const shown = world.posts.get(PERMALINK.exec(message)?.[1] ?? '');
  const channel = world.channels.get(shown?.channel_id ?? '');
  if (shown === undefined || channel === undefined || shown.delete_at > 0) return [];
  const team = world.teams.get(channel.team_id);
  const mayRead =
    channel.members.has(viewerId) || (channel.type === 'O' && team?.members.has(viewerId) === true);
  if (!mayRead) return [];
  const data = {
    post_id: shown.id,
    post: wirePost(world, shown, null),
    team_name: team?.name ?? '',
    channel_display_name: channel.name,
    channel_type: channel.type,
    channel_id: channel.id,
  };
  return [{ type: 'permalink', url: '', data }];
}

/** A post as one person's clients get it: what buttons lead to stays with the server. */
export function wirePost(
  world: World,
  post: Post,
  viewerId: string | null,
): Readonly<Record<string, unknown>> {
  const { reactions, ...rest } = post;
  const attachments = (post.props.attachments ?? null) as readonly Record<string, unknown>[] | null;
  const stripped =
    attachments === null
      ? post.props
      : {
          ...post.props,
          attachments: attachments.map((attachment) => ({
            ...attachment,
            actions: ((attachment.actions ?? []) as readonly Record<string, unknown>[]).map(
              ({ integration: _private, ...action }) => action,
            ),
          })),
        };
  const files = post.file_ids.flatMap((id) => {
    const file = world.files.get(id);
    return file === undefined ? [] : [fileInfo(file)];
  });
  const embeds = viewerId === null ? [] : embedsFor(world, post, viewerId);
  return {
    ...rest,
    props: stripped,
    original_id: '',
    hashtags: '',
    is_pinned: false,
    reply_count: 0,
    last_reply_at: 0,
    participants: null,
    ...(reactions.length > 0 && { has_reactions: true }),
    metadata: {
      ...(embeds.length > 0 && { embeds }),
      ...(files.length > 0 && { files }),
      ...(reactions.length > 0 && { reactions }),
    },
  };
}

export function fileInfo({ content, ...file }: StoredFile): Readonly<Record<string, unknown>> {
  const extension = file.name.split('.').at(-1) ?? '';
  const times = { create_at: 1, update_at: 1, delete_at: 0 };
  return { ...file, ...times, extension, size: content.length, has_preview_image: false, archived: false };
}

export function wireUser({ may_post_ephemeral: _role, ...user }: User): Readonly<Record<string, unknown>> {
  return { ...user, email: '', roles: 'system_user', locale: 'en', create_at: 1, update_at: 1, delete_at: 0 };
}

export function wireChannel({ members: _members, ...channel }: Channel): Readonly<Record<string, unknown>> {
  return { ...channel, create_at: 1, update_at: 1, display_name: channel.name, header: '', purpose: '' };
}
