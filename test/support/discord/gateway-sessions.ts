import { randomBytes } from 'node:crypto';
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Given } from './api-context.ts';
import {
  type App,
  type Channel,
  PERMISSIONS,
  permissionsOf,
  TYPES,
  type World,
  wireChannel,
} from './discord-world.ts';

/** One session of a bot: what it was told, so that it can go on with it. */
interface Session {
  readonly id: string;
  readonly app: App;
  readonly intents: number;
  readonly events: { readonly s: number; readonly t: string; readonly d: unknown }[];
  socket: WebSocket | null;
}

export interface GatewaySessions {
  /** Sends an event to the bots that may know of it. */
  dispatch(channel: Channel, name: string, data: Given): void;
  /** Sends an event to one bot, wherever it stands. */
  dispatchTo(app: App, name: string, data: Given): void;
  /** Bots that are online. */
  online(): readonly string[];
  readonly identifies: number;
  readonly resumes: number;
  /** Ends a bot's connection in this way; its session stays. */
  cut(app: App, how: 'terminate' | 'reconnect' | number): void;
  /** Ends its session: what it is told meanwhile it can never go on with. */
  forget(app: App): void;
  /** Takes no heart beat of it any more, as if the line were dead. */
  mute(app: App, isMuted: boolean): void;
  /** Nobody gets in, as if the machine were away. */
  shut(isShut: boolean): void;
  close(): void;
}

const INTENTS = {
  guilds: 1 << 0,
  messages: 1 << 9,
  reactions: 1 << 10,
  direct: 1 << 12,
  directReactions: 1 << 13,
  content: 1 << 15,
};
const KNOWN_INTENTS = 0x3_03f_ffff;
/** Of an identification, beside what has to be said. */
const OPTIONAL = new Set(['shard', 'large_threshold', 'presence']);
const MAX_PAYLOAD_BYTES = 4096;

