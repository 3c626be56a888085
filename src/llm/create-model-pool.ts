import type { Clock, Random, Sleep } from '../core/clock.ts';
import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import type {
  ModelAttempt,
  ModelEvent,
  ModelPool,
  ModelRequest,
  ModelResult,
  ProviderKeys,
  Route,
  RouteEntry,
} from '../core/model.ts';
import { type CallOutcome, callModel, toPrompt, toTools } from './call-model.ts';
import type { AttemptFailure } from './classify-failure.ts';
import { createKeepAliveFetch } from './keep-alive-fetch.ts';
import { createModelOpener } from './open-models.ts';
import { defaultRetryPolicy, type RetryPolicy, retryDelay } from './retry-delay.ts';

export interface ModelPoolOptions {
  /** Finds a route for a tenant; `null`: there is none of this name. */
  readonly routes: (name: string, tenantId: string) => Promise<Route | null>;
  readonly keys: ProviderKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Default: one client with kept-alive connections, see `createKeepAliveFetch`. */
  readonly fetch?: typeof globalThis.fetch;
  readonly timeouts?: Partial<PoolTimeouts>;
  readonly retries?: Partial<RetryPolicy>;
  /** How long the `demo` provider seems to think, in ms. */
  readonly demoDelayMs?: number;
}

interface PoolTimeouts {
  /** Deadline of one call to one model, in ms. */
  readonly attemptMs: number;
  /** Deadline of a request with all its calls and waits, in ms. */
  readonly totalMs: number;
}

interface PreparableModelPool extends ModelPool {
  /**
   * Loads the clients that a route needs, so that the first turn does not wait for them (about 50 ms). Calls no
   * provider and does not fail: what is wrong with an entry shows when it is used.
   */
  prepare(route: Route): Promise<void>;
}

const defaultTimeouts: PoolTimeouts = { attemptMs: 60_000, totalMs: 120_000 };

/**
 * The pool of models: the entries of a route in order, each with retries, until one answers.
 *
 * What is transient (429, 5xx, network, an empty answer) is repeated with full jitter or after the `Retry-After` that
 * the provider names; everything else, and a `Retry-After` beyond the bound, goes to the next entry at once. A call that
 * ran into our deadline is repeated only where no entry is left: otherwise a slow first model would use up the time of its fallback.
 *
 * Neither prompt nor key reaches a log line or an error.
 */
export function createModelPool(options: ModelPoolOptions): PreparableModelPool {
  const { routes, keys, clock, random, sleep, log, demoDelayMs = 0, metrics = noMetrics } = options;
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const policy = { ...defaultRetryPolicy, ...options.retries };
  const openModel = createModelOpener(keys, {
    fetch: options.fetch ?? createKeepAliveFetch(),
    sleep,
    demoDelayMs,
  });

  async function generate(request: ModelRequest): Promise<ModelResult> {
    if (request.signal.aborted) throw aborted([]);
    const route = await routes(request.route, request.tenantId);
    if (route === null) {
      const details = { route: request.route, tenantId: request.tenantId };
      throw new KonstructError('route_unknown', `There is no model route "${request.route}".`, { details });
    }
    const run: Run = {
      request,
      prompt: toPrompt(request),
      tools: toTools(request),
      deadlineMs: clock() + timeouts.totalMs,
      attempts: [],
      failures: [],
      problems: [],
    };
    for (const [index, entry] of route.entries.entries()) {
      const result = await tryEntry(run, entry, index === route.entries.length - 1);
      if (result !== null) return result;
    }
    throw allFailed(run);
  }

  /** @returns the answer, or `null` when the next entry should be tried. */
  async function tryEntry(run: Run, entry: RouteEntry, isLast: boolean): Promise<ModelResult | null> {
    const opened = await openModel(entry);
    if (opened.kind === 'problem') {
      run.problems.push(`${entry.provider} ${entry.model}: ${opened.problem}`);
      record(run, entry, clock(), unconfigured);
      return null;
    }
    for (let retry = 0; ; retry += 1) {
      const startedAtMs = clock();
      const leftMs = run.deadlineMs - startedAtMs;
      if (leftMs <= 0) return null;
      const outcome = await callModel({
        ...opened,
        prompt: run.prompt,
        tools: run.tools,
        maxOutputTokens: run.request.maxOutputTokens,
        timeoutMs: Math.min(timeouts.attemptMs, leftMs),
        signal: run.request.signal,
        clock,
      });
      record(run, entry, startedAtMs, outcome);
      if (outcome.kind === 'aborted') throw aborted(run.attempts);
      if (outcome.kind === 'answer') {
        const { provider, model } = entry;
        return { ...outcome.answer, provider, model, attempts: run.attempts };
      }
      const waitMs = waitBeforeRetry(outcome.failure, retry, isLast);
      if (waitMs === null || clock() + waitMs >= run.deadlineMs) return null;
      await pause(run, waitMs);
    }
  }

  function waitBeforeRetry(failure: AttemptFailure, retry: number, isLast: boolean): number | null {
    const maxRetries = failure.outcome === 'malformed' ? Math.min(1, policy.maxRetries) : policy.maxRetries;
    if (!failure.transient || retry >= maxRetries) return null;
    const wasOurDeadline = failure.outcome === 'timeout' && failure.status === null;
    if (wasOurDeadline && !isLast) return null;
    return retryDelay(policy, retry, failure.retryAfterMs, random);
  }

  async function pause(run: Run, waitMs: number): Promise<void> {
    try {
      await sleep(waitMs, run.request.signal);
    } catch (cause) {
      if (!run.request.signal.aborted) throw cause;
    }
    if (run.request.signal.aborted) throw aborted(run.attempts);
  }

  function record(run: Run, entry: RouteEntry, startedAtMs: number, outcome: CallOutcome): void {
    const failure = outcome.kind === 'failure' ? outcome.failure : null;
    const attempt: ModelAttempt = {
      provider: entry.provider,
      model: entry.model,
      outcome: failure?.outcome ?? (outcome.kind === 'answer' ? 'ok' : 'aborted'),
      status: failure?.status ?? (outcome.kind === 'answer' && entry.provider !== 'demo' ? 200 : null),
      errorType: failure?.errorType ?? null,
      startedAtMs,
      durationMs: clock() - startedAtMs,
      firstTokenMs: null,
      usage: outcome.kind === 'answer' ? outcome.answer.usage : null,
      cost: null,
    };
    run.attempts.push(attempt);
    countAttempt(metrics, attempt, outcome);
    if (failure === null) return;
    run.failures.push(failure);
    const { tenantId, route } = run.request;
    log.warn('model.attempt_failed', { tenantId, route, ...attempt, retryAfterMs: failure.retryAfterMs });
  }

  async function prepare(route: Route): Promise<void> {
    for (const entry of route.entries) await openModel(entry);
  }

  async function* stream(request: ModelRequest): AsyncGenerator<ModelEvent> {
    yield { type: 'end', result: await generate(request) };
  }

  return { generate, stream, prepare };
}

