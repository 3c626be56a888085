import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { commonLength } from '../../core/glimpse.ts';
import type { MailboxMessage, MailboxRef } from '../../core/mailbox.ts';
import type { MailboxHub } from './create-mailbox-hub.ts';

export interface MailboxStreamOptions {
  /** Its head is written already. */
  readonly response: ServerResponse;
  readonly box: MailboxRef;
  readonly hub: MailboxHub;
  /** What has changed behind a revision, as `VisitorMailbox.read`. */
  readonly read: (after: number | null, limit: number) => Promise<readonly MailboxMessage[]>;
  /** The last revision that the browser has seen; `null`: it begins. */
  readonly after: number | null;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** What a browser that begins is shown of the conversation. */
const NEWEST = 60;
const PAGE = 20;
/** Shorter than what proxies allow a connection to be silent (60 s), and than what the browser waits for (40 s). */
const HEARTBEAT_MS = 15_000;
/** A browser that has taken nothing for so many heartbeats is gone, or as good as. */
const MAX_SILENT_HEARTBEATS = 3;

/**
 * Server-sent events of one mailbox, until the signal or the browser ends it. `message` says what a message is now, with
 * its revision as the event's id, so a browser that comes again with the last one misses nothing; `glimpse` shows an
 * answer that is being written; `ready` says once that all there was is sent.
 *
 * What is sent is read from the database, a page at a time, when the browser has taken the page before: a slow one holds
 * a page, and not what piles up. Glimpses that it has no room for are left out.
 *
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export async function streamMailbox(options: MailboxStreamOptions): Promise<void> {
  const { response, box, hub, read } = options;
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  response.once('close', () => ended.abort());
  let after = options.after;
  let isReady = false;
  let hasChanged = false;
  let wake: (() => void) | null = null;
  let silent = 0;
  /** Answers of which the browser has what the hub has. */
  const inStep = new Set<string>();

  const hasRoom = (): boolean => !response.writableNeedDrain && !response.writableEnded;
  const write = async (frame: string): Promise<void> => {
    if (!response.write(frame)) await once(response, 'drain', { signal });
  };
  const showGlimpse = (messageId: string, before: string, now: string): void => {
    if (!isReady || !hasRoom()) return void inStep.delete(messageId);
    if (inStep.has(messageId) && before === now) return;
    const from = inStep.has(messageId) ? commonLength(before, now) : 0;
    inStep.add(messageId);
    const glimpse = { id: messageId, from, text: now.slice(from), length: now.length };
    response.write(`event: glimpse\ndata: ${JSON.stringify(glimpse)}\n\n`);
  };
  const stopWatching = hub.watch(box, {
    changed() {
      hasChanged = true;
      wake?.();
    },
    glimpsed: showGlimpse,
  });
  const heartbeat = setInterval(() => {
    if (hasRoom()) {
      silent = 0;
      response.write(':\n\n');
    } else if (++silent >= MAX_SILENT_HEARTBEATS) response.destroy();
  }, HEARTBEAT_MS);
  heartbeat.unref();

  try {
    while (!signal.aborted) {
      hasChanged = false;
      const limit = after === null ? NEWEST : PAGE;
      const messages = await read(after, limit);
      for (const message of messages) {
        signal.throwIfAborted();
        await write(frameOf(message));
        after = message.revision;
        if (message.isProvisional) continue;
        hub.settle(box, message.messageId);
        inStep.delete(message.messageId);
      }
      after ??= 0;
      if (messages.length === PAGE && limit === PAGE) continue;
      if (!isReady) {
        await write('event: ready\ndata: {}\n\n');
        isReady = true;
        for (const [messageId, text] of hub.glimpsesOf(box)) showGlimpse(messageId, '', text);
      }
      if (hasChanged || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      wake = null;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stopWatching();
    clearInterval(heartbeat);
    response.end();
  }
}

function frameOf(message: MailboxMessage): string {
  const { messageId, from, markdown, choices, authorName, isProvisional, isAnswer, rating, isRemoved } =
    message;
  const shown = {
    id: messageId,
    from,
    text: markdown,
    position: message.position,
    atMs: message.sentAtMs,
    ...(choices.length > 0 && { choices }),
    ...(authorName !== null && { author: authorName }),
    ...(isProvisional && { provisional: true }),
    ...(isAnswer && { answer: true }),
    ...(rating !== null && { rating }),
    ...(isRemoved && { removed: true }),
  };
  return `id: ${message.revision}\nevent: message\ndata: ${JSON.stringify(shown)}\n\n`;
}
