import { reconnectDelayMs } from '../reconnect-delay.ts';
import { type ChatClient, ChatExpired, ChatRefused, ChatUnavailable, type Session } from './chat-client.ts';
import type { Conversation, Rating, WantedRating, WireGlimpse, WireMessage } from './conversation.ts';
import { createRatingSender } from './rating-sender.ts';
import { readEventStream } from './read-event-stream.ts';
import type { Memory } from './visitor-identity.ts';
import { words } from './words.ts';

/** How the chat stands with the server. `refused`: it will not get better by itself. */
export type Connection = 'idle' | 'connecting' | 'online' | 'offline' | 'refused';

export interface ChatOptions {
  readonly client: ChatClient;
  readonly conversation: Conversation;
  /** What this tab has not got rid of yet is sent when the next page is there. */
  readonly memory: Memory;
  /** Something of it has changed. */
  readonly changed: () => void;
  readonly newId: () => string;
}

/** The conversation's way to the server and back. */
export interface Chat {
  readonly connection: Connection;
  /** `null`: not known yet. */
  readonly session: Session | null;
  /** Whether all that was said before is there. */
  readonly isReady: boolean;
  open(): void;
  /** Ends the connection; what is to be sent still is. */
  close(): void;
  /** Somebody else is here now. */
  restart(): void;
  say(text: string): void;
  choose(messageId: string, choice: string): void;
  /** Has the agent stop; nothing comes of it where that does not get through. */
  stop(messageId: string): void;
  /** Says what the visitor thinks of an answer; `null`: nothing any more. */
  rate(messageId: string, rating: Rating | null): void;
  /** Sends again what failed. */
  retry(id: string): void;
}

interface Outgoing {
  readonly id: string;
  readonly body: {
    readonly id: string;
    readonly text?: string;
    readonly choice?: string;
    readonly messageId?: string;
  };
}

interface KeptOutbox {
  readonly visitor: string;
  readonly outgoing: readonly Outgoing[];
  readonly ratings?: readonly WantedRating[];
}

const OUTBOX = 'outbox';
/** Longer than two of the server's heartbeats. */
const SILENCE_MS = 40_000;
const SEND_ATTEMPTS = 3;
const LONGEST_SEND_WAIT_MS = 20_000;