/** An entry that could not be called at all took no time that says anything about the model. */
function countAttempt(metrics: Metrics, attempt: ModelAttempt, result: CallOutcome): void {
  const { provider, model, outcome, durationMs } = attempt;
  metrics.counter('konstruct_model_attempts_total', { provider, model, outcome }).increment();
  if (outcome !== 'unconfigured')
    metrics.histogram('konstruct_model_attempt_seconds', { provider, model }).observe(durationMs / 1_000);
  if (result.kind !== 'answer') return;
  const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = result.answer.usage;
  const tokens = {
    input: inputTokens,
    output: outputTokens,
    cached_input: cachedInputTokens,
    reasoning: reasoningTokens,
  };
  for (const [kind, count] of Object.entries(tokens)) {
    if (count !== null)
      metrics.counter('konstruct_model_tokens_total', { provider, model, kind }).increment(count);
  }
}

/** The state of one request while it goes through its route. */
interface Run {
  readonly request: ModelRequest;
  readonly prompt: ReturnType<typeof toPrompt>;
  readonly tools: ReturnType<typeof toTools>;
  readonly deadlineMs: number;
  readonly attempts: ModelAttempt[];
  readonly failures: AttemptFailure[];
  /** What is wrong with entries that could not be called, for people. */
  readonly problems: string[];
}

const unconfigured: CallOutcome = {
  kind: 'failure',
  failure: {
    outcome: 'unconfigured',
    status: null,
    errorType: null,
    transient: false,
    retryAfterMs: null,
  },
};

function aborted(attempts: readonly ModelAttempt[]): KonstructError {
  return new KonstructError('aborted', 'The model call was cancelled.', { details: { attempts } });
}

function allFailed({ request, attempts, failures, problems }: Run): KonstructError {
  const isTransient = failures.some((failure) => failure.transient);
  const asked = failures.flatMap(({ retryAfterMs }) => (retryAfterMs === null ? [] : [retryAfterMs]));
  const summary =
    attempts.length === 0 ? 'it has no entries' : [...new Set(attempts.map(inWords))].join(', ');
  const todo = problems.length === 0 ? '' : ` (${problems.join('; ')})`;
  return new KonstructError(
    isTransient ? 'model_unavailable' : 'model_rejected',
    `No model of the route "${request.route}" answered: ${summary}${todo}.`,
    {
      details: { route: request.route, tenantId: request.tenantId, attempts, problems },
      ...(isTransient && asked.length > 0 ? { retryAfterMs: Math.min(...asked) } : {}),
    },
  );
}

function inWords({ provider, model, outcome, status, errorType }: ModelAttempt): string {
  return [provider, model, outcome, status, errorType].filter((fact) => fact !== null).join(' ');
}
