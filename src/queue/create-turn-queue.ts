import type pg from 'pg';
import type { Clock } from '../core/clock.ts';
import { errorTable } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import type {
  ClaimedTurn,
  CommitTurn,
  FinishTurn,
  LogSteps,
  RetryTurn,
  TurnKey,
  TurnLedger,
  TurnMessage,
  TurnState,
} from '../core/turn.ts';
import { createBatcher } from '../db/create-batcher.ts';
import { isServerTrouble } from '../db/pool.ts';
import { queryRows } from '../db/query-rows.ts';

/** The conversation rows as a queue: claim, renew and write back, each in batches (migrations/functions/). */
export interface TurnQueue extends TurnLedger {
  /**
   * Leases up to `limit` ready conversations, the longest waiting first. If there are more, the tenants take turns from
   * call to call.
   */
  claim(limit: number): Promise<readonly ClaimedTurn[]>;
  /** The same in two halves, for a claim that is part of another call. */
  beginClaim(limit: number): ClaimInProgress;
  /** Prolongs leases; says for each turn, in order, whether it is still held. */
  renew(turns: readonly TurnKey[]): Promise<readonly boolean[]>;
  /**
   * Whether the lease of a claimed turn has not run out by this process's own clock. A process that was stopped and
   * goes on learns it from here before it sends anything; the database would tell it only at its next write.
   */
  isHeld(turn: TurnKey): boolean;
}

export interface ClaimInProgress {
  /** Parameters of `claim_turns`, in order. */
  readonly values: readonly unknown[];
  /** Notes until when the turns are held. */
  end(turns: readonly ClaimedTurn[]): void;
}

export interface TurnQueueOptions {
  readonly pool: pg.Pool;
  /** Names this worker process; must be unique among all. */
  readonly owner: string;
  /** How long a silent worker keeps a conversation. */
  readonly leaseMs: number;
  /** Messages of a conversation that a turn gets to see. */
  readonly historyMessages: number;
  /** Turns of one tenant at a time over all workers, where it has no number of its own; `null`: any number. */
  readonly tenantTurns?: number | null;
  readonly clock: Clock;
  /** What the machine's clock says: it goes on while a virtual machine is suspended. Absent: the same as `clock`. */
  readonly wallClock?: Clock;
  readonly metrics?: Metrics;
  readonly log?: Log;
}

const MAX_BATCH = 100;
const MAX_IN_FLIGHT = 2;
/** How long a conversation that cannot be claimed is left alone. */
const POSTPONE_MS = 60_000;
/** More of them in one claim than this are not a matter of single conversations. */
const MAX_POSTPONED = 10;
const BEFORE_ALL_TENANTS = '00000000-0000-0000-0000-000000000000';

