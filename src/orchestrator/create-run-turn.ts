import { setImmediate } from 'node:timers/promises';
import type { Answer, AnswerPart, DeliveryProgress, Placeholder } from '../core/delivery.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import { noMetrics } from '../core/metrics.ts';
import { connectionDefaults } from '../core/tenant.ts';
import type { ClaimedTurn, Step, TurnDelivery } from '../core/turn.ts';
import { composeAnswer, noExtras } from './compose-answer.ts';
import type { FilesInHand } from './create-files-in-hand.ts';
import { createRunSteps, type RunStepsOptions } from './create-run-steps.ts';
import { createShowWork, type ShowWork } from './create-show-work.ts';
import { createTurnControl } from './create-turn-control.ts';
import { createTurnEnding, type TurnEndingOptions } from './create-turn-ending.ts';
import { createTurnInterruption } from './create-turn-interruption.ts';
import { describeFailure } from './describe-failure.ts';
import { keepStatus } from './keep-status.ts';
import { keepTyping } from './keep-typing.ts';
import { markTurn } from './mark-turn.ts';
import { createStepLog } from './step-log.ts';
import { createTakeEdit } from './take-edit.ts';
import {
  codeOf,
  interruptedStep,
  type ModelOutcome,
  pauseOf,
  readyAtMs,
  replyText,
  turnIds,
  turnKey,
} from './turn-outcome.ts';

export interface RunTurnOptions extends TurnEndingOptions, RunStepsOptions {
  readonly filesInHand: Pick<FilesInHand, 'release'>;
  /** Records that somebody stopped the turn by the platform's own means, where its answer was being written. */
  readonly stopTurn: (turn: ClaimedTurn, messageId: string) => Promise<void>;
}

/** A model that wants a longer pause than this is as good as away: nobody looks at "Thinking…" for an hour. */
const MAX_MODEL_PAUSE_MS = 120_000;
/** How often an answer is held up for a file that the platform does not take. */
const MAX_FILE_RETRIES = 2;
/** When the model has not answered by then, the placeholder's id is recorded at once and not only with the answer. */
const RECORD_PLACEHOLDER_AFTER_MS = 150;

/**
 * Runs one claimed turn: placeholder and prompt side by side, the model and its tools, commit, delivery, finish. Every ending is
 * written back: answered, put back for another attempt, or given up with an honest sentence in the thread.
 */
