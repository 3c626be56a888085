import type pg from 'pg';
import type { Attachment, Mention } from '../core/channel.ts';
import { createBatcher } from '../db/create-batcher.ts';
import { isServerTrouble } from '../db/pool.ts';
import { queryRows } from '../db/query-rows.ts';

/** One event as `admit_batch` takes it (migrations/functions/admit_batch.sql). */
export type AdmitEvent = AdmitMessage | AdmitEdit | AdmitDeletion;

interface AdmitBase {
  readonly tenantId: string;
  readonly connectionId: string;
  readonly channelId: string;
  readonly messageId: string;
  readonly sentAtMs: number;
}

export interface AdmitMessage extends AdmitBase {
  readonly type: 'message';
  readonly eventId: string | null;
  readonly bucketKey: string;
  readonly ratePerMinute: number;
  /** `''` for a DM outside threads. */
  readonly conversationThreadId: string;
  readonly replyThreadId: string;
  /** Where a notice to the sender stands; `null`: in the channel itself. */
  readonly noticeThreadId: string | null;
  /** The thread was there before the agent was asked into it. */
  readonly threadBegan: boolean;
  readonly scope: 'direct' | 'group' | 'channel';
  /** `yes`: mention or DM; `if_engaged`: if the agent follows the thread; `context`: worth keeping, not for the agent. */
  readonly addressed: 'yes' | 'if_engaged' | 'context';
  readonly senderId: string;
  readonly senderName: string | null;
  readonly content: string;
  readonly mentions: readonly Mention[];
  readonly attachments: readonly Attachment[];
  readonly channelMetadata: Readonly<Record<string, unknown>>;
}

export interface AdmitEdit extends AdmitBase {
  readonly type: 'edit';
  readonly content: string;
  readonly mentions: readonly Mention[];
}

export interface AdmitDeletion extends AdmitBase {
  readonly type: 'deletion';
}

export type AdmitOutcome =
  | { readonly outcome: 'new' | 'context'; readonly conversationId: number; readonly wasIdle: boolean }
  | { readonly outcome: 'limited'; readonly retryAfterMs: number; readonly noticeId?: number }
  | { readonly outcome: 'duplicate' | 'not_engaged' | 'edited' | 'deleted' | 'unknown_message' };

export type Admit = (event: AdmitEvent) => Promise<AdmitOutcome>;

const MAX_BATCH = 100;
const MAX_IN_FLIGHT = 2;

/**
 * Stores events durably: when the promise resolves, the row is committed. At most one round trip, shared by all events
 * that arrive at the same time.
 *
 * @throws KonstructError `database_unavailable`, `disk_full`
 */
export function createAdmit(pool: pg.Pool): Admit {
  return createBatcher<AdmitEvent, AdmitOutcome>({
    call: (events) => admitBatch(pool, events),
    maxBatch: MAX_BATCH,
    maxInFlight: MAX_IN_FLIGHT,
    isShared: isServerTrouble,
  });
}

async function admitBatch(pool: pg.Pool, events: readonly AdmitEvent[]): Promise<readonly AdmitOutcome[]> {
  const rows = await queryRows<{ outcomes: readonly AdmitOutcome[] }>(pool, {
    name: 'admit_batch',
    text: 'select admit_batch($1) as outcomes',
    values: [JSON.stringify(events)],
  });
  return rows[0]?.outcomes ?? [];
}
