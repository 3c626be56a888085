import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { ModelAttempt, ModelRequest } from '../core/model.ts';
import type { AttemptFailure } from './classify-failure.ts';

/** The error of a request that no model answered. Holds neither prompt nor key. */
export function failedRequest(came: {
  readonly request: ModelRequest;
  readonly attempts: readonly ModelAttempt[];
  readonly failures: readonly AttemptFailure[];
  /** What is wrong with entries that could not be called, for people. */
  readonly problems: readonly string[];
  /** Why the budget refused a call; `null`: it did not. */
  readonly budgetError: unknown;
}): KonstructError {
  const { request, attempts, failures, problems, budgetError } = came;
  const { route, tenantId } = request;
  const isTransient = failures.some((failure) => failure.transient);
  // Where a model that fits the budget was only out of reach, another attempt can find it.
  if (isKonstructError(budgetError, 'budget_exhausted') && !isTransient) {
    return new KonstructError('budget_exhausted', budgetError.message, {
      details: { ...budgetError.details, route, tenantId, attempts },
      ...(budgetError.retryAfterMs === null ? {} : { retryAfterMs: budgetError.retryAfterMs }),
    });
  }
  const asked = failures.flatMap(({ retryAfterMs }) => (retryAfterMs === null ? [] : [retryAfterMs]));
  const summary =
    attempts.length === 0 ? 'it has no entries' : [...new Set(attempts.map(inWords))].join(', ');
  const todo = problems.length === 0 ? '' : ` (${problems.join('; ')})`;
  return new KonstructError(
    isTransient ? 'model_unavailable' : 'model_rejected',
    `No model of the route "${route}" answered: ${summary}${todo}.`,
    {
      details: { route, tenantId, attempts, problems },
      ...(isTransient && asked.length > 0 ? { retryAfterMs: Math.min(...asked) } : {}),
    },
  );
}

function inWords({ provider, model, outcome, status, errorType }: ModelAttempt): string {
  return [provider, model, outcome, status, errorType].filter((fact) => fact !== null).join(' ');
}
