import type { Clock, Sleep } from '../core/clock.ts';
import type { Answer, Delivery, Placeholder } from '../core/delivery.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { JourneyRecorder } from '../core/journey.ts';
import type { Log } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { ClaimedTurn, Step, TurnLedger } from '../core/turn.ts';
import { describeFailure, describeUndelivered } from './describe-failure.ts';
import { markTurn } from './mark-turn.ts';
import { codeOf, pauseOf, turnIds, turnKey } from './turn-outcome.ts';

export interface TurnEndingOptions {
  readonly ledger: TurnLedger;
  readonly delivery: Delivery;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly journeys: JourneyRecorder;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Waits between the attempts of a turn, in ms; after the last one it is a dead letter. */
  readonly modelRetryDelaysMs: readonly number[];
  /** Waits between the attempts to deliver a committed answer, in ms. */
  readonly deliveryRetryDelaysMs: readonly number[];
  /** How long after an apology that the platform did not take the next one is tried, in ms. */
  readonly apologyRetryMs: number;
}

/** How far an attempt has come that is put back. */
export interface AttemptProgress {
  readonly steps: readonly Step[];
  readonly placeholder: Placeholder;
  readonly externalIds: readonly (string | null)[];
  /** As in `DeliveryProgress`. */
  readonly stoppedAt?: number;
  /** Nothing of an answer was sent, should one be committed: the commit's own word may have been lost. */
  readonly isUnsent?: boolean;
}

/** As far as it is known; `steps`: those that are not in the log. */
type RecoveredProgress = Pick<AttemptProgress, 'placeholder' | 'isUnsent'> &
  Partial<Pick<AttemptProgress, 'steps'>>;

/** How a turn ends that is not simply answered. Each way is written back, or the lease sees to it. */
export interface TurnEnding {
  /** Another attempt after `delayMs`, or the end when there was none left; a worker that shuts down hands over. */
  putBack(
    turn: ClaimedTurn,
    error: unknown,
    signal: AbortSignal,
    progress: AttemptProgress,
    delayMs?: number,
  ): Promise<void>;
  /** Nothing more can be done for this turn: it is kept as a dead letter and the conversation goes on. */
  giveUp(
    turn: ClaimedTurn,
    error: unknown,
    signal: AbortSignal,
    placeholder?: Placeholder,
    externalIds?: readonly (string | null)[],
  ): Promise<void>;
  /** What nobody foresaw: another attempt or, when not even that can be written, the end of the turn. */
  recover(turn: ClaimedTurn, error: unknown, signal: AbortSignal, progress: RecoveredProgress): Promise<void>;
  /** Writes down what was paid for, whatever becomes of the turn. */
  keep(turn: ClaimedTurn, steps: readonly Step[], signal: AbortSignal): Promise<void>;
  /**
   * A database that is away for a moment does not cost a finished answer: what was paid for is kept and written when
   * it is back. Harmless however long it takes, because the fence is checked then.
   */
  patiently<T>(signal: AbortSignal, write: () => Promise<T>): Promise<T>;
  /** Waits between the attempts that this turn has, in ms. */
  delaysOf(turn: ClaimedTurn): readonly number[];
}

/** The longest pause of a platform that is honoured before the next attempt. */
const MAX_DELIVERY_PAUSE_MS = 900_000;
const WRITE_PATIENCE_MS = 60_000;
const WRITE_RETRY_MS = 500;
/** After that nobody waits for a sentence any more. */
const APOLOGISE_WITHIN_MS = 24 * 3_600_000;