/** The gateway, strictly by its protocol: whoever breaks it is shut out with Discord's own code. */
export function startGatewaySessions(world: World, http: HttpServer, heartbeatMs: number): GatewaySessions {
  const sockets = new WebSocketServer({ noServer: true });
  const sessions = new Map<string, Session>();
  const muted = new Set<App>();
  let isShut = false;
  let identifies = 0;
  let resumes = 0;

  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (isShut) return void socket.destroy();
    sockets.handleUpgrade(request, socket, head, (opened) => onConnection(opened, request));
  });

  function onConnection(socket: WebSocket, request: IncomingMessage): void {
    const query = new URL(request.url ?? '/', 'ws://x').searchParams;
    if (query.get('v') !== '10' || query.get('encoding') !== 'json') {
      socket.close(4012, 'Invalid API version');
      return;
    }
    let session: Session | null = null;
    const send = (message: Given) => socket.send(JSON.stringify(message));
    send({ op: 10, d: { heartbeat_interval: heartbeatMs }, s: null, t: null });
    socket.on('error', () => {});
    socket.on('close', (code) => {
      if (session?.socket !== socket) return;
      session.socket = null;
      if (code === 1000 || code === 1001) sessions.delete(session.id);
    });
    socket.on('message', (data, isBinary) => {
      const text = String(data);
      if (isBinary || Buffer.byteLength(text) > MAX_PAYLOAD_BYTES) return socket.close(4002, 'Decode error');
      let message: { op?: unknown; d?: unknown };
      try {
        message = JSON.parse(text) as typeof message;
      } catch {
        return socket.close(4002, 'Decode error');
      }
      switch (message.op) {
        case 1:
          if (session !== null && muted.has(session.app)) return;
          if (message.d !== null && typeof message.d !== 'number') return socket.close(4002, 'Decode error');
          return send({ op: 11, d: null, s: null, t: null });
        case 2: {
          if (session !== null) return socket.close(4005, 'Already authenticated');
          const outcome = identify(message.d as Given, socket);
          if (typeof outcome === 'number') return socket.close(outcome);
          session = outcome;
          return;
        }
        case 6: {
          if (session !== null) return socket.close(4005, 'Already authenticated');
          const outcome = resume(message.d as Given, socket);
          if (outcome === null) return send({ op: 9, d: false, s: null, t: null });
          if (typeof outcome === 'number') return socket.close(outcome);
          session = outcome;
          return;
        }
        default:
          return socket.close(session === null ? 4003 : 4001, 'Unknown opcode');
      }
    });
  }

  function identify(
    { token, intents, properties, compress, ...more }: Given,
    socket: WebSocket,
  ): Session | number {
    const app = world.apps.find((each) => each.token === token);
    const isKnown = Object.keys(more).every((field) => OPTIONAL.has(field));
    if (!isKnown || typeof properties !== 'object' || compress === true) return 4002;
    if (app === undefined) return 4004;
    if (typeof intents !== 'number' || (intents & ~KNOWN_INTENTS) !== 0) return 4013;
    if ((intents & INTENTS.content) !== 0 && !app.isReadingApproved) return 4014;
    identifies += 1;
    app.sessionsLeft -= 1;
    const session: Session = { id: randomBytes(16).toString('hex'), app, intents, events: [], socket };
    sessions.set(session.id, session);
    const servers = [...world.servers.values()].filter(({ bots }) => bots.has(app.user.id));
    tell(session, 'READY', {
      v: 10,
      user: app.user,
      guilds: servers.map(({ id }) => ({ id, unavailable: true })),
      session_id: session.id,
      resume_gateway_url: world.baseUrl().replace(/^http/, 'ws'),
      application: { id: app.id, flags: app.canReadMessages ? 1 << 19 : 0 },
      private_channels: [],
    });
    for (const server of servers) {
      const channels = [...world.channels.values()].filter(({ serverId }) => serverId === server.id);
      tell(session, 'GUILD_CREATE', {
        id: server.id,
        name: server.name,
        roles: server.roles,
        channels: channels.filter(({ type }) => type !== TYPES.thread).map(wireChannel),
        threads: channels.filter(({ type }) => type === TYPES.thread).map(wireChannel),
        unavailable: false,
      });
    }
    return session;
  }

  function resume({ token, session_id, seq, ...more }: Given, socket: WebSocket): Session | number | null {
    if (Object.keys(more).length > 0 || typeof seq !== 'number') return 4002;
    const session = sessions.get(String(session_id));
    if (session === undefined) return null;
    if (session.app.token !== token) return 4004;
    if (seq > session.events.length) return 4007;
    resumes += 1;
    session.socket?.terminate();
    session.socket = socket;
    for (const event of session.events.slice(seq)) socket.send(JSON.stringify({ op: 0, ...event }));
    tell(session, 'RESUMED', {});
    return session;
  }

  function tell(session: Session, t: string, d: unknown): void {
    const event = { s: session.events.length + 1, t, d: structuredClone(d) };
    session.events.push(event);
    if (session.socket?.readyState === session.socket?.OPEN)
      session.socket?.send(JSON.stringify({ op: 0, ...event }));
  }

  function wanted(name: string, isDirect: boolean): number {
    if (name.startsWith('MESSAGE_REACTION')) return isDirect ? INTENTS.directReactions : INTENTS.reactions;
    if (name.startsWith('MESSAGE')) return isDirect ? INTENTS.direct : INTENTS.messages;
    return name === 'INTERACTION_CREATE' ? 0 : INTENTS.guilds;
  }

  /** Without the intent a bot reads what it wrote itself, what mentions it, and direct conversations. */
  function readableFor({ app, intents }: Session, data: Given, isDirect: boolean): Given {
    const author = (data.author as { id?: string } | undefined)?.id;
    const mentions = (data.mentions ?? []) as readonly { id: string }[];
    const isOwn = author === app.user.id || mentions.some(({ id }) => id === app.user.id);
    if ((intents & INTENTS.content) !== 0 || isDirect || isOwn || author === undefined) return data;
    return { ...data, content: '', attachments: [], embeds: [], components: [] };
  }

  return {
    get identifies() {
      return identifies;
    },
    get resumes() {
      return resumes;
    },
    dispatch(channel, name, data) {
      const isDirect = channel.type === TYPES.direct;
      const more =
        channel.serverId === null || name.startsWith('THREAD') ? {} : { guild_id: channel.serverId };
      for (const session of sessions.values()) {
        const given = permissionsOf(world, session.app, channel);
        if (given === null || (given & PERMISSIONS.view) === 0n) continue;
        const intent = wanted(name, isDirect);
        if ((session.intents & intent) !== intent) continue;
        tell(session, name, { ...readableFor(session, data, isDirect), ...more });
      }
    },
    dispatchTo(app, name, data) {
      for (const session of sessions.values()) if (session.app === app) tell(session, name, data);
    },
    online: () => [...sessions.values()].filter(({ socket }) => socket !== null).map(({ app }) => app.id),
    cut(app, how) {
      for (const { app: whose, socket } of sessions.values()) {
        if (whose !== app || socket === null) continue;
        if (how === 'terminate') socket.terminate();
        else if (how === 'reconnect') socket.send(JSON.stringify({ op: 7, d: null, s: null, t: null }));
        else socket.close(how);
      }
    },
    forget(app) {
      for (const session of [...sessions.values()]) {
        if (session.app !== app) continue;
        sessions.delete(session.id);
        session.socket?.terminate();
      }
    },
    mute(app, isMuted) {
      if (isMuted) muted.add(app);
      else muted.delete(app);
    },
    shut(value) {
      isShut = value;
    },
    close() {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
    },
  };
}
