import type { Clock, Sleep } from '../core/clock.ts';
import type { Answer, AnswerPart, Delivery, DeliveryProgress, Placeholder } from '../core/delivery.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { JourneyRecorder, JourneyStage } from '../core/journey.ts';
import type { Log } from '../core/log.ts';
import type { ModelPool, ModelResult } from '../core/model.ts';
import { connectionDefaults } from '../core/tenant.ts';
import type { ClaimedTurn, Step, TurnLedger } from '../core/turn.ts';
import type { PreparePrompt } from './create-prepare-prompt.ts';
import { describeFailure, describeUndelivered } from './describe-failure.ts';
import { earlierPlaceholder, placeholderIdOf } from './earlier-placeholder.ts';
import { codeOf, failedStep, modelStep, replyText } from './turn-outcome.ts';
import { createWritePatiently, isAway } from './write-patiently.ts';

export interface RunTurnOptions {
  readonly ledger: TurnLedger;
  readonly models: ModelPool;
  readonly delivery: Delivery;
  readonly preparePrompt: PreparePrompt;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly journeys: JourneyRecorder;
  readonly log: Log;
  /** Waits between the attempts of a turn, in ms; after the last one it is a dead letter. */
  readonly modelRetryDelaysMs: readonly number[];
  /** Waits between the attempts to deliver a committed answer, in ms. */
  readonly deliveryRetryDelaysMs: readonly number[];
  readonly maxOutputTokens: number;
}

/** A model that wants a longer pause than this is as good as away: nobody looks at "Thinking…" for an hour. */
const MAX_MODEL_PAUSE_MS = 120_000;
/** The longest pause of a platform that is honoured before the next attempt. */
const MAX_DELIVERY_PAUSE_MS = 900_000;

/** When the model has not answered by then, the placeholder's id is recorded at once and not only with the answer. */
const RECORD_PLACEHOLDER_AFTER_MS = 150;

/**
 * Runs one claimed turn: placeholder and prompt side by side, the model, commit, delivery, finish. Every ending is
 * written back: answered, put back for another attempt, or given up with an honest sentence in the thread.
 */
