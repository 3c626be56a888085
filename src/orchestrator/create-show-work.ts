import type { Clock } from '../core/clock.ts';
import type { Delivery, Placeholder } from '../core/delivery.ts';
import type { Log } from '../core/log.ts';
import type { AnswerStream, StreamStart } from '../core/outbound.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import { glimpse } from './glimpse.ts';
import type { TakeEdit } from './take-edit.ts';
import { codeOf, turnIds } from './turn-outcome.ts';

/**
 * Lets people see in the placeholder what the agent does: which tools run, and the answer while it is written. Nice to
 * have: it fails silently and holds nothing up.
 */
export interface ShowWork {
  /** A tool has begun; the function that is returned says that it has ended. */
  tool(title: string): () => void;
  /** All of the text that the model has written so far, or another one that takes its place. */
  text(text: string): void;
  /**
   * Ends it: when this has resolved, nothing of it can replace what is sent afterwards.
   * @returns where the answer belongs: the placeholder, or the message that a platform's own stream has begun instead
   */
  close(): Promise<Placeholder>;
  /** Takes half an answer back that nobody will finish now; after `close`. */
  reset(): Promise<void>;
}

export interface ShowWorkOptions {
  readonly turn: ClaimedTurn;
  readonly takeEdit: TakeEdit;
  readonly delivery: Pick<Delivery, 'progress' | 'split' | 'showsWriting' | 'openStream'>;
  readonly placeholder: Promise<Placeholder>;
  /** Remembers that the answer now stands in another message than the placeholder, or that somebody stopped it there. */
  readonly heard: Pick<StreamStart, 'onMessage' | 'onStop'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** A tool that is faster than this is not worth a flicker, nor the platform's place for an edit; nor is a text. */
const TOOL_AFTER_MS = 250;
const TEXT_AFTER_MS = 400;
const EVERY_MS = 1_000;
/** How long an edit that has left may still take before the answer does not wait for it. */
const CLOSE_WITHIN_MS = 2_000;
const MAX_TITLE_CHARACTERS = 80;

export function createShowWork(options: ShowWorkOptions): ShowWork {
  const { turn, delivery, clock, log } = options;
  const controller = new AbortController();
  const running = new Map<symbol, string>();
  let written = '';
  let stream: AnswerStream | null = null;
  let opening = false;
  let sending: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let shownText = turn.agent.placeholder;
  let showsText = false;
  let nextAtMs = 0;
  /** Where the answer belongs, once it is known. */
  let place: Placeholder | null = null;

  function schedule(afterMs: number): void {
    if (timer !== null || sending !== null || controller.signal.aborted) return;
    timer = setTimeout(
      () => {
        timer = null;
        sending = send().finally(() => {
          sending = null;
          if (current() !== shownText) schedule(TOOL_AFTER_MS);
        });
      },
      Math.max(afterMs, nextAtMs - clock()),
    );
  }

  /** What should stand there now. */
  function current(): string {
    const tools = [...new Set(running.values())].join(', ');
    if (written !== '') {
      const text = glimpse(written, (markdown) => delivery.split(turn, markdown));
      return tools === '' ? text : `${text}\n\n_${tools} …_`;
    }
    return tools === '' ? shownText : `${turn.agent.placeholder} · ${tools}`;
  }

  async function send(): Promise<void> {
    const placeholder = await options.placeholder;
    if (opening) return; // the stream may have taken the placeholder's place
    const text = current();
    nextAtMs = clock() + EVERY_MS;
    if (text === shownText || placeholder.state !== 'shown' || controller.signal.aborted) return;
    if (!options.takeEdit(turn.connection.id)) return;
    try {
      showsText = written !== '';
      await delivery.progress(turn, placeholder.messageId, text, controller.signal);
      shownText = text;
    } catch (error) {
      if (!controller.signal.aborted)
        log.warn('placeholder.progress_failed', { ...turnIds(turn), code: codeOf(error) });
    }
  }

  /** The platform's own stream begins with the first text, and only where a placeholder stands. */
  async function openStream(): Promise<void> {
    if (opening) return;
    opening = true;
    const placeholder = await options.placeholder;
    if (placeholder.state !== 'shown' || controller.signal.aborted) return;
    stream = delivery.openStream(turn, placeholder.messageId, options.heard);
    stream.show(written);
  }

  return {
    tool(title) {
      const tool = Symbol(title);
      running.set(tool, title.slice(0, MAX_TITLE_CHARACTERS));
      if (stream === null) schedule(TOOL_AFTER_MS);
      return () => void running.delete(tool);
    },
    text(text) {
      if (controller.signal.aborted) return;
      written = text;
      if (delivery.showsWriting(turn) !== 'native') schedule(TEXT_AFTER_MS);
      else if (stream === null) void openStream();
      else stream.show(text);
    },
    async close() {
      running.clear();
      if (timer !== null) clearTimeout(timer);
      timer = null;
      if (sending !== null) {
        const giveUp = setTimeout(() => controller.abort(), CLOSE_WITHIN_MS);
        await sending;
        clearTimeout(giveUp);
        if (timer !== null) clearTimeout(timer);
      }
      controller.abort('closed');
      place = await options.placeholder;
      if (stream !== null) {
        showsText = true;
        place = { state: 'shown', messageId: (await stream.close()).messageId };
      }
      return place;
    },
    async reset() {
      if (!showsText || place?.state !== 'shown') return;
      try {
        const signal = AbortSignal.timeout(CLOSE_WITHIN_MS);
        await delivery.progress(turn, place.messageId, turn.agent.placeholder, signal);
      } catch (error) {
        log.warn('placeholder.progress_failed', { ...turnIds(turn), code: codeOf(error) });
      }
    },
  };
}
