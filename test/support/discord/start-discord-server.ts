import { sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer as readBody } from 'node:stream/consumers';
import type { APIUser } from 'discord-api-types/v10';
import type { Given, Route, SentFile } from './api-context.ts';
import { deletionOf, makeMessage, startThread } from './api-messages.ts';
import { routes } from './api-routes.ts';
import { mentionedUsers } from './check-message.ts';
import {
  ALL,
  type App,
  type AppSeed,
  attachmentOf,
  type Channel,
  createWorld,
  DiscordRefusal,
  invalidForm,
  type Message,
  makeApp,
  makeUser,
  type Server,
  TYPES,
  type World,
  wireChannel,
} from './discord-world.ts';
import { type GatewaySessions, startGatewaySessions } from './gateway-sessions.ts';

/** What goes wrong with the next calls. `cut_after`: the work is done and the connection ends without an answer. */
export interface Fault {
  /** The route's name. */
  readonly name: string;
  readonly kind: 'limit' | 'error' | 'cut_after' | 'cut_before' | 'silent_after';
  readonly retryAfterSeconds?: number;
  readonly isGlobal?: boolean;
  remaining: number;
}

export interface RecordedCall {
  readonly appId: string | null;
  readonly name: string;
  readonly path: string;
  readonly body: Given;
}

export interface Saying {
  readonly from: APIUser;
  readonly text: string;
  readonly replyTo?: Message;
  /** Whether the reply rings whoever is replied to. */
  readonly rings?: boolean;
  readonly files?: readonly { readonly name: string; readonly mediaType: string; readonly content: Buffer }[];
  readonly fields?: Partial<Message>;
}

/** Discord on loopback: its HTTP API, its gateway, and what people do there. */
export interface DiscordServer {
  readonly apiUrl: string;
  readonly world: World;
  readonly gateway: GatewaySessions;
  readonly calls: readonly RecordedCall[];
  readonly faults: Fault[];
  /** Calls of one route and channel in one window; none by default. */
  limit: { readonly name: string; readonly calls: number; readonly windowMs: number } | null;
  addApp(seed: AppSeed): App;
  addUser(name: string): APIUser;
  addServer(name: string, bots: readonly App[]): Server;
  addChannel(server: Server, type?: number, parent?: Channel): Channel;
  /** A bot's direct conversation with somebody. */
  addDirect(app: App, person: APIUser): Channel;
  say(channel: Channel, saying: Saying): Message;
  edit(channel: Channel, message: Message, text: string): void;
  remove(channel: Channel, message: Message): void;
  /** Somebody begins a thread with a message. */
  beginThread(channel: Channel, message: Message, name: string): Channel;
  react(channel: Channel, message: Message, from: APIUser, emoji: string, present?: boolean): void;
  /** Presses the button with this label. Resolves to the status of the endpoint, or `null` over the gateway. */
  press(app: App, channel: Channel, message: Message, from: APIUser, label: string): Promise<number | null>;
  command(app: App, channel: Channel, from: APIUser, question: string, name?: string): Promise<number | null>;
  /** A request to the interactions endpoint as Discord signs it. */
  signed(app: App, body: Given): { readonly headers: Record<string, string>; readonly body: string };
  /** The headers of a request with these bytes, whatever they are. */
  signedBytes(app: App, body: string | Buffer): Record<string, string>;
  thread(message: Message): Channel;
  close(): Promise<void>;
}

const AGENT = /^DiscordBot \(https?:\/\/[^ ,)]+, [^)]+\)/;
const HOUR_SECONDS = 3_600;

