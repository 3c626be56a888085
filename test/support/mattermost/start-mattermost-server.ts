// Longer than 400 lines: one server, whose API, sockets, webhooks and people share what has happened.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type WebSocket, WebSocketServer } from 'ws';
import { createWindowLimits, type WindowLimit, type WindowLimits } from '../window-limits.ts';
import { type Announce, addReaction, answerCall, removeReaction } from './mattermost-api.ts';
import { addPost, markDeleted } from './mattermost-posts.ts';
import {
  AppError,
  type Channel,
  createWorld,
  forbidden,
  newId,
  type OutgoingWebhook,
  type Post,
  type User,
  type World,
  wirePost,
} from './mattermost-world.ts';
import { callWebhooks } from './outgoing-webhooks.ts';

export interface Fault {
  /** Beginning of `POST /posts`. */
  readonly call: string;
  readonly kind: 'limit' | 'error' | 'refused' | 'cut_before' | 'cut_after' | 'silent_after';
  remaining: number;
  readonly retryAfterSeconds?: number;
}

export interface SaidOptions {
  readonly from: User;
  readonly text: string;
  readonly rootId?: string;
  readonly type?: string;
  readonly props?: Readonly<Record<string, unknown>>;
  readonly fileIds?: readonly string[];
}

/** A stand-in for one Mattermost server: its API, its sockets, its webhooks and the people on it. */
export interface MattermostServer {
  readonly url: string;
  readonly world: World;
  readonly faults: Fault[];
  /** `POST /posts` and the like, in order. */
  readonly calls: string[];
  /** What stood in the channels after each change of it, in order. */
  readonly shown: { readonly post: Post; readonly message: string }[];
  /** Away: connections are refused, sockets are cut. */
  isAway: boolean;
  addUser(user: Partial<User> & { readonly username: string; readonly token?: string }): User;
  addTeam(name: string, members: readonly User[]): string;
  addChannel(type: Channel['type'], members: readonly User[], teamId?: string): Channel;
  addWebhook(webhook: Omit<OutgoingWebhook, 'token'>): OutgoingWebhook;
  addFile(channel: Channel, from: User, name: string, mediaType: string, content: Buffer): string;
  say(channel: Channel, said: SaidOptions): Promise<Post>;
  edit(post: Post, text: string): void;
  /** Touches a post without changing what it says, as a pin does. */
  pin(post: Post): void;
  remove(post: Post): void;
  react(post: Post, from: User, emojiName: string, present?: boolean): void;
  press(post: Post, from: User, text: string): Promise<number>;
  removeFromChannel(channel: Channel, user: User): void;
  revoke(token: string): void;
  /** Sockets that were greeted. */
  readonly sockets: number;
  /** Whether somebody listens with a user's token, and has asked for what was missed. */
  isHeard(user: User): boolean;
  cutSockets(): void;
  /** The next event is numbered and not sent, as when a client is too slow. */
  dropNextEvent(): void;
  /** Sockets stay open, and nothing comes through them any more. */
  freezeSockets(): void;
  /** From now on more than the platform's documents allow is refused, by this clock. */
  keepLimits(clock: () => number): void;
  close(): Promise<void>;
}

interface Client {
  readonly socket: WebSocket;
  userId: string | null;
  seq: number;
  isFrozen: boolean;
}

const API = '/api/v4';
/**
 * Of one user: 10 a second, and 100 at once after a quiet time. Servers come with limits switched off.
 *
 * Source: https://docs.mattermost.com/configure/rate-limiting-configuration-settings.html
 */
const USER: readonly WindowLimit[] = [
  { operations: 110, windowMs: 1_000 },
  { operations: 200, windowMs: 10_000 },
];

