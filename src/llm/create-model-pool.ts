import type { BudgetGate } from '../core/budget.ts';
import type { Clock, Random, Sleep } from '../core/clock.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import type {
  ModelAttempt,
  ModelEvent,
  ModelPool,
  ModelRequest,
  ModelResult,
  ProviderKeys,
  ProviderLimits,
  ProviderName,
  ReadableModelKeys,
  Route,
} from '../core/model.ts';
import { type CircuitPolicy, type CircuitSnapshot, createCircuits } from './create-circuits.ts';
import { createKeyStates, type KeySnapshot } from './create-key-states.ts';
import { createLimiter, type LimiterSnapshot } from './create-limiter.ts';
import { estimatePrompt } from './estimate-tokens.ts';
import { createKeepAliveFetch } from './keep-alive-fetch.ts';
import { createModelOpener } from './open-models.ts';
import { resolveEntry } from './resolve-entry.ts';
import { defaultRetryPolicy, type RetryPolicy } from './retry-delay.ts';
import { type RequestTimeouts, runRequest } from './run-request.ts';
import type { PoolParts } from './start-attempt.ts';
import { attemptsIn, withAttempts } from './with-attempts.ts';
import { withoutFiles } from './without-files.ts';

export interface ModelPoolOptions {
  /** Finds a route for a tenant; `null`: there is none of this name. */
  readonly routes: (name: string, tenantId: string) => Promise<Route | null>;
  readonly keys: ProviderKeys;
  /** A tenant's own keys; absent: no tenant has any. */
  readonly tenantKeys?: (tenantId: string) => Promise<ReadableModelKeys>;
  /** How much a provider is asked for at a time; absent: as much as comes. */
  readonly limits?: (provider: ProviderName) => ProviderLimits | undefined;
  /** Asked before every call and told after it. */
  readonly budget: BudgetGate;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Default: one client with kept-alive connections, see `createKeepAliveFetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /** Where a route says nothing of its own. */
  readonly timeouts?: Partial<RequestTimeouts>;
  readonly retries?: Partial<RetryPolicy>;
  readonly circuits?: CircuitPolicy;
  /** How long the `demo` provider seems to think, in ms. */
  readonly demoDelayMs?: number;
}

/** The pool as the composition root has it. */
export interface InspectableModelPool extends ModelPool {
  /**
   * Loads the clients that a route needs, so that the first turn does not wait for them (about 50 ms). Calls no
   * provider and does not fail: what is wrong with an entry shows when it is used.
   */
  prepare(route: Route): Promise<void>;
  /** What stands in the way of calls at this moment, for metrics and operators. Holds no key. */
  snapshot(): ModelPoolSnapshot;
}

export interface ModelPoolSnapshot {
  readonly circuits: readonly CircuitSnapshot[];
  /** Keys that are left alone at the moment. */
  readonly keys: readonly KeySnapshot[];
  /** Providers with limits of ours. */
  readonly limits: readonly LimiterSnapshot[];
}

const defaultTimeouts: RequestTimeouts = {
  connectMs: 10_000,
  firstTokenMs: 60_000,
  idleMs: 30_000,
  attemptMs: 60_000,
  totalMs: 120_000,
};

const noKeys: ReadableModelKeys = {};

/**
 * The pool of models: see `runRequest` for the way of a request, docs/decisions/0010-model-pool.md for the reasons.
 * Neither prompt nor key reaches a log line or an error.
 */
export function createModelPool(options: ModelPoolOptions): InspectableModelPool {
  const { routes, tenantKeys, keys, clock, random, sleep, log, demoDelayMs = 0 } = options;
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const policy = { ...defaultRetryPolicy, ...options.retries };
  const parts: PoolParts = {
    keys,
    openModel: createModelOpener({ fetch: options.fetch ?? createKeepAliveFetch(), sleep, demoDelayMs }),
    keyStates: createKeyStates(clock, log),
    circuits: createCircuits(log, options.circuits),
    limiter: createLimiter(options.limits ?? (() => undefined), clock),
    budget: options.budget,
    clock,
    log,
    metrics: options.metrics ?? noMetrics,
  };

  /** @param startedAtMs from when on its deadline counts */
  async function* run(
    request: ModelRequest,
    wanted: 'whole' | 'streamed',
    startedAtMs: number,
  ): AsyncGenerator<ModelEvent, void> {
    if (request.signal.aborted) {
      throw new KonstructError('aborted', 'The model call was cancelled.', { details: { attempts: [] } });
    }
    const [route, ownKeys] = await Promise.all([
      routes(request.route, request.tenantId),
      tenantKeys === undefined ? noKeys : tenantKeys(request.tenantId),
    ]);
    if (route === null) {
      const details = { route: request.route, tenantId: request.tenantId };
      throw new KonstructError('route_unknown', `There is no model route "${request.route}".`, { details });
    }
    const own = route.timeouts ?? {};
    // Only a stream shows when the first token comes; an answer as a whole costs less to read.
    const needsTokens =
      route.hedgeAfterMs !== undefined || own.firstTokenMs !== undefined || own.idleMs !== undefined;
    yield* runRequest(parts, {
      request,
      route,
      tenantKeys: ownKeys,
      size: estimatePrompt(request),
      streamed: wanted === 'streamed' || needsTokens,
      timeouts: within(request, route, {
        ...timeouts,
        ...own,
        attemptMs: Math.max(timeouts.attemptMs, own.totalMs === undefined ? 0 : own.totalMs / 2),
      }),
      startedAtMs,
      policy,
      random,
      sleep,
    });
  }

  /**
   * Files that no model of the route takes (a strange picture, too many of them) or the budget does not allow are no reason
   * for no answer: the models are asked again with the names of the files, and say that they could not look.
   */
  async function* withOrWithoutFiles(
    request: ModelRequest,
    wanted: 'whole' | 'streamed',
  ): AsyncGenerator<ModelEvent, void> {
    const startedAtMs = clock();
    let refused: readonly ModelAttempt[];
    let rest: ModelRequest;
    let refusal: KonstructError;
    let isShown = false;
    try {
      for await (const event of run(request, wanted, startedAtMs)) {
        isShown = true;
        yield event;
      }
      return;
    } catch (error) {
      const bare = isShown ? null : withoutFiles(request);
      if (bare === null || !isKonstructError(error)) throw error;
      refused = attemptsIn(error);
      if (!mayLieInFiles(error, refused)) throw error;
      refusal = error;
      rest = bare;
    }
    log.warn('model.files_left_out', { tenantId: request.tenantId, route: request.route });
    try {
      for await (const event of run(rest, wanted, startedAtMs)) {
        const { type } = event;
        if (type !== 'end') yield event;
        else yield { type, result: { ...event.result, attempts: [...refused, ...event.result.attempts] } };
      }
    } catch (error) {
      // Where no time was left to ask anybody again, the first refusal says more.
      const nobodyAsked = isKonstructError(error, 'model_rejected') && attemptsIn(error).length === 0;
      throw nobodyAsked ? refusal : withAttempts(error, refused);
    }
  }

  return {
    async generate(request): Promise<ModelResult> {
      for await (const event of withOrWithoutFiles(request, 'whole')) {
        if (event.type === 'end') return event.result;
      }
      throw new KonstructError('internal', 'A model request ended without an end.');
    },
    stream: (request) => withOrWithoutFiles(request, 'streamed'),
    async prepare(route) {
      for (const entry of route.entries) {
        const resolved = resolveEntry(entry, keys);
        if (resolved.kind === 'problem') continue;
        const [apiKey = null] = resolved.access.apiKeys;
        await parts.openModel(
          { ...resolved.access, apiKey },
          route.timeouts?.connectMs ?? timeouts.connectMs,
        );
      }
    },
    snapshot: () => ({
      circuits: parts.circuits.snapshot(),
      keys: parts.keyStates.snapshot(),
      limits: parts.limiter.snapshot(),
    }),
  };
}

/** Where the time of a request is short, a slow first model leaves half of it to the others. */
function within(
  { withinMs = Number.POSITIVE_INFINITY, preferred }: ModelRequest,
  { entries }: Route,
  timeouts: RequestTimeouts,
): RequestTimeouts {
  if (withinMs >= timeouts.totalMs) return timeouts;
  const firstMs = entries.length > 1 || preferred !== undefined ? withinMs / 2 : withinMs;
  return {
    ...timeouts,
    totalMs: withinMs,
    attemptMs: Math.min(timeouts.attemptMs, firstMs),
    firstTokenMs: Math.min(timeouts.firstTokenMs, firstMs),
  };
}

/** Whether the models might take the request without its files. */
function mayLieInFiles({ code }: KonstructError, attempts: readonly ModelAttempt[]): boolean {
  if (code === 'budget_exhausted') return true;
  const isRefused = attempts.some(({ outcome }) => outcome === 'rejected' || outcome === 'too_long');
  return code === 'model_rejected' && isRefused;
}