export function createTurnEnding(options: TurnEndingOptions): TurnEnding {
  const { ledger, delivery, log } = options;
  return { putBack, giveUp, recover, keep, patiently, delaysOf };

  async function recover(
    turn: ClaimedTurn,
    error: unknown,
    signal: AbortSignal,
    progress: RecoveredProgress,
  ): Promise<void> {
    if (isLost(turn, error, signal)) return;
    try {
      await putBack(turn, error, signal, { steps: [], ...progress, externalIds: [] });
    } catch (refused) {
      if (isAway(refused)) throw refused;
      await giveUp(turn, refused, signal, progress.placeholder);
    }
  }

  async function keep(turn: ClaimedTurn, steps: readonly Step[], signal: AbortSignal): Promise<void> {
    if (steps.length > 0) await patiently(signal, () => ledger.logSteps({ ...turnKey(turn), steps }));
  }

  /** Somebody else has the conversation: this worker has nothing more to say. */
  function isLost(turn: ClaimedTurn, error: unknown, signal: AbortSignal): boolean {
    if (isKonstructError(signal.reason, 'lease_lost')) return true; // the worker has said so
    if (!isKonstructError(error, 'lease_lost')) return false;
    log.warn('turn.lease_lost', turnIds(turn));
    return true;
  }

  function delaysOf(turn: ClaimedTurn): readonly number[] {
    return turn.status === 'committed' ? options.deliveryRetryDelaysMs : options.modelRetryDelaysMs;
  }

  async function putBack(
    turn: ClaimedTurn,
    error: unknown,
    signal: AbortSignal,
    progress: AttemptProgress,
    delayMs = delaysOf(turn)[turn.attempts],
  ): Promise<void> {
    if (isLost(turn, error, signal)) return; // whoever has it now goes on
    const handOver = signal.aborted;
    const isFree = handOver || codeOf(error) === 'credentials_replaced';
    if (!isFree && delayMs === undefined) {
      await keep(turn, progress.steps, signal);
      await giveUp(turn, error, signal, progress.placeholder, progress.externalIds);
      return;
    }
    await ledger.retry({
      ...turnKey(turn),
      delayMs: isFree ? 0 : Math.max(delayMs ?? 0, Math.min(pauseOf(error), MAX_DELIVERY_PAUSE_MS)),
      counts: !isFree,
      steps: progress.steps,
      placeholderExternalId: progress.placeholder.state === 'shown' ? progress.placeholder.messageId : null,
      errorCode: isFree ? null : codeOf(error),
      errorDetails: error instanceof KonstructError && !isFree ? error.details : null,
      externalIds: progress.externalIds,
      untriedFrom: progress.isUnsent ? 0 : untriedFrom(error, progress.externalIds, progress.stoppedAt),
    });
    if (handOver) log.info('turn.handed_over', turnIds(turn));
    else
      log.warn('turn.retry', {
        ...turnIds(turn),
        attempt: turn.attempts + 1,
        delayMs,
        code: codeOf(error),
        error,
      });
  }

  /**
   * A placeholder must not stand there for ever: what cannot be answered is said in its place, if that is possible.
   * `interrupted`: the worker had to stop before it could be said; `refused`: the platform does not take it now, and may
   * later.
   */
  async function apologise(
    turn: ClaimedTurn,
    placeholder: Placeholder,
    error: unknown,
    signal: AbortSignal,
  ): Promise<'done' | 'interrupted' | 'refused'> {
    if (placeholder.state === 'absent' || turn.revises !== null) return 'done'; // an earlier answer stays
    const first = turn.deliveries.find(({ kind, position }) => kind === 'answer' && position === 0);
    const placeholderId =
      turn.placeholderId ?? turn.deliveries.find(({ kind }) => kind === 'placeholder')?.id;
    const deliveryId = first?.id ?? placeholderId;
    if (deliveryId === undefined || first?.status === 'sent') return 'done';
    // Beside an answer that may stand there an apology would be wrong; elsewhere it takes its place.
    if (placeholder.state === 'unsupported' && first?.status === 'sending') return 'done';
    const content =
      first === undefined && !isPlatformError(error)
        ? describeFailure(error, turn.attempts + 1)
        : describeUndelivered(error);
    // An answer that may have been sent is looked for where it would not stand in the placeholder.
    const state = first?.status === 'sending' && delivery.findsAgain(turn) ? 'unknown' : 'new';
    const apology: Answer = {
      parts: [{ deliveryId, content, detail: null, state, externalId: null }],
      isApology: true,
    };
    const { externalIds, error: refused } = await delivery.answer(turn, apology, placeholder, signal);
    if (refused !== null) log.warn('turn.apology_failed', { ...turnIds(turn), code: codeOf(refused) });
    const messageId = externalIds[0] ?? null;
    if (messageId === null) {
      if (signal.aborted && isKonstructError(refused, 'aborted')) return 'interrupted';
      const isYoung = options.clock() - turn.startedAtMs < APOLOGISE_WITHIN_MS;
      return isYoung && isKonstructError(refused) && refused.retryable ? 'refused' : 'done';
    }
    await ledger.recordApology(turnKey(turn), messageId).catch((unrecorded: unknown) => {
      // For operators, and so that a replay finds the message: not worth the end of the turn.
      log.warn('turn.apology_unrecorded', { ...turnIds(turn), code: codeOf(unrecorded) });
    });
    return 'done';
  }

  async function giveUp(
    turn: ClaimedTurn,
    error: unknown,
    signal: AbortSignal,
    placeholder: Placeholder = delivery.earlierPlaceholder(turn),
    externalIds: readonly (string | null)[] = [],
  ): Promise<void> {
    if (isLost(turn, error, signal)) return;
    if (isKonstructError(error, 'credentials_replaced')) {
      await putBack(turn, error, signal, { steps: [], placeholder, externalIds });
      return;
    }
    const said = await apologise(turn, placeholder, error, signal);
    if (said === 'refused' && !signal.aborted) {
      // Not an attempt that counts: there is none left. An answer that waits is tried once more, too.
      await retryLater(turn, error, placeholder, externalIds);
      return;
    }
    if (said !== 'done') {
      // Whoever takes it over says it: ended here, "Thinking…" would stand there for ever.
      await putBack(turn, error, signal, { steps: [], placeholder, externalIds });
      return;
    }
    markTurn(options.journeys, turn, 'failed', options.clock(), null, codeOf(error));
    log.error('turn.dead', { ...turnIds(turn), code: codeOf(error), error });
    await ledger.finish({
      ...turnKey(turn),
      status: 'dead',
      errorCode: codeOf(error),
      externalIds,
      followMs: null,
    });
  }

  /** A platform that is away for longer than all attempts: "Thinking…" does not stand there for ever because of it. */
  async function retryLater(
    turn: ClaimedTurn,
    error: unknown,
    placeholder: Placeholder,
    externalIds: readonly (string | null)[],
  ): Promise<void> {
    await ledger.retry({
      ...turnKey(turn),
      delayMs: options.apologyRetryMs,
      counts: false,
      steps: [],
      placeholderExternalId: placeholder.state === 'shown' ? placeholder.messageId : null,
      errorCode: codeOf(error),
      errorDetails: error instanceof KonstructError ? error.details : null,
      externalIds,
      untriedFrom: untriedFrom(error, externalIds),
    });
    log.warn('turn.apology_waits', {
      ...turnIds(turn),
      code: codeOf(error),
      delayMs: options.apologyRetryMs,
    });
  }

  async function patiently<T>(signal: AbortSignal, write: () => Promise<T>): Promise<T> {
    const deadlineMs = options.clock() + WRITE_PATIENCE_MS;
    for (;;) {
      try {
        return await write();
      } catch (error) {
        if (!isAway(error) || signal.aborted || options.clock() > deadlineMs) throw error;
        log.warn('turn.write_delayed', { code: codeOf(error) });
        await options.sleep(WRITE_RETRY_MS, signal);
      }
    }
  }
}

/** Parts go out one after the other: after the one that failed none was tried, and it itself only if nobody knows. */
function untriedFrom(
  error: unknown,
  externalIds: readonly (string | null)[],
  failed = externalIds.indexOf(null),
): number | null {
  if (failed === -1 || !isKonstructError(error)) return null;
  const isCertain = isPlatformError(error) || ['aborted', 'credentials_replaced'].includes(error.code);
  return isCertain && error.details.outcomeUnknown !== true ? failed : failed + 1;
}

/** The database cannot be asked at this moment: nobody else can either, and the lease sees to it that the turn goes on. */
function isAway(error: unknown): boolean {
  return isKonstructError(error, 'database_unavailable') || isKonstructError(error, 'disk_full');
}

function isPlatformError(error: unknown): boolean {
  return isKonstructError(error) && error.code.startsWith('platform_');
}
