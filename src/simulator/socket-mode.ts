import type { IncomingMessage, Server } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock, Random, Sleep } from '../core/clock.ts';
import { randomUuid, slackId } from './slack-ids.ts';
import type { WireObject } from './wire-message.ts';

/**
 * Slack's side of Socket Mode: tickets, hello, envelopes, acks and disconnects. Strict: a ticket opens one socket, and who
 * acks what was never sent is thrown out.
 *
 * Source: https://docs.slack.dev/apis/events-api/using-socket-mode
 */
export interface SocketMode {
  /** What `apps.connections.open` answers: a ticket for one socket, good for 30 s. */
  openTicket(appToken: string): string;
  /** Takes upgrades below `{prefix}/link/` of a server. */
  attach(server: Server, prefix: string): void;
  /** Sends an envelope to one of the app's sockets, in turn, and waits for its ack. */
  deliver(
    appToken: string,
    envelope: SocketEnvelope,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<SocketOutcome>;
  /** Sockets that take events. */
  count(appToken: string): number;
  /** Announces the end of every socket there is now, and closes them a moment later. */
  disconnect(appToken: string, reason: string, lingerMs?: number): Promise<void>;
  /** Cuts every connection as a network does, without a word. */
  cut(appToken: string): void;
  /** Hears and says nothing more on the sockets there are, and keeps them: a half-open connection. */
  freeze(appToken: string): void;
  /** What clients did against the protocol. */
  readonly violations: readonly string[];
  /** Acks by envelope id, in the order in which they came. */
  readonly acks: readonly string[];
  stop(): void;
}

export interface SocketEnvelope {
  readonly type: 'events_api' | 'interactive' | 'slash_commands';
  readonly payload: unknown;
  readonly retry: { readonly number: number; readonly reason: string } | null;
}

export type SocketOutcome = 'ok' | 'http_timeout' | 'connection_failed';

interface Client {
  readonly appToken: string;
  readonly socket: WebSocket;
  isEnding: boolean;
  readonly waiting: Map<string, (outcome: SocketOutcome) => void>;
  readonly sent: Set<string>;
}

const TICKET_MS = 30_000;
const PING_EVERY_MS = 5_000;
const LINGER_MS = 200;
const MAX_SOCKETS = 10;
const POLICY_VIOLATION = 1008;

export function createSocketMode({
  clock,
  random,
  sleep,
}: {
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
}): SocketMode {
  const server = new WebSocketServer({ noServer: true });
  const tickets = new Map<string, { readonly appToken: string; readonly untilMs: number }>();
  const clients = new Set<Client>();
  const violations: string[] = [];
  const acks: string[] = [];
  let turn = 0;
  const of = (appToken: string) => [...clients].filter((client) => client.appToken === appToken);

  function greet(appToken: string, socket: WebSocket): void {
    socket.on('error', () => {}); // 'close' follows
    if (of(appToken).length >= MAX_SOCKETS) {
      say(socket, { type: 'disconnect', reason: 'too_many_websockets', debug_info: debugInfo() });
      socket.close(1000);
      return;
    }
    const client: Client = { appToken, socket, isEnding: false, waiting: new Map(), sent: new Set() };
    clients.add(client);
    const pings = setInterval(
      () => socket.isPaused || socket.ping('Ping from applink'),
      PING_EVERY_MS,
    ).unref();
    socket.on('message', (data) => take(client, String(data)));
    socket.on('close', () => {
      clearInterval(pings);
      clients.delete(client);
      for (const settle of client.waiting.values()) settle('connection_failed');
    });
    say(socket, {
      type: 'hello',
      num_connections: of(appToken).length,
      connection_info: { app_id: 'A0KONSTRUCT' },
      debug_info: { ...debugInfo(), approximate_connection_time: 18_060 },
    });
  }

  function take(client: Client, text: string): void {
    const id = envelopeIdOf(text);
    if (id === null || !client.sent.has(id)) {
      violations.push(id === null ? 'not an ack' : `ack of ${id}, which was not sent on this socket`);
      client.socket.close(POLICY_VIOLATION);
      return;
    }
    acks.push(id);
    client.waiting.get(id)?.('ok'); // late: it was sent again meanwhile
  }

  return {
    violations,
    acks,
    openTicket(appToken) {
      const ticket = randomUuid(random);
      tickets.set(ticket, { appToken, untilMs: clock() + TICKET_MS });
      return ticket;
    },
    attach(http, prefix) {
      http.on('upgrade', (request: IncomingMessage, connection, head) => {
        const url = new URL(request.url ?? '', 'ws://simulator');
        const ticket = url.searchParams.get('ticket') ?? '';
        const known = tickets.get(ticket);
        tickets.delete(ticket);
        if (url.pathname !== `${prefix}/link/` || known === undefined || known.untilMs < clock()) {
          connection.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
          return;
        }
        server.handleUpgrade(request, connection, head, (socket) => greet(known.appToken, socket));
      });
    },
    async deliver(appToken, { type, payload, retry }, timeoutMs, signal) {
      const ready = of(appToken).filter((client) => !client.isEnding);
      turn += 1;
      const client = ready[turn % Math.max(ready.length, 1)];
      if (client === undefined) return 'connection_failed';
      const id = randomUuid(random);
      client.sent.add(id);
      const { promise, resolve } = Promise.withResolvers<SocketOutcome>();
      client.waiting.set(id, resolve);
      say(client.socket, {
        envelope_id: id,
        type,
        payload,
        accepts_response_payload: type !== 'events_api',
        retry_attempt: retry?.number ?? 0,
        retry_reason: retry?.reason ?? '',
      });
      const ended = new AbortController();
      const timeout = sleep(timeoutMs, AbortSignal.any([signal, ended.signal])).then(
        () => resolve('http_timeout'),
        () => resolve('connection_failed'),
      );
      const outcome = await promise;
      client.waiting.delete(id);
      ended.abort();
      await timeout;
      return outcome;
    },
    count: (appToken) => of(appToken).filter(({ isEnding }) => !isEnding).length,
    async disconnect(appToken, reason, lingerMs = LINGER_MS) {
      const ending = of(appToken);
      for (const client of ending) {
        client.isEnding = true;
        say(client.socket, { type: 'disconnect', reason, debug_info: debugInfo() });
      }
      await sleep(lingerMs);
      for (const { socket } of ending) socket.close(1000);
    },
    cut(appToken) {
      for (const { socket } of of(appToken)) socket.terminate();
    },
    freeze(appToken) {
      for (const { socket } of of(appToken)) socket.pause();
    },
    stop() {
      for (const { socket } of clients) socket.terminate();
    },
  };

  function debugInfo(): WireObject {
    return { host: `applink-${slackId('', random, 4).toLowerCase()}` };
  }
}

function say(socket: WebSocket, message: WireObject): void {
  socket.send(JSON.stringify(message));
}

function envelopeIdOf(text: string): string | null {
  try {
    const message: unknown = JSON.parse(text);
    const id = (message as { envelope_id?: unknown } | null)?.envelope_id;
    return typeof id === 'string' ? id : null;
  } catch {
    return null;
  }
}