export function createRunTurn(
  options: RunTurnOptions,
): (turn: ClaimedTurn, signal: AbortSignal) => Promise<void> {
  const { ledger, delivery, log } = options;
  const patiently = createWritePatiently(options);

  return async (turn, signal) => {
    mark(turn, 'claimed', turn.startedAtMs);
    if (turn.connection.status === 'disabled') {
      await giveUp(turn, new KonstructError('platform_rejected', 'The connection is disabled.'), signal, {
        state: 'absent',
      });
      return;
    }
    if (turn.attempts > delaysOf(turn).length) {
      // Not one of these attempts could write back how it ended, or there would have been fewer.
      await giveUp(turn, new KonstructError('internal', 'The turn ended every worker that ran it.'), signal);
      return;
    }
    try {
      if (turn.status === 'committed') await deliverCommitted(turn, signal);
      else await answer(turn, signal);
    } catch (error) {
      await recover(turn, error, signal, { state: 'absent' }); // an answer that was sent stays as it is
    }
  };

  /** What nobody foresaw: another attempt or, when not even that can be written, the end of the turn. */
  async function recover(
    turn: ClaimedTurn,
    error: unknown,
    signal: AbortSignal,
    placeholder: Placeholder,
  ): Promise<void> {
    if (isKonstructError(error, 'lease_lost') || isKonstructError(signal.reason, 'lease_lost')) return;
    try {
      await putBack(turn, error, signal, { steps: [], placeholder, externalIds: [] });
    } catch (refused) {
      if (isAway(refused)) throw refused;
      await giveUp(turn, refused, signal, placeholder);
    }
  }

  function delaysOf(turn: ClaimedTurn): readonly number[] {
    return turn.status === 'committed' ? options.deliveryRetryDelaysMs : options.modelRetryDelaysMs;
  }

  async function answer(turn: ClaimedTurn, signal: AbortSignal): Promise<void> {
    const startedAtMs = options.clock();
    const stopped = new AbortController();
    const turnSignal = AbortSignal.any([signal, stopped.signal]);
    const showing = delivery.placeholder(turn, turnSignal).then(
      (placeholder) => {
        if (placeholder.state === 'shown')
          mark(turn, 'placeholder', options.clock(), options.clock() - startedAtMs);
        return { placeholder, error: null };
      },
      (error: unknown) => {
        stopped.abort(error); // nothing can be delivered there: do not pay for a model
        return { placeholder: { state: 'absent' } as const, error };
      },
    );
    const recording = setTimeout(() => void recordPlaceholder(turn, showing), RECORD_PLACEHOLDER_AFTER_MS);
    let outcome: ModelOutcome;
    try {
      outcome = await askModel(turn, turnSignal);
    } finally {
      clearTimeout(recording);
    }
    const shown = await showing;
    if (shown.error !== null) {
      await giveUp(turn, shown.error, signal);
      return;
    }
    let parts: readonly AnswerPart[] | null;
    try {
      parts = await conclude(turn, outcome, shown.placeholder, signal);
    } catch (error) {
      await recover(turn, error, signal, shown.placeholder);
      return;
    }
    if (parts === null) return;
    const failureCode = outcome.ok ? null : codeOf(outcome.error);
    await deliver(turn, { parts }, shown.placeholder, signal, failureCode);
  }

  /** Writes down what the model's work has come to: what is to be sent now, or `null` when the turn was put back. */
  async function conclude(
    turn: ClaimedTurn,
    outcome: ModelOutcome,
    placeholder: Placeholder,
    signal: AbortSignal,
  ): Promise<readonly AnswerPart[] | null> {
    if (signal.aborted) {
      await putBack(turn, signal.reason, signal, { steps: outcome.steps, placeholder, externalIds: [] });
      return null;
    }
    if (!outcome.ok) {
      const delayMs = options.modelRetryDelaysMs[turn.attempts];
      const worthRepeating = !isKonstructError(outcome.error) || outcome.error.retryable;
      if (worthRepeating && delayMs !== undefined && pauseOf(outcome.error) <= MAX_MODEL_PAUSE_MS) {
        await putBack(
          turn,
          outcome.error,
          signal,
          { steps: outcome.steps, placeholder, externalIds: [] },
          delayMs,
        );
        return null;
      }
      log.error('turn.model_failed', { ...ids(turn), attempts: turn.attempts + 1, error: outcome.error });
    }
    const reply = outcome.ok ? replyText(outcome.result) : describeFailure(outcome.error, turn.attempts + 1);
    const parts = delivery.split(turn, reply);
    const committed = await patiently(signal, () =>
      ledger.commit({
        ...key(turn),
        placeholderExternalId: placeholder.state === 'shown' ? placeholder.messageId : null,
        steps: outcome.steps,
        reply,
        parts,
        agentUserId: turn.connection.agentUserId,
        errorCode: outcome.ok ? null : codeOf(outcome.error),
        errorDetails: outcome.ok || !isKonstructError(outcome.error) ? null : outcome.error.details,
      }),
    );
    if (!committed) throw new KonstructError('lease_lost');
    mark(turn, 'committed', options.clock());
    return parts.map(
      (content, index): AnswerPart => ({
        deliveryId: committed.deliveryIds[index] as number,
        content,
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
        ({ id, content, status, externalId }): AnswerPart => ({
          deliveryId: id,
          content: content ?? '',
          state: status === 'sent' ? 'sent' : 'unknown',
          externalId,
        }),
      );
    await deliver(turn, { parts }, earlierPlaceholder(turn), signal, turn.failureCode);
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
    if (progress.error !== null) {
      const delayMs = options.deliveryRetryDelaysMs[turn.attempts];
      const worthRepeating = !isKonstructError(progress.error) || progress.error.retryable;
      if (signal.aborted || (worthRepeating && delayMs !== undefined)) {
        await putBack(
          turn,
          progress.error,
          signal,
          { steps: [], placeholder, externalIds: progress.externalIds },
          delayMs,
        );
        return;
      }
      const apology = toSend.parts[0]?.state === 'sent' ? { state: 'absent' as const } : placeholder;
      await giveUp(turn, progress.error, signal, apology, progress.externalIds);
      return;
    }
    mark(turn, 'delivered', options.clock(), options.clock() - startedAtMs);
    await patiently(signal, () =>
      ledger.finish({
        ...key(turn),
        status: failureCode === null ? 'answered' : 'dead',
        errorCode: failureCode,
        externalIds: progress.externalIds,
        followMs: (turn.connection.settings.followMinutes ?? connectionDefaults.followMinutes) * 60_000,
      }),
    );
    log.info('turn.answered', {
      ...ids(turn),
      failure: failureCode,
      ms: Math.round(options.clock() - turn.startedAtMs),
    });
  }

  async function askModel(turn: ClaimedTurn, signal: AbortSignal): Promise<ModelOutcome> {
    const startedAtMs = options.clock();
    if (!turn.messages.some(({ ofTurn, direction }) => ofTurn && direction === 'in')) {
      return { ok: true, result: null, steps: [] }; // deleted while the turn waited for another attempt
    }
    try {
      const prompt = await options.preparePrompt(turn, signal);
      const result = await options.models.generate({
        tenantId: turn.tenantId,
        route: turn.agent.route,
        system: prompt.system,
        messages: prompt.messages,
        maxOutputTokens: options.maxOutputTokens,
        signal,
      });
      const endedAtMs = options.clock();
      mark(turn, 'model', endedAtMs, endedAtMs - startedAtMs, `${result.provider} ${result.model}`);
      return { ok: true, result, steps: [modelStep(turn, startedAtMs, endedAtMs, result)] };
    } catch (error) {
      if (signal.aborted) return { ok: false, error, steps: [] };
      return { ok: false, error, steps: [failedStep(turn, startedAtMs, options.clock(), error)] };
    }
  }

  async function putBack(
    turn: ClaimedTurn,
    error: unknown,
    signal: AbortSignal,
    progress: { steps: readonly Step[]; placeholder: Placeholder; externalIds: readonly (string | null)[] },
    delayMs = delaysOf(turn)[turn.attempts],
  ): Promise<void> {
    if (isKonstructError(signal.reason, 'lease_lost')) return; // whoever has it now goes on
    const handOver = signal.aborted;
    if (!handOver && delayMs === undefined) {
      await giveUp(turn, error, signal, progress.placeholder, progress.externalIds);
      return;
    }
    await ledger.retry({
      ...key(turn),
      delayMs: handOver ? 0 : Math.max(delayMs ?? 0, Math.min(pauseOf(error), MAX_DELIVERY_PAUSE_MS)),
      counts: !handOver,
      steps: progress.steps,
      placeholderExternalId: progress.placeholder.state === 'shown' ? progress.placeholder.messageId : null,
      errorCode: handOver ? null : codeOf(error),
      errorDetails: error instanceof KonstructError && !handOver ? error.details : null,
      externalIds: progress.externalIds,
    });
    if (handOver) log.info('turn.handed_over', ids(turn));
    else
      log.warn('turn.retry', {
        ...ids(turn),
        attempt: turn.attempts + 1,
        delayMs,
        code: codeOf(error),
        error,
      });
  }

  /** A placeholder must not stand there for ever: what cannot be answered is said in its place, if that is possible. */
  async function apologise(
    turn: ClaimedTurn,
    placeholder: Placeholder,
    error: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    if (placeholder.state !== 'shown') return;
    const first = turn.deliveries.find(({ kind, position }) => kind === 'answer' && position === 0);
    const placeholderId = placeholderIdOf(turn);
    const deliveryId = first?.id ?? placeholderId;
    if (deliveryId === null || first?.status === 'sent') return;
    const content =
      first === undefined && !isPlatformError(error)
        ? describeFailure(error, turn.attempts + 1)
        : describeUndelivered(error);
    const apology = { parts: [{ deliveryId, content, state: 'new' as const, externalId: null }] };
    const { error: refused } = await delivery.answer(turn, apology, placeholder, signal);
    if (refused !== null) log.warn('turn.apology_failed', { ...ids(turn), code: codeOf(refused) });
  }

  /** Nothing more can be done for this turn: it is kept as a dead letter and the conversation goes on. */
  async function giveUp(
    turn: ClaimedTurn,
    error: unknown,
    signal: AbortSignal,
    placeholder: Placeholder = earlierPlaceholder(turn),
    externalIds: readonly (string | null)[] = [],
  ): Promise<void> {
    await apologise(turn, placeholder, error, signal);
    mark(turn, 'failed', options.clock(), null, codeOf(error));
    log.error('turn.dead', { ...ids(turn), code: codeOf(error), error });
    await ledger.finish({
      ...key(turn),
      status: 'dead',
      errorCode: codeOf(error),
      externalIds,
      followMs: null,
    });
  }

  async function recordPlaceholder(
    turn: ClaimedTurn,
    showing: Promise<{ placeholder: Placeholder }>,
  ): Promise<void> {
    const { placeholder } = await showing;
    const deliveryId = placeholderIdOf(turn);
    if (placeholder.state !== 'shown' || deliveryId === null) return;
    await ledger.recordPlaceholder(turn, deliveryId, placeholder.messageId).catch((error: unknown) => {
      log.warn('placeholder.record_failed', { ...ids(turn), error }); // the answer's commit records it too
    });
  }

  function mark(
    turn: ClaimedTurn,
    stage: JourneyStage,
    atMs: number,
    durationMs: number | null = null,
    detail?: string,
  ): void {
    const { externalId } = turn.connection;
    for (const message of turn.messages) {
      if (!message.ofTurn || message.externalId === null) continue;
      const messageKey = {
        externalId,
        channelId: turn.channelId,
        messageId: message.externalId,
        threadId: turn.replyThreadId,
      };
      options.journeys.mark(messageKey, stage, atMs, durationMs, detail);
    }
  }
}

type ModelOutcome =
  /** `result` is `null` when nothing was left to ask. */
  | { readonly ok: true; readonly result: ModelResult | null; readonly steps: readonly Step[] }
  | { readonly ok: false; readonly error: unknown; readonly steps: readonly Step[] };

function isPlatformError(error: unknown): boolean {
  return isKonstructError(error) && error.code.startsWith('platform_');
}

/** How long the other side wants to be left alone, in ms. */
function pauseOf(error: unknown): number {
  return (isKonstructError(error) && error.retryAfterMs) || 0;
}

function key({ tenantId, conversationId, turnId, fence }: ClaimedTurn) {
  return { tenantId, conversationId, turnId, fence };
}

function ids({ tenantId, conversationId, turnId }: ClaimedTurn) {
  return { tenantId, conversationId, turnId };
}
