import type { StoredConnection } from './turn.ts';

/** Something to be said to one person outside of a turn, from the outbox. */
export interface Notice {
  readonly id: number;
  readonly tenantId: string;
  readonly channelId: string;
  readonly threadId: string | null;
  readonly attempts: number;
  readonly createdAtMs: number;
  readonly detail: RateLimitNotice;
  readonly connection: StoredConnection;
}

/** The sender wrote more than the connection takes. */
export interface RateLimitNotice {
  readonly code: 'rate_limited';
  readonly personId: string;
  readonly waitSeconds: number;
  readonly ratePerMinute: number;
}

/** What became of a notice; `pending`: it is tried again. */
export interface NoticeResult {
  readonly status: 'sent' | 'failed' | 'pending';
  readonly errorCode: string | null;
}
