import type { ClaimAlong, ClaimOffer } from '../core/claim-along.ts';
import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ClaimedTurn, TurnState } from '../core/turn.ts';
import { errorCode } from '../db/pool.ts';
import type { TurnQueue } from './create-turn-queue.ts';

export interface WorkerOptions {
  readonly queue: TurnQueue;
  /** Turns at a time. */
  readonly concurrency: number;
  /**
   * Runs one turn to its end; must stop soon when the signal says so, and must not throw for what it can handle. The
   * signal's reason is `aborted` (the worker shuts down: hand over) or `lease_lost` (somebody else's: be silent).
   * `interrupted` says that people have changed what the turn is about: ask the ledger what it is.
   */
  readonly runTurn: (turn: ClaimedTurn, signal: AbortSignal, interrupted: AbortSignal) => Promise<void>;
  readonly renewEveryMs: number;
  /** How often to look for work that nobody announced (retries that are due, leases that ran out). */
  readonly pollEveryMs: number;
  readonly log: Log;
}

export interface Worker extends ClaimAlong {
  start(): void;
  /** Says that there may be work. */
  wake(): void;
  /**
   * Says that something happened to a conversation whose turn may run here; `null`: perhaps to any. To miss this is
   * harmless: the turn is asked about again before anything is committed.
   */
  interrupt(conversationId: number | null): void;
  /** Turns under way. */
  active(): number;
  /** Stops claiming, waits for the turns under way and after `deadlineMs` hands the rest over to other workers. */
  stop(deadlineMs: number): Promise<void>;
}

/** How long a turn may take to hand itself over once it is told to. */
const HAND_OVER_MS = 2_000;

/** Claims ready conversations and runs their turns side by side, while holding their leases. */
export function createWorker(options: WorkerOptions): Worker {
  const running = new Map<
    ClaimedTurn,
    {
      readonly controller: AbortController;
      readonly interruption: AbortController;
      readonly done: Promise<void>;
    }
  >();
  /** Told of while a claim was under way: perhaps of a turn in it. */
  let interruptedEarly = new Set<number>();
  /** Those of the renewal before: a claim takes no longer than that, and what nobody here runs is forgotten. */
  let interruptedEarlier = new Set<number>();
  const offersUnderWay = new Set<Promise<void>>();
  let timers: NodeJS.Timeout[] = [];
  let started = false;
  let stopping = false;
  /** Room that is set aside for offers under way. */
  let offered = 0;
  let claiming: Promise<void> | null = null;
  let wanted = false;

  const room = (): number => options.concurrency - running.size - offered;

  function wake(): void {
    wanted = true;
    if (claiming || stopping) return;
    claiming = claimAll().finally(() => {
      claiming = null;
      if (wanted && room() > 0) wake();
    });
  }

  /** One claim at a time: what becomes ready meanwhile is taken by the next, together. */
  async function claimAll(): Promise<void> {
    while (wanted && !stopping && room() > 0) {
      wanted = false;
      const limit = room();
      try {
        const turns = await options.queue.claim(limit);
        if (turns.length === limit) wanted = true;
        runAll(turns);
      } catch (error) {
        options.log.error('turn.claim_failed', { code: errorCode(error), error });
        return; // the poll tries again
      }
    }
  }

  function runAll(turns: readonly ClaimedTurn[]): void {
    for (const turn of turns) run(turn);
    void examine(
      turns.filter(({ conversationId: id }) => interruptedEarly.has(id) || interruptedEarlier.has(id)),
    );
  }

  function run(turn: ClaimedTurn): void {
    const controller = new AbortController();
    const interruption = new AbortController();
    const done = options
      .runTurn(turn, controller.signal, interruption.signal)
      .catch((error: unknown) => {
        // Nothing was written back: the lease runs out and another attempt is made.
        options.log.error('turn.crashed', { tenantId: turn.tenantId, turnId: turn.turnId, error });
      })
      .finally(() => {
        running.delete(turn);
        // Only if something had to wait for room: what its end makes ready is announced (measured at 50 turns a second:
        // a claim after every turn was a third of all claims, and empty).
        if (wanted) wake();
      });
    running.set(turn, { controller, interruption, done });
  }

  /** Asks what became of turns and interrupts those that cannot go on as they are. */
  async function examine(turns: readonly ClaimedTurn[]): Promise<void> {
    if (turns.length === 0) return;
    try {
      const states = await options.queue.check(turns);
      for (const [index, turn] of turns.entries()) {
        const state = states[index];
        if (state && isInterrupted(turn, state))
          running.get(turn)?.interruption.abort(new KonstructError('turn_interrupted'));
      }
    } catch (error) {
      options.log.warn('turn.check_failed', { code: errorCode(error), error }); // checked again before the commit
    }
  }

  function offer(wantedRoom: number): ClaimOffer | null {
    const limit = Math.min(room(), wantedRoom);
    if (!started || stopping || wanted || limit <= 0) return null;
    const claim = options.queue.beginClaim(limit);
    offered += limit;
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    offersUnderWay.add(ended);
    const close = (): void => {
      offersUnderWay.delete(ended);
      offered -= limit;
      end();
    };
    return {
      values: claim.values,
      accept(turns) {
        close();
        claim.end(turns);
        runAll(turns);
        // Something older may have taken the room.
        if (turns.length === limit) wake();
      },
      decline() {
        close();
        if (wanted) wake();
      },
    };
  }

  async function renew(): Promise<void> {
    interruptedEarlier = interruptedEarly;
    interruptedEarly = new Set();
    const turns = [...running.keys()];
    if (turns.length === 0) return;
    try {
      const held = await options.queue.renew(turns);
      for (const [index, turn] of turns.entries()) {
        if (held[index] || !running.has(turn)) continue;
        options.log.warn('turn.lease_lost', { tenantId: turn.tenantId, turnId: turn.turnId });
        running.get(turn)?.controller.abort(new KonstructError('lease_lost'));
      }
    } catch (error) {
      options.log.warn('turn.renew_failed', { code: errorCode(error), error });
    }
  }

  return {
    start() {
      started = true;
      timers = [
        setInterval(wake, options.pollEveryMs),
        setInterval(() => void renew(), options.renewEveryMs),
      ];
      wake();
    },
    wake,
    interrupt(conversationId) {
      const turns = [...running.keys()];
      if (conversationId === null) {
        void examine(turns);
        return;
      }
      const concerned = turns.filter((turn) => turn.conversationId === conversationId);
      void examine(concerned);
      const isClaiming = claiming !== null || offersUnderWay.size > 0;
      if (isClaiming && concerned.length === 0) interruptedEarly.add(conversationId);
    },
    offer,
    active: () => running.size,
    async stop(deadlineMs) {
      stopping = true;
      await claiming;
      await Promise.all(offersUnderWay);
      const [poll, renewal] = timers;
      clearInterval(poll);
      const all = Promise.all([...running.values()].map(({ done }) => done));
      await Promise.race([all, delay(deadlineMs)]);
      for (const { controller } of running.values())
        controller.abort(new KonstructError('aborted', 'The worker shuts down.'));
      await Promise.race([Promise.all([...running.values()].map(({ done }) => done)), delay(HAND_OVER_MS)]);
      clearInterval(renewal);
    },
  };
}

/** An agent that lets new messages wait, or takes them in between two steps, is not disturbed by them. */
function isInterrupted({ agent, revision }: ClaimedTurn, now: TurnState): boolean {
  if (now.state !== 'held') return now.state === 'gone';
  return now.cancel !== null || (agent.busyMode === 'interrupt' && now.revision > revision);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
