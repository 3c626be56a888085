import { reconnectDelayMs } from '../reconnect-delay.ts';
import { type ChatClient, ChatExpired, ChatRefused, ChatUnavailable } from './chat-client.ts';
import type { Conversation } from './conversation.ts';

export interface RatingSender {
  /** Sends what is not there yet: called when there is something, and whenever the connection is back. */
  flush(): void;
}

const ATTEMPTS = 5;

/**
 * Brings ratings to the server, one at a time and of each answer only what is wanted now. What does not get through is sent
 * when the connection is back; what is refused is taken back, and said so.
 */
export function createRatingSender(options: {
  readonly client: Pick<ChatClient, 'send'>;
  readonly conversation: Conversation;
  readonly newId: () => string;
  /** Whether it is known who is here: nothing is sent before. */
  readonly isKnown: () => boolean;
  /** Asks for another proof of who is here. */
  readonly begin: () => Promise<void>;
  /** What is wanted, or what is there, has changed. */
  readonly changed: () => void;
}): RatingSender {
  const { client, conversation, newId, isKnown, begin, changed } = options;
  let isSending = false;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function sendAll(): Promise<void> {
    for (;;) {
      const [next] = conversation.wantedRatings();
      if (next === undefined || !isKnown()) return;
      try {
        await client.send({ id: newId(), ...next }, new AbortController().signal);
        failures = 0;
        conversation.settleRating(next);
      } catch (error) {
        if (error instanceof ChatRefused) conversation.refuseRating(next.messageId);
        else {
          failures += 1;
          if (error instanceof ChatExpired) await begin().catch(() => {}); // the next attempt says why
          if (failures < ATTEMPTS) again(error);
          return;
        }
      }
      changed();
    }
  }

  function again(error: unknown): void {
    const wantedMs = error instanceof ChatUnavailable ? error.retryAfterMs : 0;
    clearTimeout(timer);
    timer = setTimeout(() => void run(), wantedMs ?? reconnectDelayMs(failures, Math.random));
  }

  async function run(): Promise<void> {
    if (isSending) return;
    isSending = true;
    await sendAll();
    isSending = false;
  }

  return {
    flush() {
      failures = 0;
      void run();
    },
  };
}
