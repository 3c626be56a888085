import type pg from 'pg';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import { queryRows } from '../db/query-rows.ts';

/** 👍 or 👎 that a person put on a message or took off, as `apply_feedback` takes it (migrations/functions). */
export interface AdmitFeedback {
  readonly channelId: string;
  readonly messageId: string;
  readonly personId: string;
  readonly verdict: 'up' | 'down';
  readonly present: boolean;
  readonly sentAtMs: number;
}

export type FeedbackOutcome =
  /** What the person thinks now; `null`: they took it back. */
  | { readonly outcome: 'rated'; readonly verdict: 'up' | 'down' | null }
  | { readonly outcome: 'duplicate' | 'unknown_message' };

/** Where feedback is kept. Throws KonstructError `database_unavailable`, `disk_full`. */
export interface FeedbackAdmission {
  /** Whether a message is an answer of ours, or a part of one: nobody need ask who reacted to any other. */
  isAnswer(connection: ResolvedConnection, channelId: string, messageId: string): Promise<boolean>;
  /** Keeps it, durably. Repeating it changes nothing. */
  admit(connection: ResolvedConnection, feedback: AdmitFeedback): Promise<FeedbackOutcome>;
}

export function createFeedbackAdmission(pool: pg.Pool, metrics: Metrics = noMetrics): FeedbackAdmission {
  return {
    async isAnswer({ tenantId, id }, channelId, messageId) {
      const rows = await queryRows<{ turn: string | null }>(pool, {
        name: 'find_answer',
        text: 'select find_answer($1, $2, $3, $4) as turn',
        values: [tenantId, id, channelId, messageId],
      });
      return (rows[0]?.turn ?? null) !== null;
    },
    async admit({ tenantId, id: connectionId, channel }, feedback) {
      const rows = await queryRows<{ result: FeedbackOutcome }>(pool, {
        name: 'apply_feedback',
        text: 'select apply_feedback($1) as result',
        values: [JSON.stringify({ ...feedback, tenantId, connectionId })],
      });
      const result = rows[0]?.result ?? { outcome: 'unknown_message' };
      if (result.outcome === 'rated') {
        const verdict = result.verdict ?? 'taken_back';
        metrics.counter('konstruct_feedback_total', { channel, verdict }).increment();
      }
      return result;
    },
  };
}