export function createTurnQueue(options: TurnQueueOptions): TurnQueue {
  const { pool, owner, clock, wallClock = clock, metrics = noMetrics, log } = options;
  /** Every end of a turn is written here, so it is counted here: once, and only when the write was not refused. */
  const countTurn = (outcome: string): void =>
    metrics.counter('konstruct_turns_total', { outcome }).increment();
  const countLoss = (at: string): void => metrics.counter('konstruct_lease_losses_total', { at }).increment();
  // There from the start, with 0: an alert sees a growth only where there was a number before.
  for (const reason of Object.keys(errorTable)) metrics.counter('konstruct_dead_letters_total', { reason });
  /** By both clocks: the steady one stands still while the machine sleeps, the other one can be set back. */
  const heldUntilMs = new WeakMap<TurnKey, readonly [steadyMs: number, wallMs: number]>();
  const leaseEnd = () => [clock() + options.leaseMs, wallClock() + options.leaseMs] as const;
  /** Turns that this worker ends or puts back, and those that it has since the last renewal began: not found is not lost. */
  const leaving = new Set<string>();
  const left = new Set<string>();
  const nameOf = ({ turnId, fence }: TurnKey): string => `${turnId} ${fence}`;
  /** Whose turn it was last. */
  let lastTenantId = BEFORE_ALL_TENANTS;

  async function call<Result>(
    name: string,
    text: string,
    values: readonly unknown[],
  ): Promise<readonly Result[]> {
    const rows = await queryRows<{ result: Result }>(pool, { name, text, values });
    return rows.map(({ result }) => result);
  }

  function batched<Item, Result>(
    write: (items: readonly Item[]) => Promise<readonly Result[]>,
  ): (item: Item) => Promise<Result> {
    return createBatcher<Item, Result>({
      call: write,
      maxBatch: MAX_BATCH,
      maxInFlight: MAX_IN_FLIGHT,
      isShared: isServerTrouble,
    });
  }

  async function leave(name: string, text: string, turns: readonly TurnKey[]): Promise<readonly string[]> {
    const names = turns.map(nameOf);
    for (const each of names) leaving.add(each);
    try {
      return await call<string>(name, text, [owner, JSON.stringify(turns)]);
    } finally {
      for (const each of names) {
        leaving.delete(each);
        left.add(each);
      }
    }
  }

  const commit = batched(async (turns: readonly CommitTurn[]) => {
    const rows = await call<{ turnId: number; deliveryIds: readonly number[] }>(
      'commit_turns',
      'select commit_turns($1, $2) as result',
      [owner, JSON.stringify(turns)],
    );
    const committed = new Map(rows.map((row) => [row.turnId, row]));
    return turns.map(({ turnId }) => {
      const result = committed.get(turnId) ?? null;
      if (result === null) countLoss('commit');
      return result;
    });
  });
  const finish = batched(async (turns: readonly FinishTurn[]) => {
    const rows = await leave('finish_turns', 'select finish_turns($1, $2) as result', turns);
    const finished = new Set(rows.map(Number));
    return turns.map(({ turnId, status, errorCode }) => {
      const isOurs = finished.has(turnId);
      if (isOurs) countTurn(status);
      else countLoss('finish');
      if (isOurs && status === 'dead')
        metrics.counter('konstruct_dead_letters_total', { reason: errorCode ?? 'internal' }).increment();
      return isOurs;
    });
  });
  const logSteps = batched(async (turns: readonly LogSteps[]) => {
    const rows = await call<string>('log_steps', 'select log_steps($1, $2) as result', [
      owner,
      JSON.stringify(turns),
    ]);
    const logged = new Set(rows.map(Number));
    return turns.map(({ turnId }) => {
      if (!logged.has(turnId)) countLoss('steps');
      return logged.has(turnId);
    });
  });
  const retry = batched(async (turns: readonly RetryTurn[]) => {
    const rows = await leave('retry_turns', 'select retry_turns($1, $2) as result', turns);
    const kept = new Set(rows.map(Number));
    return turns.map(({ turnId, counts }) => {
      const isOurs = kept.has(turnId);
      if (isOurs) countTurn(counts ? 'retried' : 'handed_over');
      else countLoss('retry');
      return isOurs;
    });
  });
  const recordPlaceholder = batched(
    async (placeholders: readonly { tenantId: string; deliveryId: number; externalId: string }[]) => {
      await call('record_placeholders', 'select record_placeholders($1) as result', [
        JSON.stringify(placeholders),
      ]);
      return placeholders.map(() => undefined);
    },
  );

  function beginClaim(limit: number): ClaimInProgress {
    const untilMs = leaseEnd(); // from before the call: never later than the database's
    return {
      values: [
        owner,
        limit,
        options.leaseMs,
        options.historyMessages,
        lastTenantId,
        options.tenantTurns ?? null,
      ],
      end(turns) {
        lastTenantId = lastInTurn(turns, lastTenantId);
        for (const turn of turns) heldUntilMs.set(turn, untilMs);
      },
    };
  }

  async function claimAtOnce(limit: number): Promise<readonly ClaimedTurn[]> {
    const claim = beginClaim(limit);
    const text = 'select claim_turns($1, $2, $3, $4, $5, $6) as result';
    const turns = await call<ClaimedTurn>('claim_turns', text, claim.values);
    claim.end(turns);
    return turns;
  }

  /** One of those that are ready cannot be claimed, nobody knows which: one by one, and it is set aside. */
  async function claimOneByOne(limit: number): Promise<readonly ClaimedTurn[]> {
    const claimed: ClaimedTurn[] = [];
    try {
      for (let failures = 0; claimed.length < limit && failures < MAX_POSTPONED; ) {
        try {
          const turns = await claimAtOnce(1);
          if (turns.length === 0) break;
          claimed.push(...turns);
        } catch (error) {
          if (isServerTrouble(error)) throw error;
          const text = 'select postpone_claim($1, $2) as result';
          const [postponed] = await call<object | null>('postpone_claim', text, [lastTenantId, POSTPONE_MS]);
          if (!postponed) break;
          failures += 1;
          log?.error('turn.claim_failed', { ...postponed, postponedMs: POSTPONE_MS, error });
        }
      }
    } catch (error) {
      if (claimed.length === 0) throw error; // those that are leased are run in any case
    }
    return claimed;
  }

  return {
    async claim(limit) {
      try {
        return await claimAtOnce(limit);
      } catch (error) {
        if (isServerTrouble(error)) throw error;
        return claimOneByOne(limit);
      }
    },
    beginClaim,
    isHeld(turn) {
      const [steadyMs, wallMs] = heldUntilMs.get(turn) ?? [0, 0];
      return clock() < steadyMs && wallClock() < wallMs;
    },
    async renew(turns) {
      const untilMs = leaseEnd();
      left.clear();
      const leases = turns.map(({ tenantId, conversationId, fence }) => ({
        tenantId,
        conversationId,
        fence,
      }));
      const rows = await call<{ conversationId: number; fence: number }>(
        'renew_leases',
        'select renew_leases($1, $2, $3) as result',
        [owner, options.leaseMs, JSON.stringify(leases)],
      );
      const held = new Map(rows.map(({ conversationId, fence }) => [conversationId, fence]));
      return turns.map((turn) => {
        const isHeld = held.get(turn.conversationId) === turn.fence;
        const isLeaving = leaving.has(nameOf(turn)) || left.has(nameOf(turn));
        if (isHeld) heldUntilMs.set(turn, untilMs);
        else if (!isLeaving) countLoss('renew');
        return isHeld || isLeaving;
      });
    },
    logSteps,
    commit,
    finish,
    retry,
    async readMessages({ tenantId, conversationId, turnId, fence }) {
      const [state] = await call<{ revision: number; messages: readonly TurnMessage[] }>(
        'read_turn_messages',
        'select read_turn_messages($1, $2, $3, $4, $5) as result',
        [owner, tenantId, conversationId, turnId, fence],
      );
      return state ?? null;
    },
    async check(turns) {
      const keys = turns.map(({ tenantId, conversationId, turnId, fence }) => ({
        tenantId,
        conversationId,
        turnId,
        fence,
      }));
      const rows = await call<TurnState & { turnId: number }>(
        'check_turns',
        'select check_turns($1, $2) as result',
        [owner, JSON.stringify(keys)],
      );
      const states = new Map(rows.map(({ turnId, ...state }) => [turnId, state]));
      return turns.map(({ turnId }) => states.get(turnId) ?? { state: 'gone', cancel: null, revision: 0 });
    },
    recordPlaceholder: ({ tenantId }, deliveryId, externalId) =>
      recordPlaceholder({ tenantId, deliveryId, externalId }),
    async recordApology({ tenantId, conversationId, turnId, fence }, externalId) {
      const [recorded] = await call<boolean>(
        'record_apology',
        'select record_apology($1, $2, $3, $4, $5, $6) as result',
        [owner, tenantId, conversationId, turnId, fence, externalId],
      );
      return recorded ?? false;
    },
  };
}

/** Where the round of the tenants has come to, which began after `previous` and goes on from the beginning at its end. */
function lastInTurn(turns: readonly ClaimedTurn[], previous: string): string {
  const tenantIds = turns.map(({ tenantId }) => tenantId);
  const behind = tenantIds.filter((tenantId) => tenantId <= previous);
  return (behind.length > 0 ? behind : tenantIds).toSorted().at(-1) ?? previous;
}
