import type { Clock } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import { commonLength } from '../../core/glimpse.ts';
import type { Log } from '../../core/log.ts';
import type { Mailbox, MailboxRef } from '../../core/mailbox.ts';
import type { AnswerStream, StreamStart } from '../../core/outbound.ts';

export interface AnswerStreamOptions {
  readonly mailbox: Mailbox;
  readonly box: MailboxRef;
  readonly start: StreamStart;
  readonly clock: Clock;
  readonly log: Log;
}

/** Twelve times a second: faster nobody reads, and slower it looks like a typewriter with a stutter. */
const EVERY_MS = 80;
/** For browsers that come in the middle, or have missed a piece. */
const WHOLE_EVERY_MS = 1_000;
/** More of an answer than this is shown when it is done. */
const MAX_CHARACTERS = 60_000;
/** How long a glimpse that has left may still take before the answer does not wait for it. */
const CLOSE_WITHIN_MS = 1_000;

/** Shows an answer in the visitor's browser while it is written: what is new of it, and all of it once a second. */
export function createAnswerStream(options: AnswerStreamOptions): AnswerStream {
  const { mailbox, box, start, clock, log } = options;
  const { messageId } = start;
  let wanted = '';
  /** What browsers have that have missed nothing. */
  let shown = '';
  let nextAtMs = 0;
  let wholeAtMs = 0;
  let timer: NodeJS.Timeout | null = null;
  let sending: Promise<void> | null = null;
  let isClosed = false;

  function schedule(): void {
    if (isClosed || timer !== null || sending !== null || wanted === shown) return;
    timer = setTimeout(
      () => {
        timer = null;
        sending = send().finally(() => {
          sending = null;
          schedule();
        });
      },
      Math.max(0, nextAtMs - clock()),
    );
  }

  async function send(): Promise<void> {
    const text = wanted;
    nextAtMs = clock() + EVERY_MS;
    if (!start.mayStillSend()) {
      isClosed = true;
      return;
    }
    const isWhole = clock() >= wholeAtMs;
    if (isWhole) wholeAtMs = clock() + WHOLE_EVERY_MS;
    const from = isWhole ? 0 : commonLength(shown, text);
    shown = text;
    try {
      await mailbox.glimpse(box, [{ messageId, from, text: text.slice(from), length: text.length }]);
    } catch (error) {
      wholeAtMs = 0; // nobody knows what of it was seen
      const code = isKonstructError(error) ? error.code : 'internal';
      log.debug('widget.glimpse_failed', { connectionId: box.connectionId, code });
    }
  }

  return {
    show(markdown) {
      wanted = markdown.slice(0, MAX_CHARACTERS);
      schedule();
    },
    async close() {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      if (sending !== null) await inTime(sending, CLOSE_WITHIN_MS);
      return { messageId };
    },
  };
}

async function inTime(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const time = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, time]);
  clearTimeout(timer);
}