/** @param tls key and certificate: then it speaks https and wss */
export async function startMattermostServer(
  tls: { readonly key: string; readonly cert: string } | null = null,
): Promise<MattermostServer> {
  const world = createWorld();
  const faults: Fault[] = [];
  let limits: WindowLimits | null = null;
  const calls: string[] = [];
  const shown: { post: Post; message: string }[] = [];
  const clients = new Set<Client>();
  let dropNext = false;
  let isAway = false;

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response).catch((error: unknown) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  };
  const server = tls === null ? createServer(answer) : createTlsServer(tls, answer);
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const path = request.url?.split('?')[0];
    if (isAway || path !== `${API}/websocket`) {
      socket.destroy();
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => welcome(opened));
  });

  function welcome(socket: WebSocket): void {
    const client: Client = { socket, userId: null, seq: 0, isFrozen: false };
    clients.add(client);
    socket.on('close', () => clients.delete(client));
    socket.on('error', () => {});
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as Record<string, unknown>;
      const token = (message.data as { token?: unknown } | undefined)?.token;
      if (message.action !== 'authentication_challenge' || typeof token !== 'string') return;
      const userId = world.tokens.get(token);
      if (userId === undefined) {
        const error = { id: 'api.web_socket_router.not_authenticated.app_error', message: 'no' };
        socket.send(JSON.stringify({ status: 'FAIL', error, seq_reply: message.seq }));
        socket.close();
        return;
      }
      client.userId = userId;
      socket.send(JSON.stringify({ status: 'OK', seq_reply: message.seq }));
      emit(
        client,
        'hello',
        { server_version: world.config.Version, connection_id: newId() },
        { user_id: userId },
      );
    });
  }

  function emit(client: Client, event: string, data: object, broadcast: object): void {
    const seq = client.seq;
    client.seq += 1;
    if (client.isFrozen) return;
    const whole = { omit_users: null, user_id: '', channel_id: '', team_id: '', ...broadcast };
    client.socket.send(JSON.stringify({ event, data, broadcast: whole, seq }));
  }

  function broadcast(channelId: string, event: string, dataFor: (viewerId: string) => object): void {
    const channel = world.channels.get(channelId);
    const skip = dropNext;
    dropNext = false;
    for (const client of clients) {
      if (client.userId === null || channel?.members.has(client.userId) !== true) continue;
      if (skip) client.seq += 1;
      else emit(client, event, dataFor(client.userId), { channel_id: channelId });
    }
  }

  const announce: Announce = {
    posted(post) {
      shown.push({ post, message: post.message });
      const channel = world.channels.get(post.channel_id) as Channel;
      broadcast(post.channel_id, 'posted', (viewerId) => ({
        channel_display_name: channel.name,
        channel_name: channel.name,
        channel_type: channel.type,
        post: JSON.stringify(wirePost(world, post, viewerId)),
        sender_name: `@${world.users.get(post.user_id)?.username}`,
        set_online: true,
        team_id: channel.team_id,
      }));
    },
    edited(post) {
      shown.push({ post, message: post.message });
      broadcast(post.channel_id, 'post_edited', (viewerId) => ({
        post: JSON.stringify(wirePost(world, post, viewerId)),
      }));
    },
    deleted(post) {
      broadcast(post.channel_id, 'post_deleted', (viewerId) => ({
        post: JSON.stringify(wirePost(world, post, viewerId)),
      }));
    },
    reacted(post, emojiName, userId, createAt, present) {
      const reaction = { user_id: userId, post_id: post.id, emoji_name: emojiName, create_at: createAt };
      const event = present ? 'reaction_added' : 'reaction_removed';
      broadcast(post.channel_id, event, () => ({ reaction: JSON.stringify(reaction) }));
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://server');
    const { pathname } = url;
    const body = await buffer(request);
    if (isAway) {
      request.socket.destroy();
      return;
    }
    const call = `${request.method} ${pathname.replace(API, '')}`;
    calls.push(call);
    const fault = faults.find((each) => each.remaining > 0 && matches(call, each.call));
    if (fault !== undefined) fault.remaining -= 1;
    if (fault?.kind === 'cut_before') {
      request.socket.destroy();
      return;
    }
    const waitMs = limits?.take(request.headers.authorization ?? '') ?? 0;
    if (fault?.kind === 'limit' || waitMs > 0) {
      const seconds = String(fault?.retryAfterSeconds ?? Math.max(1, Math.ceil(waitMs / 1_000)));
      response.writeHead(429, {
        'content-type': 'text/plain; charset=utf-8',
        'x-ratelimit-limit': '11',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': seconds,
        'retry-after': seconds,
      });
      response.end('limit exceeded\n');
      return;
    }
    if (fault?.kind === 'refused') return refuse(response, forbidden());
    if (fault?.kind === 'error') return refuse(response, new AppError(500, 'app.post.save.app_error'));
    try {
      if (!pathname.startsWith(API)) throw new AppError(404, 'api.context.404.app_error');
      const token = /^bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
      const user = world.users.get(world.tokens.get(token) ?? '');
      if (user === undefined) throw new AppError(401, 'api.context.session_expired.app_error');
      const contentType = request.headers['content-type'] ?? '';
      const method = request.method ?? 'GET';
      const path = pathname.slice(API.length);
      const answered = await answerCall(world, announce, {
        method,
        path,
        query: url.searchParams,
        contentType,
        body,
        user,
      });
      if (fault?.kind === 'cut_after') request.socket.destroy();
      else if (fault?.kind !== 'silent_after') {
        const contentType = answered.file?.mediaType ?? 'application/json';
        response.writeHead(answered.status, { 'content-type': contentType });
        response.end(answered.file?.content ?? JSON.stringify(answered.json));
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      refuse(response, error);
    }
  }

  function refuse(response: ServerResponse, { status, id, message }: AppError): void {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({ id, message, detailed_error: '', request_id: newId(), status_code: status }),
    );
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `${tls === null ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    world,
    faults,
    calls,
    shown,
    keepLimits: (clock) => {
      limits = createWindowLimits(USER, clock);
    },
    get isAway() {
      return isAway;
    },
    set isAway(value) {
      isAway = value;
      if (value) for (const { socket } of clients) socket.terminate();
    },
    addUser({ token, ...user }) {
      const made: User = {
        id: newId(),
        first_name: '',
        last_name: '',
        nickname: '',
        is_bot: false,
        may_post_ephemeral: false,
        ...user,
      };
      world.users.set(made.id, made);
      if (token !== undefined) world.tokens.set(token, made.id);
      return made;
    },
    addTeam(name, members) {
      const id = newId();
      world.teams.set(id, { id, name, members: new Set(members.map((user) => user.id)) });
      return id;
    },
    addChannel(type, members, teamId = '') {
      const id = newId();
      const channel: Channel = {
        id,
        type,
        name: `channel-${id.slice(-4)}`,
        team_id: type === 'O' || type === 'P' ? teamId : '',
        members: new Set(members.map((user) => user.id)),
        last_post_at: 0,
        delete_at: 0,
      };
      world.channels.set(id, channel);
      return channel;
    },
    addWebhook(webhook) {
      const made = { ...webhook, token: newId() };
      world.webhooks.push(made);
      return made;
    },
    addFile(channel, from, name, mediaType, content) {
      const id = newId();
      const owner = { user_id: from.id, channel_id: channel.id, post_id: '' };
      world.files.set(id, { id, name, mime_type: mediaType, content, ...owner });
      return id;
    },
    async say(channel, { from, text, rootId = '', type = '', props = {}, fileIds = [] }) {
      const post = addPost(world, {
        user_id: from.id,
        channel_id: channel.id,
        root_id: rootId,
        message: text,
        type,
        props: from.is_bot ? { ...props, from_bot: 'true' } : props,
        file_ids: fileIds,
        pending_post_id: '',
      });
      announce.posted(post);
      await callWebhooks(world, post);
      return post;
    },
    edit(post, text) {
      post.message = text;
      post.edit_at = world.now();
      post.update_at = post.edit_at;
      announce.edited(post);
    },
    pin(post) {
      post.update_at = world.now() + 60_000;
      announce.edited(post);
    },
    remove: (post) => announce.deleted(markDeleted(world, post)),
    react(post, from, emojiName, present = true) {
      if (present) addReaction(world, announce, post, from.id, emojiName);
      else removeReaction(world, announce, post, from.id, emojiName);
    },
    async press(post, from, text) {
      const attachments = (post.props.attachments ?? []) as readonly Attachment[];
      const action = attachments.flatMap(({ actions }) => actions).find(({ name }) => name === text);
      if (action === undefined) throw new Error(`There is no button "${text}" below post ${post.id}.`);
      const channel = world.channels.get(post.channel_id) as Channel;
      const body = {
        user_id: from.id,
        user_name: from.username,
        channel_id: post.channel_id,
        channel_name: channel.name,
        team_id: channel.team_id,
        team_domain: world.teams.get(channel.team_id)?.name ?? '',
        post_id: post.id,
        trigger_id: Buffer.from(`${newId()}:${from.id}:${world.now()}:sig`).toString('base64'),
        type: 'button',
        data_source: '',
        context: action.integration.context,
      };
      const headers = { 'content-type': 'application/json', accept: 'application/json' };
      const answer = await fetch(action.integration.url, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      const answered = await answer.text();
      if (answered !== '') JSON.parse(answered);
      return answer.status;
    },
    removeFromChannel(channel, user) {
      channel.members.delete(user.id);
      for (const client of clients) {
        if (client.userId === user.id)
          emit(client, 'user_removed', { channel_id: channel.id, remover_id: newId() }, { user_id: user.id });
      }
    },
    revoke(token) {
      world.tokens.delete(token);
      for (const { socket } of clients) socket.terminate();
    },
    get sockets() {
      return [...clients].filter(({ userId }) => userId !== null).length;
    },
    isHeard: ({ id }) =>
      [...clients].some(({ userId }) => userId === id) &&
      [...world.preferences.keys()].some((key) => key.startsWith(`${id} `)),
    cutSockets() {
      for (const { socket } of clients) socket.terminate();
    },
    dropNextEvent() {
      dropNext = true;
    },
    freezeSockets() {
      for (const client of clients) {
        client.isFrozen = true;
        client.socket.pause();
      }
    },
    async close() {
      for (const { socket } of clients) socket.terminate();
      sockets.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Attachment {
  readonly actions: readonly {
    readonly name: string;
    readonly integration: { readonly url: string; readonly context: unknown };
  }[];
}

function matches(call: string, wanted: string): boolean {
  const pattern = wanted.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${pattern.join('[^/]+')}$`).test(call);
}
