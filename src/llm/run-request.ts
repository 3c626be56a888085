import type { Random, Sleep } from '../core/clock.ts';
import { KonstructError } from '../core/errors.ts';
import type {
  ModelAttempt,
  ModelEvent,
  ModelRequest,
  ModelResult,
  ReadableModelKeys,
  Route,
  RouteEntry,
} from '../core/model.ts';
import type { CallPiece } from './call-model.ts';
import type { AttemptFailure } from './classify-failure.ts';
import { countAttempt } from './count-attempt.ts';
import type { PromptSize } from './estimate-tokens.ts';
import { failedRequest } from './failed-request.ts';
import { sizeWithFiles } from './file-tokens.ts';
import { doubtfulLast, planCourse } from './plan-course.ts';
import { type RetryPolicy, retryDelay } from './retry-delay.ts';
import { type Attempt, type Candidate, type PoolParts, startAttempt } from './start-attempt.ts';
import { windowFit } from './window-fit.ts';
import { withAttempts } from './with-attempts.ts';

export interface RequestOptions {
  readonly request: ModelRequest;
  readonly route: Route;
  readonly tenantKeys: ReadableModelKeys;
  readonly size: PromptSize;
  readonly streamed: boolean;
  readonly timeouts: RequestTimeouts;
  /** From when on `totalMs` counts. */
  readonly startedAtMs: number;
  readonly policy: RetryPolicy;
  readonly random: Random;
  readonly sleep: Sleep;
}

/** In ms. */
export interface RequestTimeouts {
  readonly connectMs: number;
  readonly firstTokenMs: number;
  readonly idleMs: number;
  /** One call whose answer comes as a whole. */
  readonly attemptMs: number;
  readonly totalMs: number;
}

/** An attempt with its first piece. */
interface Lead {
  readonly attempt: Attempt;
  readonly piece: CallPiece;
}

/**
 * One request on its way through its course of models, each with its keys and retries, until one answers.
 *
 * What is transient (429, 5xx, network, an empty answer) is repeated with full jitter or after the `Retry-After` that the
 * provider names; a key that was refused, is spent or at its limit is replaced by the next one at once; everything else goes to
 * the next model. A call that ran into our deadline is repeated only where no model is left: otherwise a slow first model
 * would use up the time of its fallback.
 */
