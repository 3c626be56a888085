import type { StoredConnection } from './turn.ts';

/** Something to be said outside of a turn, from the outbox. */
export interface Notice {
  readonly id: number;
  readonly tenantId: string;
  readonly channelId: string;
  readonly threadId: string | null;
  readonly attempts: number;
  readonly createdAtMs: number;
  /** What it says is not so any more. */
  readonly moot: boolean;
  readonly detail: RateLimitNotice | BusyNotice;
  readonly connection: StoredConnection;
}

/** The sender wrote more than the connection takes. */
export interface RateLimitNotice {
  readonly code: 'rate_limited';
  readonly personId: string;
  readonly waitSeconds: number;
  readonly ratePerMinute: number;
}

/** More waits than is soon done: everybody in the thread may know. */
export interface BusyNotice {
  readonly code: 'busy';
  readonly conversationId: number;
  /** Conversations of the tenant that wait for an answer already; counted to 1,000. */
  readonly ahead: number;
}

/** What became of a notice; `pending`: it is tried again. */
export interface NoticeResult {
  readonly status: 'sent' | 'failed' | 'pending';
  readonly errorCode: string | null;
}
