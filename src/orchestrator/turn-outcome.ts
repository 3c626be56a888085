import type { Placeholder } from '../core/delivery.ts';
import { isKonstructError } from '../core/errors.ts';
import type { ModelAttempt, ModelResult } from '../core/model.ts';
import type { ClaimedTurn, Step } from '../core/turn.ts';

/** The project's code of an error, for logs and rows; `internal` for a defect. */
export function codeOf(error: unknown): string {
  return isKonstructError(error) ? error.code : 'internal';
}

/** What is said in the thread for what the model returned. */
export function replyText({ finish, text }: ModelResult): string {
  if (finish === 'refused')
    return text.trim() || 'My model declined to answer that. Could you put it differently?';
  if (finish === 'length')
    return `${text.trimEnd()}\n\n*(I had to stop here because of the length. Ask me to go on.)*`;
  return text.trim();
}

/** The log entry of a model call that answered. */
export function modelStep(
  turn: ClaimedTurn,
  startedAtMs: number,
  endedAtMs: number,
  result: ModelResult,
): Step {
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

/** The log entry of a model call that failed. */
export function failedStep(turn: ClaimedTurn, startedAtMs: number, endedAtMs: number, error: unknown): Step {
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

/** The log entry of a model call that people made pointless: it was ended and may have cost something all the same. */
export function interruptedStep(
  turn: ClaimedTurn,
  startedAtMs: number,
  endedAtMs: number,
  error: unknown,
): Step {
  return { ...failedStep(turn, startedAtMs, endedAtMs, error), outcome: 'interrupted' };
}

/** How long the other side wants to be left alone, in ms. */
export function pauseOf(error: unknown): number {
  return (isKonstructError(error) && error.retryAfterMs) || 0;
}

/** The placeholder as earlier attempts left it. */
export function earlierPlaceholder({ deliveries }: ClaimedTurn): Placeholder {
  const earlier = deliveries.find(({ kind }) => kind === 'placeholder');
  if (earlier === undefined) return { state: 'absent' };
  return earlier.externalId === null
    ? { state: 'unknown', deliveryId: earlier.id }
    : { state: 'shown', messageId: earlier.externalId };
}

/** Names a turn and proves the right to write to it. */
export function turnKey({ tenantId, conversationId, turnId, fence }: ClaimedTurn) {
  return { tenantId, conversationId, turnId, fence };
}

/** A turn's ids, for logs. */
export function turnIds({ tenantId, conversationId, turnId }: ClaimedTurn) {
  return { tenantId, conversationId, turnId };
}