export function createRunTurn(
  options: RunTurnOptions,
): (turn: ClaimedTurn, signal: AbortSignal, interrupted: AbortSignal) => Promise<void> {
  const { ledger, delivery, journeys, log, metrics = noMetrics } = options;
  const untilPlaceholder = metrics.histogram('konstruct_turn_placeholder_seconds', {});
  const untilAnswer = metrics.histogram('konstruct_turn_answer_seconds', {});
  const ending = createTurnEnding(options);
  const runSteps = createRunSteps(options);
  const interruption = createTurnInterruption(options, ending);
  const takeEdit = createTakeEdit(options.clock);

  return async (turn, signal, interrupted) => {
    markTurn(journeys, turn, 'claimed', options.clock());
    if (turn.cancel !== null && turn.status === 'running') {
      const { cancel } = turn;
      await guarded(turn, signal, () =>
        interruption.cancel(turn, cancel, delivery.earlierPlaceholder(turn), signal),
      );
      return;
    }
    if (turn.connection.status === 'disabled') {
      await ending.giveUp(
        turn,
        new KonstructError('platform_rejected', 'The connection is disabled.'),
        signal,
        {
          state: 'absent',
        },
      );
      return;
    }
    if (turn.attempts > ending.delaysOf(turn).length) {
      // Not one of these attempts could write back how it ended, or there would have been fewer.
      await ending.giveUp(
        turn,
        new KonstructError('internal', 'The turn ended every worker that ran it.'),
        signal,
      );
      return;
    }
    await guarded(turn, signal, () =>
      turn.status === 'committed' ? deliverCommitted(turn, signal) : answer(turn, signal, interrupted),
    );
  };

  async function guarded(turn: ClaimedTurn, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await ending.recover(turn, error, signal, { placeholder: { state: 'absent' } }); // an answer that was sent stays as it is
    } finally {
      options.filesInHand.release(turn.turnId);
    }
  }

  async function answer(turn: ClaimedTurn, signal: AbortSignal, interrupted: AbortSignal): Promise<void> {
    if (!turn.messages.some(({ ofTurn, direction }) => ofTurn && direction === 'in')) {
      await interruption.cancel(turn, 'deleted', delivery.earlierPlaceholder(turn), signal); // while nobody had it
      return;
    }
    const startedAtMs = options.clock();
    const stopped = new AbortController();
    const turnSignal = AbortSignal.any([signal, stopped.signal]);
    // Not cut short by an interruption: a placeholder of unknown fate would have to be looked for.
    // What takes long leaves first: the request to the model, if it waits for nothing else.
    const shown = setImmediate().then(() => delivery.placeholder(turn, turnSignal));
    const showing = shown.then(
      (placeholder) => {
        if (placeholder.state === 'shown') {
          markTurn(journeys, turn, 'placeholder', options.clock(), options.clock() - startedAtMs);
          // A later attempt finds it standing there: that says nothing about how long people waited.
          if (turn.fresh) untilPlaceholder.observe((options.clock() - readyAtMs(turn)) / 1_000);
        }
        return { placeholder, error: null };
      },
      (error: unknown) => {
        stopped.abort(error); // nothing can be delivered there: do not pay for a model
        return { placeholder: { state: 'absent' } as const, error };
      },
    );
    const elsewhere = delivery.answersElsewhere(turn, turnSignal);
    // What cannot be found again is remembered at once: a crash would leave it standing there.
    const recordAfterMs = delivery.findsAgain(turn) ? RECORD_PLACEHOLDER_AFTER_MS : 0;
    const remember = createRemember(turn);
    const recording = setTimeout(() => void recordPlaceholder(turn, showing, remember), recordAfterMs);
    const work = createShowWork({
      ...options,
      turn,
      takeEdit,
      placeholder: showing.then(({ placeholder }) => placeholder),
      heard: {
        onMessage(messageId) {
          clearTimeout(recording); // the placeholder is not where the answer will stand any more
          return remember(messageId);
        },
        onStop: (messageId) => options.stopTurn(turn, messageId),
      },
    });
    // Where an earlier answer stands, nothing is shown in its place.
    const isShown = turn.revises === null;
    const control = createTurnControl({ ...options, turn, signal: turnSignal, interrupted });
    const typing = keepTyping({ ...options, turn, signal: turnSignal });
    const status = keepStatus({ ...options, turn, placeholder: showing, signal: turnSignal });
    const outcome = await runSteps(turn, {
      stepLog: createStepLog({
        write: (steps) => ending.patiently(signal, () => ledger.logSteps({ ...turnKey(turn), steps })),
        onFailure: (error) => stopped.abort(error), // what cannot be logged would be done again
      }),
      control,
      show: isShown ? work.tool : () => () => {},
      write: isShown && delivery.showsWriting(turn) !== 'none' ? work.text : null,
      signal: turnSignal,
    });
    clearTimeout(recording);
    typing.stop();
    status.stop();
    const { error: unshown } = await showing;
    const placeholder = await work.close();
    if (unshown !== null) {
      await ending.keep(turn, outcome.steps, signal);
      await ending.giveUp(turn, unshown, signal);
      return;
    }
    const beginsAnew = !outcome.ok && isKonstructError(outcome.error, 'turn_interrupted');
    if ((interrupted.aborted || beginsAnew) && !signal.aborted) {
      const steps = outcome.steps.map(interruptedStep);
      await settleOrRecover(turn, steps, placeholder, signal);
      return;
    }
    if (!outcome.ok && isKonstructError(outcome.error, 'lease_lost')) {
      await ending.recover(turn, outcome.error, signal, { placeholder });
      return;
    }
    let parts: readonly AnswerPart[] | null;
    try {
      const standing = { placeholder, answerElsewhere: await elsewhere };
      parts = await conclude(turn, outcome, control.revision(), standing, work, signal);
    } catch (error) {
      await ending.recover(turn, error, signal, { placeholder, steps: outcome.steps, isUnsent: true });
      return;
    }
    if (parts === null) return;
    const failureCode = outcome.ok ? null : codeOf(outcome.error);
    await deliver(turn, { parts }, placeholder, signal, failureCode);
  }

  async function settleOrRecover(
    turn: ClaimedTurn,
    steps: readonly Step[],
    placeholder: Placeholder,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await interruption.settle(turn, { steps, placeholder }, signal);
    } catch (error) {
      await ending.recover(turn, error, signal, { placeholder, steps, isUnsent: true });
    }
  }

  /** Writes down what the model's work has come to: what is to be sent now, or `null` when the turn was put back. */
  async function conclude(
    turn: ClaimedTurn,
    outcome: ModelOutcome,
    revision: number,
    {
      placeholder,
      answerElsewhere,
    }: { readonly placeholder: Placeholder; readonly answerElsewhere: boolean },
    work: ShowWork,
    signal: AbortSignal,
  ): Promise<readonly AnswerPart[] | null> {
    if (signal.aborted) {
      await ending.putBack(turn, signal.reason, signal, {
        steps: outcome.steps,
        placeholder,
        externalIds: [],
      });
      return null;
    }
    if (!outcome.ok) {
      const delayMs = options.modelRetryDelaysMs[turn.attempts];
      const worthRepeating = isWorthRepeating(outcome);
      if (worthRepeating && delayMs !== undefined && pauseOf(outcome.error) <= MAX_MODEL_PAUSE_MS) {
        await work.reset();
        await ending.putBack(
          turn,
          outcome.error,
          signal,
          { steps: outcome.steps, placeholder, externalIds: [] },
          delayMs,
        );
        return null;
      }
      log.error('turn.model_failed', { ...turnIds(turn), attempts: turn.attempts + 1, error: outcome.error });
      if (turn.revises !== null) {
        // The earlier answer says more than an apology in its place would.
        await ending.keep(turn, outcome.steps, signal);
        await ending.giveUp(turn, outcome.error, signal, { state: 'absent' });
        return null;
      }
    }
    const reply = outcome.ok
      ? replyText(outcome.result, outcome.limit)
      : describeFailure(outcome.error, turn.attempts + 1);
    const extras = outcome.ok ? outcome.extras : noExtras;
    const composed = composeAnswer(reply, extras, delivery.abilities(turn));
    const { choices, files } = composed;
    const parts = delivery.split(turn, composed.text, choices);
    const committed = await ending.patiently(signal, () =>
      ledger.commit({
        ...turnKey(turn),
        placeholderExternalId: placeholder.state === 'shown' ? placeholder.messageId : null,
        ...(answerElsewhere && { answerElsewhere }),
        steps: outcome.steps,
        reply: composed.record,
        parts,
        ...(choices.length > 0 ? { choices } : {}),
        ...(files.length > 0 ? { files } : {}),
        agentUserId: turn.connection.agentUserId,
        errorCode: outcome.ok ? null : codeOf(outcome.error),
        errorDetails: outcome.ok || !isKonstructError(outcome.error) ? null : outcome.error.details,
        revision,
        strict: turn.agent.busyMode !== 'queue',
      }),
    );
    if (!committed) {
      await interruption.settle(turn, { steps: outcome.steps, placeholder }, signal);
      return null;
    }
    markTurn(journeys, turn, 'committed', options.clock());
    const lastDetail = choices.length > 0 ? { choices } : null;
    const contents: readonly Pick<AnswerPart, 'content' | 'detail'>[] = [
      ...parts.map((content, index) => ({ content, detail: index === parts.length - 1 ? lastDetail : null })),
      ...files.map((file) => ({ content: file.name, detail: { file } })),
    ];
    return contents.map(
      (part, index): AnswerPart => ({
        ...part,
        deliveryId: committed.deliveryIds[index] as number,
        state: 'new',
        externalId: null,
      }),
    );
  }

  /** The answer was committed by an earlier attempt; whether it was sent may be unknown. */
  async function deliverCommitted(turn: ClaimedTurn, signal: AbortSignal): Promise<void> {
    const parts = turn.deliveries
      .filter(({ kind }) => kind === 'answer')
      .map(
        (delivered): AnswerPart => ({
          deliveryId: delivered.id,
          content: delivered.content ?? '',
          detail: delivered.detail,
          state: stateOf(delivered),
          externalId: delivered.externalId,
        }),
      );
    await deliver(turn, { parts }, delivery.earlierPlaceholder(turn), signal, turn.failureCode);
  }

  async function deliver(
    turn: ClaimedTurn,
    toSend: Answer,
    placeholder: Placeholder,
    signal: AbortSignal,
    failureCode: string | null,
  ): Promise<void> {
    const startedAtMs = options.clock();
    const progress: DeliveryProgress = await delivery.answer(turn, toSend, placeholder, signal);
    const stoppedAtFile = toSend.parts[progress.stoppedAt ?? -1]?.detail?.file !== undefined;
    if (progress.error !== null) {
      const isLast = stoppedAtFile && turn.attempts >= MAX_FILE_RETRIES;
      const delayMs = isLast ? undefined : options.deliveryRetryDelaysMs[turn.attempts];
      const worthRepeating = !isKonstructError(progress.error) || progress.error.retryable;
      if (signal.aborted || (worthRepeating && delayMs !== undefined)) {
        await ending.putBack(turn, progress.error, signal, { ...progress, steps: [], placeholder }, delayMs);
        return;
      }
    }
    // The answer stands there: a file that the platform does not take is no reason to call it undelivered.
    const isDone = stoppedAtFile && !isKonstructError(progress.error, 'lease_lost');
    if (isDone) log.warn('file.undelivered', { ...turnIds(turn), code: codeOf(progress.error) });
    if (progress.error !== null && !isDone) {
      // Beside an answer that may stand there an apology would be wrong.
      const isSaid = toSend.parts[0]?.state === 'sent' || codeOf(progress.error) === 'delivery_uncertain';
      const apology = isSaid ? { state: 'absent' as const } : placeholder;
      await ending.giveUp(turn, progress.error, signal, apology, progress.externalIds);
      return;
    }
    markTurn(journeys, turn, 'delivered', options.clock(), options.clock() - startedAtMs);
    untilAnswer.observe((options.clock() - readyAtMs(turn)) / 1_000);
    await ending.patiently(signal, () =>
      ledger.finish({
        ...turnKey(turn),
        status: failureCode === null ? 'answered' : 'dead',
        errorCode: failureCode,
        externalIds: progress.externalIds,
        followMs: (turn.connection.settings.followMinutes ?? connectionDefaults.followMinutes) * 60_000,
      }),
    );
    log.info('turn.answered', {
      ...turnIds(turn),
      failure: failureCode,
      ms: Math.round(options.clock() - turn.startedAtMs),
    });
  }

  async function recordPlaceholder(
    turn: ClaimedTurn,
    showing: Promise<{ placeholder: Placeholder }>,
    remember: (messageId: string) => Promise<void>,
  ): Promise<void> {
    const { placeholder } = await showing;
    if (placeholder.state !== 'shown') return;
    await remember(placeholder.messageId).catch((error: unknown) => {
      log.warn('placeholder.record_failed', { ...turnIds(turn), error }); // the answer's commit records it too
    });
  }

  /** Writes down in which message the turn's answer will stand; what is said later counts. */
  function createRemember(turn: ClaimedTurn): (messageId: string) => Promise<void> {
    const deliveryId = turn.placeholderId ?? turn.deliveries.find(({ kind }) => kind === 'placeholder')?.id;
    let before: Promise<unknown> = Promise.resolve();
    return (messageId) => {
      if (deliveryId === undefined) return Promise.resolve();
      const recorded = before.then(() => ledger.recordPlaceholder(turn, deliveryId, messageId));
      before = recorded.catch(() => {}); // whoever asked for it is told
      return recorded;
    };
  }
}

/** What is known of a part that an earlier attempt has committed. */
function stateOf({ status, attempts }: TurnDelivery): AnswerPart['state'] {
  if (status === 'sent') return 'sent';
  if (status === 'pending') return 'new';
  return attempts === 0 ? 'reopened' : 'unknown';
}

/** A budget that is only set aside for others gets free again; models have had their time. */
function isWorthRepeating({ error, isLate }: Extract<ModelOutcome, { ok: false }>): boolean {
  if (!isKonstructError(error)) return true;
  if (isLate && error.code === 'model_unavailable') return false;
  return error.retryable || (error.code === 'budget_exhausted' && error.details.isHeld === true);
}
