import type { VisitorIdentity } from './visitor-identity.ts';

/** What the server says at the beginning. */
export interface Session {
  /** Who the visitor is to the server. */
  readonly visitor: string;
  readonly agent: string;
  readonly title: string;
  readonly greeting: string;
  readonly isAnonymous: boolean;
  readonly token?: string;
}

/** A refusal that waiting does not change: the site may not show the chat, the visitor is nobody, the message is none. */
export class ChatRefused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`The chat refused: ${status}.`);
    this.status = status;
  }
}

/** The proof of who the visitor is has ended. There may be another, and then `begin` says whose. */
export class ChatExpired extends Error {}

/** Something that passes. */
export class ChatUnavailable extends Error {
  /** What the server wants; `null`: it said nothing. */
  readonly retryAfterMs: number | null;

  constructor(retryAfterMs: number | null) {
    super('The chat does not answer.');
    this.retryAfterMs = retryAfterMs;
  }
}

/** Calls to the server, each with the visitor's token. */
export interface ChatClient {
  /** Says who is there, with another token when one is refused. @throws ChatRefused, ChatUnavailable */
  begin(signal: AbortSignal): Promise<Session>;
  /** Resolves when it is stored. Repeatable: the id says that it is the same. @throws as above, ChatExpired */
  send(body: object, signal: AbortSignal): Promise<void>;
  /** The stream of events behind the last one that was seen. @throws as above */
  events(lastEventId: string | null, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;
}

const TIMEOUT_MS = 15_000;
/** The page's token, the site's, and one more that has just ended. */
const BEGIN_ATTEMPTS = 3;

/** @param base `https://konstruct.example.com/widget/acme-site/` */
export function createChatClient(base: string, identity: VisitorIdentity): ChatClient {
  async function call(path: string, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
    let response: Response;
    try {
      const token = await identity.token();
      const headers = { ...init.headers, ...(token !== null && { authorization: `Bearer ${token}` }) };
      response = await fetch(base + path, { ...init, headers, credentials: 'omit', cache: 'no-store' });
    } catch {
      throw new ChatUnavailable(null); // no network, or a proxy's page without our headers
    }
    if (response.ok) return response;
    if (response.status === 401 && (await identity.refuse())) throw new ChatExpired();
    const after = Number(response.headers.get('retry-after'));
    if (response.status >= 500 || response.status === 429) throw new ChatUnavailable(after * 1_000 || null);
    throw new ChatRefused(response.status);
  }

  const post = (path: string, body: object, signal: AbortSignal): Promise<Response> =>
    call(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });

  return {
    async begin(signal) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const session = (await (await post('session', {}, signal)).json()) as Session;
          if (session.token !== undefined) identity.remember(session.token);
          return session;
        } catch (error) {
          if (!(error instanceof ChatExpired)) throw error;
          if (attempt === BEGIN_ATTEMPTS) throw new ChatRefused(401);
        }
      }
    },
    async send(body, signal) {
      await post('messages', body, signal);
    },
    async events(lastEventId, signal) {
      const headers = lastEventId === null ? {} : { 'last-event-id': lastEventId };
      const { body } = await call('events', { headers, signal });
      if (body === null) throw new ChatUnavailable(null);
      return body;
    },
  };
}