export async function startDiscordServer(
  options: { readonly heartbeatMs?: number } = {},
): Promise<DiscordServer> {
  const faults: Fault[] = [];
  const calls: RecordedCall[] = [];
  const windows = new Map<string, { count: number; untilMs: number }>();
  let baseUrl = '';
  const world = createWorld(() => baseUrl);
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  const gateway = startGatewaySessions(world, server, options.heartbeatMs ?? 41_250);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', baseUrl);
    const [, fileId = ''] = /^\/attachments\/(\d+)\//.exec(url.pathname) ?? [];
    if (fileId !== '') return answerFile(url, fileId, response);
    const raw = await readBody(request);
    const answer = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
      const isEmpty = status === 204;
      response.writeHead(status, { ...(isEmpty ? {} : { 'content-type': 'application/json' }), ...headers });
      response.end(isEmpty ? undefined : JSON.stringify(body));
    };
    try {
      if (!AGENT.test(request.headers['user-agent'] ?? '')) {
        response.writeHead(403, { 'content-type': 'text/html' }).end('error code: 1010');
        return;
      }
      const path = url.pathname.replace(/^\/api\/v10/, '');
      const route = routes.find((each) => each.method === request.method && each.path.test(path));
      if (route === undefined || path === url.pathname) throw new DiscordRefusal(404, 0, '404: Not Found');
      const app = appOf(request, route);
      const { given, files } = await readGiven(raw, request.headers['content-type'] ?? '');
      calls.push({ appId: app?.id ?? null, name: route.name, path, body: given });
      const fault = faults.find((each) => each.name === route.name && each.remaining > 0);
      if (fault !== undefined) fault.remaining -= 1;
      if (fault?.kind === 'cut_before') return void response.destroy();
      if (fault?.kind === 'error') return answer(502, { message: 'Bad Gateway', code: 0 });
      if (fault?.kind === 'limit')
        return limited(answer, fault.retryAfterSeconds ?? 1, fault.isGlobal === true);
      const headers = count(route, app, path);
      if (headers === null) return limited(answer, 0.3, false);
      for (const field of Object.keys(given))
        if (route.fields !== null && !route.fields.includes(field)) throw invalidForm(field, 'Unknown field');
      const [, ...ids] = route.path.exec(path) ?? [];
      const owner = app ?? (world.apps[0] as App);
      const context = { world, app: owner, query: url.searchParams, files, dispatch: gateway.dispatch };
      const result = structuredClone(route.run(context, ids, given));
      if (fault?.kind === 'cut_after') return void response.destroy();
      if (fault?.kind === 'silent_after') return;
      answer(result === null ? 204 : 200, result, headers);
    } catch (error) {
      if (!(error instanceof DiscordRefusal)) throw error;
      const { status, code, message, errors } = error;
      answer(status, { message, code, ...(errors !== undefined && { errors }) });
    }
  }

  function appOf(request: IncomingMessage, route: Route): App | null {
    const { authorization } = request.headers;
    if (route.isAnonymous === true) return null;
    const app = world.apps.find(({ token }) => authorization === `Bot ${token}`);
    if (app === undefined) throw new DiscordRefusal(401, 0, '401: Unauthorized');
    return app;
  }

  /** Headers of the limit that a call counts towards; `null`: it is used up. */
  function count(route: Route, app: App | null, path: string): Record<string, string> | null {
    const { limit } = discord;
    if (limit === null || limit.name !== route.name) return {};
    const key = `${app?.id} ${route.name} ${path.split('/')[2]}`;
    const nowMs = Date.now();
    const known = windows.get(key);
    const window =
      known !== undefined && known.untilMs > nowMs ? known : { count: 0, untilMs: nowMs + limit.windowMs };
    windows.set(key, window);
    if (window.count >= limit.calls) return null;
    window.count += 1;
    return {
      'x-ratelimit-limit': String(limit.calls),
      'x-ratelimit-remaining': String(limit.calls - window.count),
      'x-ratelimit-reset': String(window.untilMs / 1_000),
      'x-ratelimit-reset-after': String((window.untilMs - nowMs) / 1_000),
      'x-ratelimit-bucket': Buffer.from(route.name).toString('hex'),
    };
  }

  function limited(
    answer: (status: number, body: unknown, headers: Record<string, string>) => void,
    seconds: number,
    isGlobal: boolean,
  ): void {
    answer(
      429,
      { message: 'You are being rate limited.', retry_after: seconds, global: isGlobal },
      {
        'retry-after': String(Math.ceil(seconds)),
        'x-ratelimit-scope': isGlobal ? 'global' : 'user',
        ...(isGlobal && { 'x-ratelimit-global': 'true' }),
      },
    );
  }

  function answerFile(url: URL, id: string, response: ServerResponse): void {
    const content = world.files.get(id);
    const isSigned = ['ex', 'is', 'hm'].every((name) => url.searchParams.has(name));
    if (content === undefined || !isSigned)
      response.writeHead(404).end('This content is no longer available.');
    else response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(content);
  }

  async function send(app: App, interaction: Given): Promise<number | null> {
    if (app.interactionsEndpointUrl === null) {
      gateway.dispatchTo(app, 'INTERACTION_CREATE', interaction);
      return null;
    }
    const { headers, body } = discord.signed(app, interaction);
    const answered = await fetch(app.interactionsEndpointUrl, { method: 'POST', headers, body });
    const text = await answered.text();
    const open = world.interactions.get(String(interaction.token));
    if (answered.status === 200 && open !== undefined && text !== '')
      open.answered ??= (JSON.parse(text) as { type: number }).type;
    return answered.status;
  }

  function interaction(app: App, channel: Channel, from: APIUser, messageId: string | null): Given {
    const id = world.nextId();
    const token = `aW50ZXJhY3Rpb24${id}`;
    const open = {
      id,
      appId: app.id,
      channelId: channel.id,
      messageId,
      answered: null,
      responseId: null,
      isPrivate: false,
    };
    world.interactions.set(token, open);
    const parent = channel.parentId === null ? null : world.channels.get(channel.parentId);
    const denied = (channel.denied.get(app.user.id) ?? 0n) | (parent?.denied.get(app.user.id) ?? 0n);
    const isDirect = channel.serverId === null;
    return {
      id,
      application_id: app.id,
      channel: wireChannel(channel),
      channel_id: channel.id,
      ...(isDirect
        ? { user: from }
        : { guild_id: channel.serverId, member: { user: from, nick: null, roles: [] } }),
      token,
      version: 1,
      app_permissions: String(ALL & ~denied),
      entitlements: [],
      authorizing_integration_owners: { '0': channel.serverId ?? '0' },
      context: isDirect ? 1 : 0,
      attachment_size_limit: 10_485_760,
    };
  }

  const discord: DiscordServer = {
    apiUrl: `${baseUrl}/api/v10`,
    world,
    gateway,
    calls,
    faults,
    limit: null,
    addApp: (seed) => makeApp(world, seed),
    addUser: (name) => makeUser(world, name),
    addServer(name, bots) {
      const id = world.nextId();
      const roles = bots.map((app) => ({
        id: world.nextId(),
        name: app.user.username,
        tags: { bot_id: app.user.id },
      }));
      const added = {
        id,
        name,
        roles: roles as unknown as Server['roles'],
        bots: new Map(bots.map((app) => [app.user.id, ALL])),
      };
      world.servers.set(id, added);
      return added;
    },
    addChannel(of, type = TYPES.text, parent) {
      const id = world.nextId();
      const channel: Channel = {
        id,
        type,
        serverId: of.id,
        parentId: parent?.id ?? null,
        name: `channel-${id}`,
        recipients: [],
        messages: new Map(),
        denied: new Map(),
      };
      world.channels.set(id, channel);
      gateway.dispatch(
        channel,
        type === TYPES.thread ? 'THREAD_CREATE' : 'CHANNEL_CREATE',
        wireChannel(channel),
      );
      return channel;
    },
    addDirect(app, person) {
      const id = world.nextId();
      const channel: Channel = {
        id,
        type: TYPES.direct,
        serverId: null,
        parentId: null,
        name: null,
        recipients: [app.user, person],
        messages: new Map(),
        denied: new Map(),
      };
      world.channels.set(id, channel);
      return channel;
    },
    say(channel, { from, text, replyTo, rings = true, files = [], fields = {} }) {
      const attachments = files.map(({ name, mediaType, content }) =>
        attachmentOf(world, name, content, mediaType),
      );
      const mentions = mentionedUsers(world, text);
      if (replyTo !== undefined && rings && !mentions.some(({ id }) => id === replyTo.author.id))
        mentions.push(replyTo.author);
      const message = makeMessage(world, channel, from, text, {
        attachments,
        mentions,
        ...(replyTo !== undefined && {
          type: 19,
          message_reference: { type: 0, message_id: replyTo.id, channel_id: channel.id },
          referenced_message: replyTo,
        }),
        ...fields,
      });
      gateway.dispatch(channel, 'MESSAGE_CREATE', message as unknown as Given);
      return message;
    },
    edit(channel, message, text) {
      message.content = text;
      message.edited_timestamp = new Date().toISOString();
      message.mentions = mentionedUsers(world, text);
      gateway.dispatch(channel, 'MESSAGE_UPDATE', message as unknown as Given);
    },
    remove(channel, message) {
      channel.messages.delete(message.id);
      gateway.dispatch(channel, 'MESSAGE_DELETE', deletionOf(channel, message.id));
    },
    beginThread(channel, message, name) {
      startThread(world, channel, message, name, gateway.dispatch);
      return discord.thread(message);
    },
    react(channel, message, from, emoji, present = true) {
      gateway.dispatch(channel, present ? 'MESSAGE_REACTION_ADD' : 'MESSAGE_REACTION_REMOVE', {
        user_id: from.id,
        channel_id: channel.id,
        message_id: message.id,
        emoji: { id: null, name: emoji },
        burst: false,
        type: 0,
        ...(present && channel.serverId !== null && { member: { user: from, roles: [] } }),
      });
    },
    press(app, channel, message, from, label) {
      const rows = (message.components ?? []) as unknown as readonly { components: readonly Given[] }[];
      const button = rows.flatMap(({ components }) => components).find((each) => each.label === label);
      if (button === undefined) throw new Error(`There is no button "${label}".`);
      const data = { component_type: 2, custom_id: button.custom_id, id: 2 };
      return send(app, { ...interaction(app, channel, from, message.id), type: 3, message, data });
    },
    command(app, channel, from, question, name = 'ask') {
      const options = [{ name: 'question', type: 3, value: question }];
      const data = { id: world.nextId(), name, type: 1, options };
      return send(app, { ...interaction(app, channel, from, null), type: 2, data });
    },
    signed(app, value) {
      const body = JSON.stringify(value);
      return { headers: discord.signedBytes(app, body), body };
    },
    signedBytes(app, body) {
      const timestamp = String(Math.floor(Date.now() / 1_000));
      const signed = Buffer.concat([Buffer.from(timestamp), Buffer.from(body)]);
      return {
        'content-type': 'application/json',
        'user-agent': 'Discord-Interactions/1.0 (+https://discord.com)',
        'x-signature-ed25519': sign(null, signed, app.privateKey).toString('hex'),
        'x-signature-timestamp': timestamp,
      };
    },
    thread(message) {
      const thread = world.channels.get(message.id);
      if (thread === undefined) throw new Error('The message has no thread.');
      return thread;
    },
    async close() {
      gateway.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return discord;
}

async function readGiven(
  raw: Buffer,
  type: string,
): Promise<{ given: Given; files: ReadonlyMap<string, SentFile> }> {
  const files = new Map<string, SentFile>();
  if (raw.length === 0) return { given: {}, files };
  if (!type.startsWith('multipart/form-data')) {
    if (!type.startsWith('application/json')) throw invalidForm('_', 'Expected "Content-Type" header');
    return { given: JSON.parse(raw.toString('utf8')) as Given, files };
  }
  const form = await new Response(new Uint8Array(raw), { headers: { 'content-type': type } }).formData();
  let given: Given = {};
  for (const [name, value] of form) {
    if (typeof value === 'string' && name === 'payload_json') given = JSON.parse(value) as Given;
    else if (typeof value !== 'string' && /^files\[\d+\]$/.test(name)) {
      const content = Buffer.from(await value.arrayBuffer());
      files.set(name, { name: value.name, mediaType: value.type, content });
    } else throw invalidForm(name, 'Unknown field');
  }
  return { given, files };
}

export const LONG_LIMIT_SECONDS = HOUR_SECONDS;
