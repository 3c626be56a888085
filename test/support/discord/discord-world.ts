import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type {
  APIApplicationCommand,
  APIAttachment,
  APIMessage,
  APIRole,
  APIUser,
} from 'discord-api-types/v10';

/** One app with its bot, as somebody made it in the Developer Portal. */
export interface App {
  readonly id: string;
  readonly user: APIUser;
  token: string;
  readonly publicKey: string;
  readonly privateKey: KeyObject;
  /** Whether the Message Content Intent is switched on. */
  canReadMessages: boolean;
  /** What the gateway goes by: large apps need Discord's word beside the switch. */
  isReadingApproved: boolean;
  isPublic: boolean;
  interactionsEndpointUrl: string | null;
  sessionsLeft: number;
  shards: number;
  readonly commands: APIApplicationCommand[];
}

export interface AppSeed {
  readonly name: string;
  readonly canReadMessages?: boolean;
}

export interface Server {
  readonly id: string;
  readonly name: string;
  readonly roles: APIRole[];
  /** The bots in it, with what they may do anywhere in it. */
  readonly bots: Map<string, bigint>;
}

export interface Channel {
  readonly id: string;
  readonly type: number;
  readonly serverId: string | null;
  readonly parentId: string | null;
  readonly name: string | null;
  /** Of a direct conversation: the bot's user and the person. */
  readonly recipients: readonly APIUser[];
  /** By id, in order. */
  readonly messages: Map<string, Message>;
  /** What of a server's permissions a bot lacks here, by its user. */
  readonly denied: Map<string, bigint>;
}

export type Message = APIMessage & { nonce?: string };

/** An interaction that waits for its answer, by token. */
export interface OpenInteraction {
  readonly id: string;
  readonly appId: string;
  readonly channelId: string;
  readonly messageId: string | null;
  answered: number | null;
  /** The message that it was answered with. */
  responseId: string | null;
  isPrivate: boolean;
}

/** Everything that Discord knows. */
export interface World {
  readonly apps: App[];
  readonly servers: Map<string, Server>;
  readonly channels: Map<string, Channel>;
  readonly users: Map<string, APIUser>;
  readonly interactions: Map<string, OpenInteraction>;
  readonly files: Map<string, Buffer>;
  /** Reactions of bots: channel, message, emoji. */
  readonly reactions: Set<string>;
  /** Whom bots have called upon. */
  readonly pings: string[];
  /** What people were shown alone. */
  readonly whispers: string[];
  nextId(): string;
  readonly baseUrl: () => string;
}

export const PERMISSIONS = {
  addReactions: 1n << 6n,
  view: 1n << 10n,
  send: 1n << 11n,
  embed: 1n << 14n,
  attach: 1n << 15n,
  readHistory: 1n << 16n,
  startThreads: 1n << 35n,
  sendInThreads: 1n << 38n,
} as const;
export const ALL = Object.values(PERMISSIONS).reduce((sum, bit) => sum | bit, 0n);

export const TYPES = { text: 0, direct: 1, voice: 2, category: 4, thread: 11, forum: 15 } as const;

const EPOCH_MS = 1_420_070_400_000n;

export function createWorld(baseUrl: () => string): World {
  let increment = 0n;
  let lastMs = 0n;
  return {
    apps: [],
    servers: new Map(),
    channels: new Map(),
    users: new Map(),
    interactions: new Map(),
    files: new Map(),
    reactions: new Set(),
    pings: [],
    whispers: [],
    baseUrl,
    nextId() {
      const nowMs = BigInt(Date.now());
      increment = nowMs === lastMs ? increment + 1n : 0n;
      lastMs = nowMs;
      return String(((nowMs - EPOCH_MS) << 22n) | increment);
    },
  };
}

export function makeUser(world: World, username: string, isBot = false): APIUser {
  const user: APIUser = {
    id: world.nextId(),
    username: username.toLowerCase(),
    discriminator: '0',
    global_name: username,
    avatar: null,
    ...(isBot && { bot: true }),
  };
  world.users.set(user.id, user);
  return user;
}

export function makeApp(world: World, { name, canReadMessages = true }: AppSeed): App {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const user = makeUser(world, name, true);
  // As in all apps of today, the bot's user has the app's id.
  const app: App = {
    id: user.id,
    user,
    token: `${Buffer.from(user.id).toString('base64url')}.GaBcDe.standin_${name.toLowerCase().padEnd(20, '0')}`,
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex'),
    privateKey,
    canReadMessages,
    isReadingApproved: canReadMessages,
    isPublic: false,
    interactionsEndpointUrl: null,
    sessionsLeft: 1_000,
    shards: 1,
    commands: [],
  };
  world.apps.push(app);
  return app;
}

/** What a bot may do in a channel; a thread is as its channel. `null`: there is no such channel for it. */
export function permissionsOf(world: World, app: App, channel: Channel): bigint | null {
  if (channel.type === TYPES.direct)
    return channel.recipients.some(({ id }) => id === app.user.id) ? ALL : null;
  const given = world.servers.get(channel.serverId ?? '')?.bots.get(app.user.id);
  if (given === undefined) return null;
  const parent = channel.parentId === null ? null : world.channels.get(channel.parentId);
  const denied = (channel.denied.get(app.user.id) ?? 0n) | (parent?.denied.get(app.user.id) ?? 0n);
  return given & ~denied;
}

/** A channel as Discord shows it. */
export function wireChannel(channel: Channel): Readonly<Record<string, unknown>> {
  const last = [...channel.messages.keys()].at(-1) ?? null;
  return {
    id: channel.id,
    type: channel.type,
    last_message_id: last,
    flags: 0,
    ...(channel.serverId === null
      ? { recipients: channel.recipients.filter(({ bot }) => bot !== true) }
      : { guild_id: channel.serverId, name: channel.name, parent_id: channel.parentId }),
    ...(channel.type === TYPES.thread && {
      thread_metadata: { archived: false, auto_archive_duration: 1440, locked: false },
    }),
  };
}

export function attachmentOf(
  world: World,
  name: string,
  content: Buffer,
  mediaType: string,
  description?: string,
): APIAttachment {
  const id = world.nextId();
  world.files.set(id, content);
  const url = `${world.baseUrl()}/attachments/${id}/${encodeURIComponent(name)}?ex=65d903de&is=65c68ede&hm=24`;
  return {
    id,
    filename: name,
    size: content.length,
    url,
    proxy_url: url,
    content_type: mediaType,
    ...(description !== undefined && { description }),
  };
}

/** An answer of Discord's that is no success. */
export class DiscordRefusal extends Error {
  readonly status: number;
  readonly code: number;
  readonly errors: unknown;

  constructor(status: number, code: number, message: string, errors?: unknown) {
    super(message);
    this.status = status;
    this.code = code;
    this.errors = errors;
  }
}

/** The answer to a form that is wrong in one field. */
export function invalidForm(field: string, message: string): DiscordRefusal {
  const errors = { [field]: { _errors: [{ code: 'BASE_TYPE_INVALID', message }] } };
  return new DiscordRefusal(400, 50035, 'Invalid Form Body', errors);
}
