import { randomUUID } from 'node:crypto';
import { applyGlimpse } from '../../../src/core/glimpse.ts';
import { until } from '../conversation.ts';

/** A message as the events say it. */
export interface ShownMessage {
  readonly id: string;
  readonly from: 'visitor' | 'agent';
  readonly text: string;
  readonly position: number;
  readonly choices?: readonly string[];
  readonly provisional?: true;
  readonly answer?: true;
  readonly rating?: 'up' | 'down';
  readonly removed?: true;
}

/** A browser of a visitor, as far as HTTP goes: what it asks is what a page on the site would ask. */
export interface VisitorClient {
  readonly messages: ReadonlyMap<string, ShownMessage>;
  /** Texts of answers while they were written, as they were seen. */
  readonly glimpses: readonly string[];
  /** Every event so far, with its id. */
  readonly events: readonly { readonly name: string; readonly id: string | null; readonly data: unknown }[];
  lastEventId: string | null;
  /** Connects, from where it was before; resolves when it has seen all that there was. */
  connect(url?: string): Promise<void>;
  disconnect(): void;
  /** Resolves when the server has ended the stream. */
  ended(): Promise<void>;
  say(text: string, id?: string): Promise<Response>;
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** Until an answer stands there that is no placeholder. */
  answer(matches: string): Promise<ShownMessage>;
}

export function createVisitorClient(options: {
  readonly url: string;
  readonly connection: string;
  readonly token: string;
  readonly origin: string;
}): VisitorClient {
  let { url } = options;
  const { connection, origin } = options;
  const headers = { authorization: `Bearer ${options.token}`, origin };
  const messages = new Map<string, ShownMessage>();
  const written = new Map<string, string>();
  const glimpses: string[] = [];
  const events: { name: string; id: string | null; data: unknown }[] = [];
  let stream: AbortController | null = null;
  let reading: Promise<void> = Promise.resolve();

  function take(name: string, id: string | null, data: unknown): void {
    events.push({ name, id, data });
    if (id !== null) client.lastEventId = id;
    if (name === 'message') {
      const message = data as ShownMessage;
      if (message.removed) messages.delete(message.id);
      else messages.set(message.id, message);
    } else if (name === 'glimpse') {
      const { id: messageId, ...glimpse } = data as {
        id: string;
        from: number;
        text: string;
        length: number;
      };
      const now = applyGlimpse(written.get(messageId) ?? '', glimpse);
      if (now === null) return;
      written.set(messageId, now);
      glimpses.push(now);
    }
  }

  async function read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const chunk of body) {
        rest += decoder.decode(chunk, { stream: true });
        const frames = rest.split('\n\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) {
          const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1] ?? null;
          const data = field('data');
          if (data !== null) take(field('event') ?? 'message', field('id'), JSON.parse(data));
        }
      }
    } catch {
      // It was cut.
    }
  }

  const client: VisitorClient = {
    messages,
    glimpses,
    events,
    lastEventId: null,
    async connect(newUrl = url) {
      url = newUrl;
      stream = new AbortController();
      const response = await fetch(`${url}/widget/${connection}/events`, {
        headers: { ...headers, ...(client.lastEventId !== null && { 'last-event-id': client.lastEventId }) },
        signal: stream.signal,
      });
      if (!response.ok || response.body === null) throw new Error(`events: ${response.status}`);
      const before = events.length;
      reading = read(response.body);
      await until('the stream is ready', () => events.slice(before).some(({ name }) => name === 'ready'));
    },
    disconnect: () => stream?.abort(),
    ended: () => reading,
    say: (text, id = randomUUID()) => client.post('messages', { id, text }),
    post: (path, body, more = {}) =>
      fetch(`${url}/widget/${connection}/${path}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', ...more },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async answer(matches) {
      const find = () =>
        [...messages.values()].find(
          ({ from, text, provisional }) => from === 'agent' && !provisional && text.includes(matches),
        );
      await until(`an answer with "${matches}"`, () => find() !== undefined);
      return find() as ShownMessage;
    },
  };
  return client;
}
