import type { ClaimedTurn } from './turn.ts';

/**
 * A worker beside a gateway in one process: what an admission makes ready is claimed in the same call to the database.
 * At little traffic every call wakes a sleeping process twice; this one is on the way of every answer.
 */
export interface ClaimAlong {
  /**
   * Sets room aside for up to `limit` turns. `null`: there is none, or others wait for it already.
   * Whoever gets an offer must end it by `accept` or `decline`.
   */
  offer(limit: number): ClaimOffer | null;
}

export interface ClaimOffer {
  /** Parameters of `claim_turns`, in order. */
  readonly values: readonly unknown[];
  accept(turns: readonly ClaimedTurn[]): void;
  decline(): void;
}
