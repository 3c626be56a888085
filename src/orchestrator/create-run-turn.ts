import type { Clock } from '../core/clock.ts';
import type { Answer, AnswerPart, Delivery, DeliveryProgress, Placeholder } from '../core/delivery.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { JourneyRecorder, JourneyStage } from '../core/journey.ts';
import type { Log } from '../core/log.ts';
import type { ModelAttempt, ModelPool, ModelResult } from '../core/model.ts';
import { connectionDefaults } from '../core/tenant.ts';
import type { ClaimedTurn, Step, TurnLedger } from '../core/turn.ts';
import type { PreparePrompt } from './create-prepare-prompt.ts';
import { describeFailure } from './describe-failure.ts';

export interface RunTurnOptions {
  readonly ledger: TurnLedger;
  readonly pool: ModelPool;
  readonly delivery: Delivery;
  readonly preparePrompt: PreparePrompt;
  readonly clock: Clock;
  readonly journeys: JourneyRecorder;
  readonly log: Log;
  /** Waits between the attempts of a turn, in ms; after the last one it is a dead letter. */
  readonly modelRetryDelaysMs: readonly number[];
  /** Waits between the attempts to deliver a committed answer, in ms. */
  readonly deliveryRetryDelaysMs: readonly number[];
  readonly maxOutputTokens: number;
}

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

  return async (turn, signal) => {
    mark(turn, 'claimed', turn.startedAtMs);
    if (turn.connection.status === 'disabled') {
      await giveUp(turn, new KonstructError('platform_rejected', 'The connection is disabled.'));
      return;
    }
    try {
      if (turn.status === 'committed') await deliverCommitted(turn, signal);
      else await answer(turn, signal);
    } catch (error) {
      if (isKonstructError(error, 'lease_lost') || isKonstructError(signal.reason, 'lease_lost')) return;
      await putBack(turn, error, signal, { steps: [], placeholder: { state: 'absent' }, externalIds: [] });
    }
  };

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
      await giveUp(turn, shown.error);
      return;
    }
    if (signal.aborted) throw signal.reason;
    const { placeholder } = shown;
    if (!outcome.ok) {
      const delayMs = options.modelRetryDelaysMs[turn.attempts];
      const worthRepeating = !isKonstructError(outcome.error) || outcome.error.retryable;
      if (worthRepeating && delayMs !== undefined) {
        await putBack(
          turn,
          outcome.error,
          signal,
          { steps: outcome.steps, placeholder, externalIds: [] },
          delayMs,
        );
        return;
      }
      log.error('turn.model_failed', { ...ids(turn), attempts: turn.attempts + 1, error: outcome.error });
    }
    const reply = outcome.ok ? replyText(outcome.result) : describeFailure(outcome.error, turn.attempts + 1);
    const failureCode = outcome.ok ? null : codeOf(outcome.error);
    const parts = delivery.split(turn, reply);
    const committed = await ledger.commit({
      ...key(turn),
      placeholderExternalId: placeholder.state === 'shown' ? placeholder.messageId : null,
      steps: outcome.steps,
      reply,
      parts,
      agentUserId: turn.connection.agentUserId,
      errorCode: failureCode,
      errorDetails: outcome.ok || !isKonstructError(outcome.error) ? null : outcome.error.details,
    });
    if (!committed) throw new KonstructError('lease_lost');
    mark(turn, 'committed', options.clock());
    const answerParts = parts.map(
      (content, index): AnswerPart => ({
        deliveryId: committed.deliveryIds[index] as number,
        content,
        state: 'new',
        externalId: null,
      }),
    );
    await deliver(turn, { parts: answerParts }, placeholder, signal, failureCode);
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
    const shown = turn.deliveries.find(({ kind }) => kind === 'placeholder');
    const placeholder: Placeholder = shown?.externalId
      ? { state: 'shown', messageId: shown.externalId }
      : shown
        ? { state: 'unknown', deliveryId: shown.id }
        : { state: 'absent' };
    await deliver(turn, { parts }, placeholder, signal, turn.failureCode);
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
      await giveUp(turn, progress.error, progress.externalIds);
      return;
    }
    mark(turn, 'delivered', options.clock(), options.clock() - startedAtMs);
    await ledger.finish({
      ...key(turn),
      status: failureCode === null ? 'answered' : 'dead',
      errorCode: failureCode,
      externalIds: progress.externalIds,
      followMs: (turn.connection.settings.followMinutes ?? connectionDefaults.followMinutes) * 60_000,
    });
    log.info('turn.answered', {
      ...ids(turn),
      failure: failureCode,
      ms: Math.round(options.clock() - turn.startedAtMs),
    });
  }

  async function askModel(turn: ClaimedTurn, signal: AbortSignal): Promise<ModelOutcome> {
    const startedAtMs = options.clock();
    try {
      const prompt = await options.preparePrompt(turn, signal);
      const result = await options.pool.generate({
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
    delayMs = options.modelRetryDelaysMs[turn.attempts],
  ): Promise<void> {
    const handOver = signal.aborted;
    if (!handOver && delayMs === undefined) {
      await giveUp(turn, error, progress.externalIds);
      return;
    }
    await ledger.retry({
      ...key(turn),
      delayMs: handOver ? 0 : Math.max(delayMs ?? 0, (isKonstructError(error) && error.retryAfterMs) || 0),
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

  /** Nothing more can be done for this turn: it is kept as a dead letter and the conversation goes on. */
  async function giveUp(
    turn: ClaimedTurn,
    error: unknown,
    externalIds: readonly (string | null)[] = [],
  ): Promise<void> {
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
    const deliveryId = turn.placeholderId ?? turn.deliveries.find(({ kind }) => kind === 'placeholder')?.id;
    if (placeholder.state !== 'shown' || deliveryId === undefined) return;
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
  | { readonly ok: true; readonly result: ModelResult; readonly steps: readonly Step[] }
  | { readonly ok: false; readonly error: unknown; readonly steps: readonly Step[] };

function key({ tenantId, conversationId, turnId, fence }: ClaimedTurn) {
  return { tenantId, conversationId, turnId, fence };
}

function ids({ tenantId, conversationId, turnId }: ClaimedTurn) {
  return { tenantId, conversationId, turnId };
}

function codeOf(error: unknown): string {
  return isKonstructError(error) ? error.code : 'internal';
}

function replyText({ finish, text }: ModelResult): string {
  if (finish === 'refused')
    return text.trim() || 'My model declined to answer that. Could you put it differently?';
  if (finish === 'length')
    return `${text.trimEnd()}\n\n*(I had to stop here because of the length. Ask me to go on.)*`;
  return text.trim();
}

function modelStep(turn: ClaimedTurn, startedAtMs: number, endedAtMs: number, result: ModelResult): Step {
  return {
    position: turn.steps,
    kind: 'model',
    outcome: result.finish,
    provider: result.provider,
    model: result.model,
    ...result.usage,
    detail: { attempts: result.attempts },
    startedAtMs,
    durationMs: Math.round(endedAtMs - startedAtMs),
  };
}

function failedStep(turn: ClaimedTurn, startedAtMs: number, endedAtMs: number, error: unknown): Step {
  const attempts =
    (isKonstructError(error) ? (error.details.attempts as readonly ModelAttempt[]) : null) ?? [];
  return {
    position: turn.steps,
    kind: 'model',
    outcome: codeOf(error),
    provider: attempts.at(-1)?.provider ?? null,
    model: attempts.at(-1)?.model ?? null,
    inputTokens: null,
    outputTokens: null,
    cachedInputTokens: null,
    reasoningTokens: null,
    detail: { attempts },
    startedAtMs,
    durationMs: Math.round(endedAtMs - startedAtMs),
  };
}
