import type { BudgetGate, Reservation } from '../core/budget.ts';
import type { Clock } from '../core/clock.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type {
  AttemptOutcome,
  ModelAttempt,
  ModelCost,
  ModelRequest,
  ProviderKeys,
  RouteEntry,
  Spender,
} from '../core/model.ts';
import { type CallDeadlines, type CallPiece, startCall } from './call-model.ts';
import type { AttemptFailure } from './classify-failure.ts';
import { countAttempt } from './count-attempt.ts';
import type { Circuits, Passage } from './create-circuits.ts';
import type { KeyStates, SortedKey } from './create-key-states.ts';
import type { Limiter, Slot } from './create-limiter.ts';
import type { PromptSize } from './estimate-tokens.ts';
import { meterCall } from './meter-call.ts';
import type { OpenModel } from './open-models.ts';
import type { ModelAccess } from './provider.ts';
import { type ResolvedAccess, resolveEntry } from './resolve-entry.ts';
import { toCallSettings } from './to-prompt.ts';
import { windowFit } from './window-fit.ts';

/** What the pool keeps between requests. */
export interface PoolParts {
  readonly keys: ProviderKeys;
  readonly openModel: OpenModel;
  readonly keyStates: KeyStates;
  readonly circuits: Circuits;
  readonly limiter: Limiter;
  readonly budget: BudgetGate;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** One model of a request's course. */
export interface Candidate {
  readonly entry: RouteEntry;
  /** Its place in the course. */
  readonly place: number;
}

export interface AttemptOptions {
  readonly request: ModelRequest;
  readonly candidate: Candidate;
  readonly size: PromptSize;
  /** The tenant's own keys for this provider; `null`: they cannot be read. */
  readonly tenantKeys: readonly string[] | null;
  /** Keys that failed in this request already, by id. */
  readonly triedKeys: ReadonlySet<string>;
  /** Whether a key at its limit is used rather than the next model. */
  readonly isLast: boolean;
  /** Whether the route has no other model. */
  readonly isOnly: boolean;
  readonly streamed: boolean;
  readonly connectMs: number;
  readonly deadlines: CallDeadlines;
  readonly leftMs: number;
  /** Ends the waiting before the call; the call itself is ended with `cancel`. */
  readonly signal: AbortSignal;
}

type AttemptEnd = Exclude<CallPiece, { kind: 'text' }>;

/** One call of a request, with all that has to happen around it. */
export interface Attempt {
  readonly candidate: Candidate;
  readonly keyId: string | null;
  /** The next piece. Before the last one is given, the call is settled and everything it held is free. */
  next(): Promise<CallPiece>;
  /** Ends and settles it; harmless when it has ended. */
  cancel(outcome: 'aborted' | 'outrun'): Promise<void>;
  /** `null` while it runs. */
  record(): ModelAttempt | null;
}

export type StartedAttempt =
  | { readonly kind: 'started'; readonly attempt: Attempt }
  /** The model was not called. */
  | {
      readonly kind: 'skipped';
      readonly failure: AttemptFailure;
      readonly problem: string | null;
      readonly cause?: unknown;
    }
  | { readonly kind: 'aborted' }
  /** Somebody else asks by now, see `ModelRequest.mayStillAsk`. */
  | { readonly kind: 'lost' };

const nobody: Spender = { agentId: null, personId: null, turnId: null };

/**
 * Prepares one call: key, room at the provider, budget, circuit; then starts it. Whatever was taken is given back exactly
 * once, however it ends.
 *
 * @throws what the budget gate throws, unless it is `budget_exhausted`
 */
export async function startAttempt(parts: PoolParts, options: AttemptOptions): Promise<StartedAttempt> {
  const { request, candidate, size, signal } = options;
  const { entry } = candidate;
  if (signal.aborted) return { kind: 'aborted' };
  const resolved = resolveEntry(entry, parts.keys, options.tenantKeys);
  if (resolved.kind === 'problem') return skipped('unconfigured', { problem: resolved.problem });
  const { access } = resolved;
  const host = URL.parse(access.baseUrl)?.host ?? '';
  const maxOutputTokens = Math.min(request.maxOutputTokens, entry.maxOutputTokens ?? request.maxOutputTokens);
  if (windowFit(entry, request, size) === 'no') {
    return skipped('too_long', { errorType: 'window_too_small' });
  }
  const keys = parts.keyStates
    .sort({ provider: entry.provider, host }, access.apiKeys)
    .filter(({ keyId }) => keyId === null || !options.triedKeys.has(keyId));
  const [first] = keys;
  if (first === undefined) return skipped('unauthorized', { errorType: 'key_set_aside' });
  if (first.limitedMs > 0 && !options.isLast) {
    return skipped('rate_limited', {
      errorType: 'key_at_limit',
      transient: true,
      retryAfterMs: first.limitedMs,
    });
  }

  const asked = parts.limiter.acquire({
    provider: entry.provider,
    tenantId: request.tenantId,
    tokens: size.likelyTokens + maxOutputTokens,
    signal,
    waitMs: options.leftMs,
  });
  const slot = asked instanceof Promise ? await asked : asked;
  if (signal.aborted) {
    slot?.release(0);
    return { kind: 'aborted' };
  }
  if (slot === null) return skipped('rate_limited', { errorType: 'own_limit', transient: true });

  let passage: Passage | null = null;
  let reservation: Reservation | null = null;
  try {
    // Before the circuit: a tenant whose budget is used up takes nobody the one call that tries a model again.
    reservation = await parts.budget.reserve({
      tenantId: request.tenantId,
      spender: request.spender ?? nobody,
      provider: entry.provider,
      model: entry.model,
      entry,
      maxInputTokens: size.maxTokens,
      maxOutputTokens,
    });
    const notMade = async (outcome: AttemptOutcome, held: Reservation): Promise<void> => {
      giveBack(slot, passage);
      await settle(parts, held, { usage: null, isEstimated: false, outcome });
    };
    if (signal.aborted) {
      await notMade('aborted', reservation);
      return { kind: 'aborted' };
    }
    // Where the route has no other model, an open circuit would only keep people from one that may be back.
    const entered =
      enterCircuit(parts.circuits, access, host, keys) ??
      (options.isOnly ? { passage: freePassage, key: first } : null);
    if (entered === null) {
      await notMade('circuit_open', reservation);
      return skipped('circuit_open', { transient: true });
    }
    passage = entered.passage;
    const { key } = entered;
    const called: ModelAccess = { ...access, apiKey: key.apiKey };
    const settings = toCallSettings(request, called);
    const opened = await parts.openModel(called, options.connectMs);
    if (opened.kind === 'problem') {
      await notMade('unconfigured', reservation);
      return skipped('unconfigured', { problem: opened.problem });
    }
    if (signal.aborted) {
      await notMade('aborted', reservation);
      return { kind: 'aborted' };
    }
    if (request.mayStillAsk?.() === false) {
      await notMade('aborted', reservation);
      return { kind: 'lost' };
    }
    const attempt = runAttempt(parts, options, {
      key,
      host,
      opened,
      settings,
      marksCache: called.provider.promptStyle?.(called.model).cacheMark !== undefined,
      maxOutputTokens,
      slot,
      passage,
      reservation,
    });
    return { kind: 'started', attempt };
  } catch (error) {
    giveBack(slot, passage);
    if (reservation !== null) {
      await settle(parts, reservation, { usage: null, isEstimated: false, outcome: 'internal' });
    }
    if (isKonstructError(error, 'budget_exhausted')) return { ...skipped('over_budget', {}), cause: error };
    throw error;
  }
}

interface Held {
  readonly key: SortedKey;
  readonly host: string;
  readonly opened: { readonly model: Parameters<typeof startCall>[0]['model'] };
  readonly settings: ReturnType<typeof toCallSettings>;
  readonly marksCache: boolean;
  readonly maxOutputTokens: number;
  readonly slot: Slot;
  readonly passage: Passage;
  readonly reservation: Reservation;
}

function runAttempt(parts: PoolParts, options: AttemptOptions, held: Held): Attempt {
  const { clock, log } = parts;
  const { request, candidate, size, streamed } = options;
  const { entry } = candidate;
  const { key, slot, passage, maxOutputTokens } = held;
  const startedAtMs = clock();
  const call = startCall({
    model: held.opened.model,
    settings: held.settings,
    output: request.output,
    maxOutputTokens,
    streamed,
    deadlines: options.deadlines,
    clock,
  });
  let record: ModelAttempt | null = null;
  let ending: Promise<void> | null = null;
  let cancelledAs: 'aborted' | 'outrun' = 'aborted';

  async function end(piece: AttemptEnd): Promise<void> {
    const failure = piece.kind === 'failure' ? piece.failure : null;
    const outcome: AttemptOutcome =
      piece.kind === 'aborted' ? cancelledAs : failure === null ? 'ok' : failure.outcome;
    const durationMs = clock() - startedAtMs;
    const { firstTokenMs, receivedBytes, silentMs } = call.progress();
    const metered = meterCall(piece, {
      isFree: entry.provider === 'demo',
      size,
      receivedBytes,
      silentMs,
      marksCache: held.marksCache,
      maxOutputTokens,
    });
    const { usage } = metered;
    // The ledger is told the most that it can have been; the rate what it probably was.
    const inputTokens = usage?.inputTokens ?? 0;
    const likelyInput = metered.isEstimated ? Math.min(inputTokens, size.likelyTokens) : inputTokens;
    slot.release(likelyInput + (usage?.outputTokens ?? 0));
    if (failure !== null && isAnswer(failure)) passage.alive();
    passage.done(verdictOf(outcome));
    if (key.keyId !== null && failure !== null) {
      const address = { provider: entry.provider, host: held.host };
      if (failure.keyFault !== undefined) {
        parts.keyStates.markDead(address, key.keyId, failure.keyFault, failure.status);
      } else if (failure.outcome === 'rate_limited') {
        parts.keyStates.markLimited(address, key.keyId, failure.retryAfterMs);
      }
    }
    const cost = await settle(parts, held.reservation, { ...metered, outcome });
    const told = failure ?? (piece.kind === 'answer' ? piece.refusal : undefined);
    record = {
      provider: entry.provider,
      model: entry.model,
      outcome,
      status: told?.status ?? (outcome === 'ok' && entry.provider !== 'demo' ? 200 : null),
      errorType: told?.errorType ?? null,
      startedAtMs,
      durationMs,
      firstTokenMs,
      usage,
      cost,
    };
    countAttempt(parts.metrics, record, piece.kind === 'answer' ? piece.answer.usage : null);
    if (failure !== null) {
      const { tenantId, route } = request;
      log.warn('model.attempt_failed', {
        tenantId,
        route,
        ...record,
        keyId: key.keyId,
        retryAfterMs: failure.retryAfterMs,
      });
    }
  }

  return {
    candidate,
    keyId: key.keyId,
    async next() {
      const piece = await call.next();
      if (piece.kind === 'text') {
        passage.alive();
        return piece;
      }
      ending ??= end(piece);
      await ending;
      return piece;
    },
    async cancel(outcome) {
      if (ending === null) {
        cancelledAs = outcome;
        call.cancel();
        const piece = await call.next(); // the end is there already
        ending ??= end(piece.kind === 'text' ? { kind: 'aborted' } : piece);
      }
      await ending;
    },
    record: () => record,
  };
}

const freePassage: Passage = { alive: () => undefined, done: () => undefined };

/** The first key whose circuit lets a call through. */
function enterCircuit(
  circuits: Circuits,
  access: ResolvedAccess,
  host: string,
  keys: readonly SortedKey[],
): { readonly passage: Passage; readonly key: SortedKey } | null {
  for (const key of keys) {
    const passage = circuits.enter({
      provider: access.provider.name,
      model: access.model,
      host,
      keyId: key.keyId,
    });
    if (passage !== null) return { passage, key };
  }
  return null;
}

/** Never throws: the answer that was paid for must not be lost because the ledger could not be written. */
async function settle(
  { log }: PoolParts,
  reservation: Reservation,
  outcome: Parameters<Reservation['settle']>[0],
): Promise<ModelCost | null> {
  try {
    return await reservation.settle(outcome);
  } catch (error) {
    log.error('model.settle_failed', { outcome: outcome.outcome, error });
    return null;
  }
}

function giveBack(slot: Slot, passage: Passage | null): void {
  slot.release(0);
  passage?.done('neutral');
}

/** Only what says that the provider is ill counts: a 429 and a refusal are a provider that works. */
function verdictOf(outcome: AttemptOutcome): 'success' | 'failure' | 'neutral' {
  switch (outcome) {
    case 'timeout':
    case 'overloaded':
    case 'server_error':
    case 'network':
      return 'failure';
    case 'ok':
    case 'refused':
      return 'success';
    default:
      return 'neutral';
  }
}

/** Whether a working provider said no: it does for a trial, and does not make up for failures before it. */
function isAnswer({ outcome, status }: AttemptFailure): boolean {
  if (verdictOf(outcome) === 'failure') return false;
  return outcome === 'malformed' || (status !== null && status < 500);
}

function skipped(
  outcome: AttemptFailure['outcome'],
  known: Partial<AttemptFailure> & { readonly problem?: string },
): Extract<StartedAttempt, { kind: 'skipped' }> {
  const { problem = null, ...rest } = known;
  const failure = { outcome, status: null, errorType: null, transient: false, retryAfterMs: null, ...rest };
  return { kind: 'skipped', failure, problem };
}
