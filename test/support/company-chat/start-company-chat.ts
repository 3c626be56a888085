import { createHmac, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ChannelRequest } from '../../../src/core/channel.ts';

/** The chat that `examples/custom-channel` talks to. */
export interface CompanyChat {
  readonly apiUrl: string;
  /** What stands in a room, by message id. */
  standing(room: string): ReadonlyMap<string, ChatMessage>;
  /** The next request of this method goes wrong. */
  hurt(method: string, trouble: ChatTrouble): void;
  close(): Promise<void>;
}

export type ChatTrouble = 'limit' | 'error' | 'cut_before' | 'cut_after' | 'silent_after';

interface ChatMessage {
  readonly company: string;
  readonly room: string;
  readonly thread: string | null;
  readonly marker: string | null;
  text: string;
}

/** @param companies by token: the company, and the rooms in which its bot may write */
export async function startCompanyChat(
  companies: Readonly<Record<string, { readonly name: string; readonly rooms: readonly string[] }>>,
): Promise<CompanyChat> {
  const messages = new Map<string, ChatMessage>();
  const troubles: { readonly method: string; readonly trouble: ChatTrouble }[] = [];

  const server = createServer((request, response) => {
    void serve(request, response);
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const send = (status: number, answer: object, headers: Record<string, string> = {}): void => {
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(answer));
    };
    const { method = 'GET' } = request;
    const at = troubles.findIndex((each) => each.method === method);
    const trouble = at === -1 ? null : troubles.splice(at, 1)[0]?.trouble;
    if (trouble === 'limit') return send(429, {}, { 'retry-after': '3600' });
    if (trouble === 'error') return send(502, {});
    if (trouble === 'cut_before') return void request.socket.destroy();
    const [status, answer] = act(request, method, body === '' ? null : JSON.parse(body));
    if (trouble === 'cut_after') return void request.socket.destroy();
    if (trouble === 'silent_after') return;
    send(status, answer);
  }

  function act(
    request: IncomingMessage,
    method: string,
    body: Record<string, unknown> | null,
  ): readonly [status: number, answer: object] {
    const company = companies[request.headers.authorization?.replace('Bearer ', '') ?? ''];
    if (company === undefined) return [401, {}];
    const url = new URL(request.url ?? '/', 'http://chat');
    if (method === 'GET' && url.pathname === '/me')
      return [200, { company: company.name, user: `bot-${company.name}` }];
    if (method === 'POST' && url.pathname === '/messages') {
      const { room, thread = null, text, marker = null } = body ?? {};
      if (!company.rooms.includes(String(room))) return [403, {}];
      if (typeof text !== 'string' || text === '' || text.length > 4_000) return [400, {}];
      const id = randomUUID();
      messages.set(id, {
        company: company.name,
        room: String(room),
        thread: thread === null ? null : String(thread),
        marker: marker === null ? null : String(marker),
        text,
      });
      return [200, { id }];
    }
    if (method === 'GET' && url.pathname === '/messages') {
      const found = [...messages].find(
        ([, message]) =>
          message.company === company.name &&
          message.room === url.searchParams.get('room') &&
          message.marker === url.searchParams.get('marker'),
      );
      return [200, { id: found?.[0] ?? null }];
    }
    const id = /^\/messages\/([^/]+)$/.exec(url.pathname)?.[1] ?? '';
    const message = messages.get(id);
    if (message?.company !== company.name) return [404, {}];
    if (method === 'DELETE') messages.delete(id);
    else message.text = String(body?.text);
    return [200, {}];
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    standing: (room) => new Map([...messages].filter(([, message]) => message.room === room)),
    hurt: (method, trouble) => void troubles.push({ method, trouble }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A request as the chat makes it. */
export function companyChatRequest(event: object, secret: string, nowMs: number): ChannelRequest {
  const body = Buffer.from(JSON.stringify(event));
  return { path: '/company-chat', headers: companyChatHeaders(body, secret, nowMs), body };
}

export function companyChatHeaders(
  body: Buffer,
  secret: string,
  nowMs: number,
): Readonly<Record<string, string>> {
  const signature = createHmac('sha256', secret).update(`${nowMs}.`).update(body).digest('hex');
  return {
    'content-type': 'application/json',
    'x-chat-signature': signature,
    'x-chat-timestamp': String(nowMs),
  };
}
