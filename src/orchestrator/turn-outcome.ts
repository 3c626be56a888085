import { isKonstructError } from '../core/errors.ts';
import type { ModelAttempt, ModelResult } from '../core/model.ts';
import type { ClaimedTurn, Step } from '../core/turn.ts';
import type { AnswerExtras } from './compose-answer.ts';

/** The project's code of an error, for logs and rows; `internal` for a defect. */
export function codeOf(error: unknown): string {
  return isKonstructError(error) ? error.code : 'internal';
}

/** How the work on a turn ended, with the steps that its log does not have yet. */
export type ModelOutcome =
  /** `limit` says in words what ended the work early. */
  | {
      readonly ok: true;
      readonly result: ModelResult;
      readonly limit: string | null;
      readonly extras: AnswerExtras;
      readonly steps: readonly Step[];
    }
  /** `isLate`: the time that the turn may take is over. */
  | {
      readonly ok: false;
      readonly error: unknown;
      readonly isLate: boolean;
      readonly steps: readonly Step[];
    };

/** What is said in the thread for what the model returned. */
export function replyText({ finish, text }: ModelResult, limit: string | null): string {
  if (finish === 'refused')
    return text.trim() || 'My model declined to answer that. Could you put it differently?';
  if (finish === 'length')
    return `${text.trimEnd()}\n\n*(I had to stop here because of the length. Ask me to go on.)*`;
  if (text.trim() === '' && limit !== null)
    return `I have taken the ${limit} that I may take for one answer, and I do not have one yet. Ask me to go on, or for a smaller part of it.`;
  return text.trim();
}

/** What calls used and cost together; `null` where none of them says. */
function spentBy(attempts: readonly ModelAttempt[]) {
  const sum = (value: (attempt: ModelAttempt) => number | null | undefined): number | null => {
    const known = attempts.map(value).filter((number) => number != null);
    return known.length === 0 ? null : known.reduce((total, number) => total + number, 0);
  };
  return {
    inputTokens: sum(({ usage }) => usage?.inputTokens),
    outputTokens: sum(({ usage }) => usage?.outputTokens),
    cachedInputTokens: sum(({ usage }) => usage?.cachedInputTokens),
    cacheWriteTokens: sum(({ usage }) => usage?.cacheWriteTokens),
    reasoningTokens: sum(({ usage }) => usage?.reasoningTokens),
    nanoUsd: sum(({ cost }) => cost?.nanoUsd),
  };
}

/** The log entry of a model call that answered, or that wanted tools: then `detail` says which. */
export function modelStep(
  position: number,
  startedAtMs: number,
  endedAtMs: number,
  { finish, provider, model, attempts }: ModelResult,
  detail: Step['detail'] = {},
): Step {
  return {
    position,
    kind: 'model',
    outcome: finish,
    provider,
    model,
    ...spentBy(attempts),
    detail: { attempts, ...detail },
    startedAtMs,
    durationMs: Math.round(endedAtMs - startedAtMs),
  };
}

/**
 * The log entry of a model call that failed.
 *
 * @param earlier calls that have no entry of their own, and cost something all the same
 */
export function failedStep(
  position: number,
  startedAtMs: number,
  endedAtMs: number,
  error: unknown,
  earlier: readonly ModelAttempt[] = [],
): Step {
  const told = (isKonstructError(error) ? (error.details.attempts as readonly ModelAttempt[]) : null) ?? [];
  const attempts = [...earlier, ...told];
  return {
    position,
    kind: 'model',
    outcome: codeOf(error),
    provider: attempts.at(-1)?.provider ?? null,
    model: attempts.at(-1)?.model ?? null,
    ...spentBy(attempts),
    detail: { attempts },
    startedAtMs,
    durationMs: Math.round(endedAtMs - startedAtMs),
  };
}

/** The calls of a step. */
export function attemptsOf({ detail }: Step): readonly ModelAttempt[] {
  return detail.attempts as readonly ModelAttempt[];
}

/** The log entry of a call that became pointless: it was ended and may have cost something all the same. */
export function interruptedStep(step: Step): Step {
  return step.outcome === 'aborted' || step.outcome === 'turn_interrupted'
    ? { ...step, outcome: 'interrupted' }
    : step;
}

/** How long the other side wants to be left alone, in ms. */
export function pauseOf(error: unknown): number {
  return (isKonstructError(error) && error.retryAfterMs) || 0;
}

/** When the first of the messages that the turn answers was stored, by the database's clock. */
export function readyAtMs({ messages, startedAtMs }: ClaimedTurn): number {
  return messages.reduce(
    (first, { ofTurn, direction, receivedAtMs }) =>
      ofTurn && direction === 'in' ? Math.min(first, receivedAtMs) : first,
    startedAtMs,
  );
}

/** Names a turn and proves the right to write to it. */
export function turnKey({ tenantId, conversationId, turnId, fence }: ClaimedTurn) {
  return { tenantId, conversationId, turnId, fence };
}

/** A turn's ids, for logs. */
export function turnIds({ tenantId, conversationId, turnId }: ClaimedTurn) {
  return { tenantId, conversationId, turnId };
}
