import type { Clock } from '../core/clock.ts';
import type { Delivery, Placeholder } from '../core/delivery.ts';
import type { Log } from '../core/log.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import { codeOf, turnIds } from './turn-outcome.ts';

/** Lets people see in the placeholder which tools run. Nice to have: it fails silently and holds nothing up. */
export interface ShowTools {
  /** A tool has begun; the function that is returned says that it has ended. */
  show(title: string): () => void;
  /** Ends it: when this has resolved, nothing of it can replace what is sent afterwards. */
  close(): Promise<void>;
}

/** A tool that is faster than this is not worth a flicker, nor the platform's place for an edit. */
const SHOW_AFTER_MS = 250;
const EVERY_MS = 1_000;
/** How long an edit that has left may still take before the answer does not wait for it. */
const CLOSE_WITHIN_MS = 2_000;
const MAX_TITLE_CHARACTERS = 80;

/**
 * Platforms limit edits per installation too (Slack's `chat.update`: about 50 a minute), and the answers of all its turns
 * need them. So tools take a part of them, in bursts of five; what goes beyond is not shown.
 */
const CONNECTION_INTERVAL_MS = 3_000;
const CONNECTION_BURST = 5;

/** Whether a connection may take one more edit for what is only nice to have. */
export type TakeEdit = (connectionId: string) => boolean;

export function createTakeEdit(clock: Clock): TakeEdit {
  // One entry per connection that ever used a tool: the number of connections bounds it.
  const dueAtMs = new Map<string, number>();
  return (connectionId) => {
    const nowMs = clock();
    const due = Math.max(dueAtMs.get(connectionId) ?? 0, nowMs);
    if (due - nowMs > (CONNECTION_BURST - 1) * CONNECTION_INTERVAL_MS) return false;
    dueAtMs.set(connectionId, due + CONNECTION_INTERVAL_MS);
    return true;
  };
}

export function createShowTools(options: {
  readonly turn: ClaimedTurn;
  readonly takeEdit: TakeEdit;
  readonly delivery: Pick<Delivery, 'progress'>;
  readonly placeholder: Promise<Placeholder>;
  readonly clock: Clock;
  readonly log: Log;
}): ShowTools {
  const { turn, delivery, clock, log } = options;
  const controller = new AbortController();
  const running = new Map<symbol, string>();
  let sending: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let shownText = turn.agent.placeholder;
  let nextAtMs = 0;

  function schedule(): void {
    if (timer !== null || sending !== null || controller.signal.aborted) return;
    timer = setTimeout(
      () => {
        timer = null;
        sending = send().finally(() => {
          sending = null;
          if (running.size > 0) schedule();
        });
      },
      Math.max(SHOW_AFTER_MS, nextAtMs - clock()),
    );
  }

  async function send(): Promise<void> {
    const placeholder = await options.placeholder;
    const text = `${turn.agent.placeholder} · ${[...new Set(running.values())].join(', ')}`;
    const isNews = running.size > 0 && text !== shownText;
    nextAtMs = clock() + EVERY_MS;
    if (!isNews || placeholder.state !== 'shown' || controller.signal.aborted) return;
    if (!options.takeEdit(turn.connection.id)) return;
    try {
      await delivery.progress(turn, placeholder.messageId, text, controller.signal);
      shownText = text;
    } catch (error) {
      if (!controller.signal.aborted)
        log.warn('placeholder.progress_failed', { ...turnIds(turn), code: codeOf(error) });
    }
  }

  return {
    show(title) {
      const tool = Symbol(title);
      running.set(tool, title.slice(0, MAX_TITLE_CHARACTERS));
      schedule();
      return () => void running.delete(tool);
    },
    async close() {
      running.clear();
      if (timer !== null) clearTimeout(timer);
      if (sending === null) return controller.abort();
      const giveUp = setTimeout(() => controller.abort(), CLOSE_WITHIN_MS);
      await sending;
      clearTimeout(giveUp);
      controller.abort();
    },
  };
}
