/**
 * What stands before the database when messages come in: it may save it calls, and it never is the truth. Where there
 * is none (no Redis), every answer is `unfiltered` and PostgreSQL does everything (docs/decisions/0007-redis.md).
 */
export interface AdmissionFilter {
  /** Never rejects, and answers in time: what cannot be asked is `unfiltered`. */
  ask(event: FilterEvent): Promise<FilterAnswer>;
  /** Tells what became of an event that passed, once that is committed or has failed. Returns at once, never throws. */
  settle(event: FilterEvent, answer: FilterPass, outcome: SettledOutcome): void;
}

/** What a filter has to know of a message: a part of what `admit_batch` takes. */
export interface FilterEvent {
  readonly tenantId: string;
  readonly connectionId: string;
  readonly channelId: string;
  readonly conversationThreadId: string;
  readonly messageId: string;
  readonly addressed: 'yes' | 'if_engaged' | 'context';
  readonly bucketKey: string;
  readonly ratePerMinute: number;
  readonly senderId: string;
}

export type FilterAnswer =
  | FilterPass
  /** Known to be committed, so that this copy changes nothing. */
  | { readonly outcome: 'duplicate' }
  /** The bucket is empty and the sender has been told. */
  | { readonly outcome: 'limited'; readonly retryAfterMs: number }
  /** Certainly a thread in which the agent takes no part. */
  | { readonly outcome: 'not_engaged' };

/** PostgreSQL is to be asked. */
export interface FilterPass {
  readonly outcome: 'pass';
  /** A token is paid: PostgreSQL must not take another. */
  readonly charged: boolean;
  /**
   * The bucket is empty, but only PostgreSQL can say whether the agent is asked at all, or write the notice that the
   * sender has still to get. It refuses then, without a look at its own bucket.
   */
  readonly emptyBucket: EmptyBucket | null;
  /** For the filter itself; `null`: it took no part in this answer. */
  readonly receipt: FilterReceipt | null;
}

export interface EmptyBucket {
  /** What is in it, less than 1. */
  readonly tokens: number;
  /** When it ran empty, in ms since 1970: names the episode of which each person is told once. */
  readonly limitedSinceMs: number;
}

export interface FilterReceipt {
  /** The token is held for a message of which nobody knows yet whether it is for the agent. */
  readonly held: boolean;
  /** Under which memory of the filter the question was asked; `null`: not needed. */
  readonly incarnation: string | null;
}

/** `failed`: nothing is stored, or nobody knows. */
export type SettledOutcome = 'new' | 'context' | 'duplicate' | 'not_engaged' | 'limited' | 'failed';

export const unfiltered: FilterPass = { outcome: 'pass', charged: false, emptyBucket: null, receipt: null };