export async function* runRequest(
  parts: PoolParts,
  options: RequestOptions,
): AsyncGenerator<ModelEvent, void, undefined> {
  const { request, route, timeouts, policy, streamed } = options;
  const { clock, log } = parts;
  const sizeFor = (entry: RouteEntry) => sizeWithFiles(options.size, request, entry);
  const course: readonly Candidate[] = doubtfulLast(planCourse(route, request, options.random), (entry) =>
    windowFit(entry, request, sizeFor(entry)),
  ).map((entry, place) => ({ entry, place }));
  const deadlineMs = options.startedAtMs + timeouts.totalMs;
  const attempts: ModelAttempt[] = [];
  const failures: AttemptFailure[] = [];
  const problems: string[] = [];
  const live = new Set<Attempt>();
  const triedKeys = new Map<number, Set<string>>();
  /** Places whose model failed beside another one. */
  const spent = new Set<number>();
  /** Losers of hedges on their way out. */
  const background: Promise<void>[] = [];
  let budgetError: unknown = null;
  let refusal: ModelResult | null = null;
  /** Windows of models that found the prompt too long. */
  let tooLongFor = 0;
  let place = 0;
  let retry = 0;

  const onAbort = () => {
    for (const attempt of live) void attempt.cancel('aborted');
  };
  request.signal.addEventListener('abort', onAbort, { once: true });
  try {
    let shown = false;
    let lead = await firstLead();
    while (lead !== null) {
      const { attempt } = lead;
      let { piece } = lead;
      if (shown && piece.kind !== 'failure' && piece.kind !== 'aborted') {
        yield { type: 'restart' };
        shown = false;
      }
      while (piece.kind === 'text') {
        shown = true;
        yield { type: 'text', text: piece.text };
        piece = await attempt.next();
      }
      conclude(attempt);
      if (request.signal.aborted || piece.kind === 'aborted') throw aborted();
      if (piece.kind === 'answer') {
        const { provider, model } = attempt.candidate.entry;
        const result: ModelResult = { ...piece.answer, provider, model, attempts };
        const goesOn =
          piece.answer.finish === 'refused' && route.onRefusal === 'next' && place + 1 < course.length;
        if (!goesOn) {
          await Promise.all(background);
          yield { type: 'end', result };
          return;
        }
        refusal = result;
        markRefused();
        moveOn();
        lead = await firstLead();
        continue;
      }
      failures.push(piece.failure);
      lead = await leadAfter(attempt, piece.failure);
    }
    if (refusal !== null) {
      if (shown) yield { type: 'restart' };
      yield { type: 'text', text: refusal.text };
      yield { type: 'end', result: { ...refusal, attempts } };
      return;
    }
    throw failedRequest({ request, attempts, failures, problems, budgetError });
  } finally {
    request.signal.removeEventListener('abort', onAbort);
    // The consumer left, or something broke: whatever runs is ended and settled before anybody goes on.
    await Promise.all([
      ...background,
      ...[...live].map(async (attempt) => {
        await attempt.cancel('aborted');
        conclude(attempt); // whoever is told of an error is told what it cost
      }),
    ]);
  }

  function aborted(): KonstructError {
    return new KonstructError('aborted', 'The model call was cancelled.', { details: { attempts } });
  }

  function conclude(attempt: Attempt): void {
    live.delete(attempt);
    const record = attempt.record();
    if (record !== null && !attempts.includes(record)) attempts.push(record);
  }

  function markRefused(): void {
    const last = attempts.at(-1);
    if (last !== undefined) attempts[attempts.length - 1] = { ...last, outcome: 'refused' };
  }

  function moveOn(): void {
    place += 1;
    retry = 0;
  }

  /** The same model again, with another key or after a pause, or the next one. */
  async function leadAfter(attempt: Attempt, failure: AttemptFailure): Promise<Lead | null> {
    const { entry } = attempt.candidate;
    // A hedge may have moved the course on already.
    if (attempt.candidate.place !== place) return firstLead();
    if (failure.outcome === 'too_long') tooLongFor = Math.max(tooLongFor, entry.contextTokens ?? 0);
    const isKeyMatter = failure.outcome === 'rate_limited' || failure.outcome === 'unauthorized';
    if (isKeyMatter && attempt.keyId !== null) {
      const tried = triedKeys.get(place) ?? new Set();
      triedKeys.set(place, tried.add(attempt.keyId));
      const other = await begin(course[place], request.signal, false);
      if (other !== null) return withHedge(other);
      triedKeys.delete(place); // all of them were tried: a pause may help the first again
    }
    const waitMs = waitBeforeRetry(failure);
    if (waitMs === null || clock() + waitMs >= deadlineMs) {
      moveOn();
      return firstLead();
    }
    await pause(waitMs);
    retry += 1;
    return firstLead();
  }

  function waitBeforeRetry(failure: AttemptFailure): number | null {
    const maxRetries = failure.outcome === 'malformed' ? Math.min(1, policy.maxRetries) : policy.maxRetries;
    if (!failure.transient || retry >= maxRetries) return null;
    const wasOurDeadline = failure.outcome === 'timeout' && failure.status === null;
    if (wasOurDeadline && place + 1 < course.length) return null;
    return retryDelay(policy, retry, failure.retryAfterMs, options.random);
  }

  async function pause(waitMs: number): Promise<void> {
    try {
      await options.sleep(waitMs, request.signal);
    } catch (cause) {
      if (!request.signal.aborted) throw cause;
    }
    if (request.signal.aborted) throw aborted();
  }

  /** The first model from here on that can be called, with its first piece. */
  async function firstLead(): Promise<Lead | null> {
    for (; place < course.length; moveOn()) {
      if (spent.has(place)) continue;
      const attempt = await begin(course[place], request.signal, true);
      if (attempt !== null) return withHedge(attempt);
    }
    return null;
  }

  /** @param counts whether it is noted when the model cannot be called */
  async function begin(
    candidate: Candidate | undefined,
    signal: AbortSignal,
    counts: boolean,
  ): Promise<Attempt | null> {
    const leftMs = deadlineMs - clock();
    if (candidate === undefined || leftMs <= 0) return null;
    const { entry } = candidate;
    if (tooLongFor > 0 && (entry.contextTokens ?? Number.POSITIVE_INFINITY) <= tooLongFor) return null;
    const ownKeys = options.tenantKeys[entry.provider];
    const started = await startAttempt(parts, {
      request,
      candidate,
      size: sizeFor(entry),
      tenantKeys: ownKeys === undefined ? [] : ownKeys,
      triedKeys: triedKeys.get(candidate.place) ?? new Set(),
      // A key at its limit whose pause is over is no reason to leave.
      isLast: candidate.place + 1 >= course.length || (candidate.place === place && retry > 0),
      isOnly: course.length === 1,
      streamed,
      connectMs: timeouts.connectMs,
      deadlines: {
        callMs: streamed ? leftMs : Math.min(timeouts.attemptMs, leftMs),
        firstTokenMs: Math.min(timeouts.firstTokenMs, leftMs),
        idleMs: timeouts.idleMs,
      },
      leftMs,
      signal,
    }).catch((error: unknown) => {
      throw withAttempts(error, attempts);
    });
    if (started.kind === 'started') {
      live.add(started.attempt);
      if (signal.aborted) await started.attempt.cancel('aborted');
      return started.attempt;
    }
    if (started.kind === 'aborted') {
      if (request.signal.aborted) throw aborted();
      return null;
    }
    if (started.kind === 'lost') throw new KonstructError('lease_lost', undefined, { details: { attempts } });
    if (counts) note(entry, started);
    return null;
  }

  function note(
    entry: Candidate['entry'],
    { failure, problem, cause }: Extract<Awaited<ReturnType<typeof startAttempt>>, { kind: 'skipped' }>,
  ): void {
    if (problem !== null) problems.push(`${entry.provider} ${entry.model}: ${problem}`);
    budgetError ??= cause ?? null;
    const record: ModelAttempt = {
      provider: entry.provider,
      model: entry.model,
      outcome: failure.outcome,
      status: null,
      errorType: failure.errorType,
      startedAtMs: clock(),
      durationMs: 0,
      firstTokenMs: null,
      usage: null,
      cost: null,
    };
    attempts.push(record);
    countAttempt(parts.metrics, record, 'not called');
    failures.push(failure);
    const { tenantId } = request;
    log.warn('model.attempt_failed', {
      tenantId,
      route: request.route,
      ...record,
      retryAfterMs: failure.retryAfterMs,
    });
  }

  /** Waits for the first piece; where the route hedges, a second model may bring it. */
  async function withHedge(first: Attempt): Promise<Lead> {
    const opening = first.next();
    const { hedgeAfterMs } = route;
    const rival = course[place + 1];
    if (hedgeAfterMs === undefined || rival === undefined) return { attempt: first, piece: await opening };
    const early = await within(opening, hedgeAfterMs);
    if (early !== null) return { attempt: first, piece: early };

    const giveUp = new AbortController();
    const signal = AbortSignal.any([request.signal, giveUp.signal]);
    // A rival that cannot be had is none; the course comes to it again, should the first one fail.
    const starting = begin(rival, signal, false).catch(() => null);
    const ours = opening.then((piece): Lead => ({ attempt: first, piece }));
    const theirs = starting.then(async (attempt): Promise<Lead | null> => {
      return attempt === null ? null : { attempt, piece: await attempt.next() };
    });
    let winner = (await Promise.race([ours, theirs])) ?? (await ours);
    if (winner.piece.kind === 'failure') {
      const other = await (winner.attempt === first ? theirs : ours);
      if (other !== null) {
        conclude(winner.attempt);
        failures.push(winner.piece.failure);
        spent.add(winner.attempt.candidate.place);
        winner = other;
      }
    }
    giveUp.abort();
    const { attempt } = winner;
    background.push(
      starting.then(async (second) => {
        const loser = attempt === first ? second : first;
        await loser?.cancel('outrun');
        if (loser !== null) conclude(loser);
      }),
    );
    if (attempt !== first) {
      place = attempt.candidate.place;
      retry = 0;
    }
    return winner;
  }
}

/** `null`: it was not there in time. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