export function createChat(options: ChatOptions): Chat {
  const { client, conversation, memory, changed } = options;
  let connection: Connection = 'idle';
  let session: Session | null = null;
  let isReady = false;
  let lastEventId: string | null = null;
  let running: AbortController | null = null;
  /** Ends the waiting before the next attempt. */
  let hurry: () => void = () => {};
  const outbox: Outgoing[] = [];
  let isSending = false;
  let beginning: Promise<void> | null = null;
  let hasExpired = false;
  /** Counts who is here: what was asked for somebody before says nothing of who is here now. */
  let generation = 0;

  const ratings = createRatingSender({
    client,
    conversation,
    newId: options.newId,
    isKnown: () => session !== null,
    begin: () => begin(new AbortController().signal),
    changed() {
      save();
      changed();
    },
  });

  function become(next: Connection): void {
    if (connection === next) return;
    connection = next;
    changed();
  }

  async function run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (session === null || hasExpired) {
          become('connecting');
          await begin(signal);
        }
        await listen(signal, () => {
          failures = 0;
        });
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ChatExpired) {
          hasExpired = true;
          failures += 1;
          if (failures === 1) continue; // the next one is there already
        }
        if (error instanceof ChatRefused) {
          running = null; // opening it again is another attempt
          return become('refused');
        }
        failures += 1;
      }
      if (signal.aborted) return;
      become('offline');
      await wait(reconnectDelayMs(failures, Math.random), signal);
    }
  }

  /** Whoever has a new proof may be somebody else: then nothing of before is theirs. */
  function begin(signal: AbortSignal): Promise<void> {
    const asked = generation;
    beginning ??= client
      .begin(signal)
      .then((next) => {
        if (asked !== generation) return;
        hasExpired = false;
        if (session !== null && session.visitor !== next.visitor) forget();
        session = next;
        changed();
        restoreOutbox();
      })
      .finally(() => {
        if (asked === generation) beginning = null;
      });
    return beginning;
  }

  function forget(): void {
    memory.set(OUTBOX, null);
    outbox.length = 0;
    session = null;
    isReady = false;
    lastEventId = null;
    conversation.clear();
  }

  async function listen(signal: AbortSignal, onReady: () => void): Promise<void> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    const ending = AbortSignal.any([signal, silence.signal]);
    try {
      const body = await client.events(lastEventId, ending);
      await readEventStream(
        body,
        ({ name, id, data }) => {
          if (id !== null) lastEventId = id;
          if (name === 'message') conversation.take(JSON.parse(data) as WireMessage);
          else if (name === 'glimpse') conversation.takeGlimpse(JSON.parse(data) as WireGlimpse);
          else if (name === 'ready') {
            isReady = true;
            onReady();
            become('online');
            ratings.flush();
          }
          if (isReady) changed();
        },
        () => {
          clearTimeout(timer);
          timer = setTimeout(() => silence.abort(), SILENCE_MS);
        },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  function wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      hurry = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', hurry, { once: true });
    });
  }

  /** What the page before could not send any more; of somebody else, nothing. */
  function restoreOutbox(): void {
    const kept = readOutbox(memory);
    if (kept.visitor === session?.visitor) {
      outbox.unshift(...kept.outgoing.filter(({ id }) => !outbox.some((each) => each.id === id)));
      for (const wanted of kept.ratings ?? []) conversation.wantRating(wanted);
    }
    for (const { id, body } of outbox)
      if (conversation.find(id) === undefined)
        conversation.addOwn(id, body.text ?? body.choice ?? '', Date.now());
    void flush();
  }

  function enqueue(body: Omit<Outgoing['body'], 'id'>): void {
    const clientId = options.newId();
    const id = `v-${clientId}`; // as the server will call it
    conversation.addOwn(id, body.text ?? body.choice ?? '', Date.now());
    outbox.push({ id, body: { id: clientId, ...body } });
    save();
    changed();
    void flush();
  }

  /** One after the other: they stand in the order in which they were written. */
  async function flush(): Promise<void> {
    if (isSending || session === null) return;
    isSending = true;
    for (let next = nextToSend(); next !== undefined; next = nextToSend()) await deliver(next);
    isSending = false;
  }

  function nextToSend(): Outgoing | undefined {
    return outbox.find(({ id }) => conversation.find(id)?.state !== 'failed');
  }

  async function deliver({ id, body }: Outgoing): Promise<void> {
    const { signal } = new AbortController(); // also while the chat is closed
    for (let attempt = 1; ; attempt += 1) {
      try {
        await client.send({ ...body, attempt }, signal);
        settle(id);
        return;
      } catch (error) {
        if (conversation.find(id)?.state === 'sent') return settle(id); // it came back to us: only the ack was lost
        if (error instanceof ChatExpired && attempt < SEND_ATTEMPTS) {
          await begin(signal).catch(() => {}); // the next attempt says why
          if (!outbox.some((each) => each.id === id)) return; // it was somebody else's
          continue;
        }
        const waitMs =
          error instanceof ChatUnavailable
            ? (error.retryAfterMs ?? reconnectDelayMs(attempt, Math.random))
            : null;
        if (waitMs === null || attempt >= SEND_ATTEMPTS || waitMs > LONGEST_SEND_WAIT_MS) {
          conversation.setState(id, 'failed', reasonOf(error));
          return changed();
        }
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  function settle(id: string): void {
    const place = outbox.findIndex((each) => each.id === id);
    if (place !== -1) outbox.splice(place, 1);
    conversation.setState(id, 'sent');
    save();
    changed();
  }

  function save(): void {
    if (session === null) return;
    const wanted = conversation.wantedRatings();
    const kept: KeptOutbox = { visitor: session.visitor, outgoing: outbox, ratings: wanted };
    memory.set(OUTBOX, outbox.length + wanted.length === 0 ? null : JSON.stringify(kept));
  }

  const chat: Chat = {
    get connection() {
      return connection;
    },
    get session() {
      return session;
    },
    get isReady() {
      return isReady;
    },
    open() {
      if (running !== null) return hurry();
      running = new AbortController();
      void run(running.signal);
    },
    close() {
      running?.abort();
      running = null;
      become('idle');
    },
    restart() {
      const wasOpen = running !== null;
      chat.close();
      generation += 1;
      beginning = null;
      forget();
      changed();
      if (wasOpen) chat.open();
    },
    say: (text) => enqueue({ text }),
    choose: (messageId, choice) => enqueue({ messageId, choice }),
    stop(messageId) {
      const { signal } = new AbortController();
      client.send({ id: options.newId(), messageId, stop: true }, signal).catch(() => {}); // it can be pressed again
    },
    rate(messageId, rating) {
      conversation.wantRating({ messageId, rating });
      save();
      changed();
      ratings.flush();
    },
    retry(id) {
      conversation.setState(id, 'sending');
      changed();
      if (connection === 'offline') hurry();
      void flush();
    },
  };
  return chat;
}

function reasonOf(error: unknown): string {
  if (error instanceof ChatUnavailable && error.retryAfterMs !== null && error.retryAfterMs > 5_000)
    return words.tooFast;
  return error instanceof ChatRefused ? words.refusedMessage : words.notSent;
}

function readOutbox(memory: Memory): KeptOutbox {
  const kept = memory.get(OUTBOX);
  return kept === null ? { visitor: '', outgoing: [] } : (JSON.parse(kept) as KeptOutbox);
}
