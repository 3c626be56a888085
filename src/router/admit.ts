import type pg from 'pg';
import type { EmptyBucket } from '../core/admission-filter.ts';
import type { Attachment, Mention } from '../core/channel.ts';
import type { ClaimAlong, ClaimOffer } from '../core/claim-along.ts';
import type { ClaimedTurn } from '../core/turn.ts';
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
  /** Since when the tenant has a backlog, and how many wait in it; absent: it has none. */
  readonly busySince?: string;
  readonly busyAhead?: number;
  /** Paid already, out of the bucket that a filter keeps: PostgreSQL takes nothing. */
  readonly charged?: true;
  /** A filter keeps the bucket, and it is empty: if the agent is asked, PostgreSQL refuses and writes the notice. */
  readonly emptyBucket?: EmptyBucket;
  /** If a conversation begins with it, gateways are told: some remember threads in which there is none. */
  readonly announce?: true;
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
  | {
      readonly outcome: 'new' | 'context';
      readonly conversationId: number;
      /** It became ready and nobody has claimed it yet: a worker is to be woken. */
      readonly wasIdle: boolean;
      /** That answers take a while is to be said. */
      readonly noticeId?: number;
    }
  | { readonly outcome: 'limited'; readonly retryAfterMs: number; readonly noticeId?: number }
  | { readonly outcome: 'duplicate' | 'not_engaged' | 'edited' | 'deleted' | 'unknown_message' };

export type Admit = (event: AdmitEvent) => Promise<AdmitOutcome>;

const MAX_BATCH = 100;
const MAX_IN_FLIGHT = 2;

/**
 * Stores events durably: when the promise resolves, the row is committed. At most one round trip, shared by all events
 * that arrive at the same time. If a worker of this process has room, it gets what was made ready by the same call.
 *
 * @throws KonstructError `database_unavailable`, `disk_full`
 */
export function createAdmit(pool: pg.Pool, worker: () => ClaimAlong | null = () => null): Admit {
  return createBatcher<AdmitEvent, AdmitOutcome>({
    call: async (events) => {
      const offer = worker()?.offer(events.length) ?? null;
      return offer === null ? admitBatch(pool, events) : admitAndClaim(pool, events, offer);
    },
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

async function admitAndClaim(
  pool: pg.Pool,
  events: readonly AdmitEvent[],
  offer: ClaimOffer,
): Promise<readonly AdmitOutcome[]> {
  let row: { outcomes: readonly AdmitOutcome[]; turns: readonly ClaimedTurn[] } | undefined;
  try {
    [row] = await queryRows(pool, {
      name: 'admit_and_claim',
      text: 'select outcomes, turns from admit_and_claim($1, $2, $3, $4, $5, $6, $7)',
      values: [JSON.stringify(events), ...offer.values],
    });
  } catch (error) {
    offer.decline();
    if (isServerTrouble(error)) throw error;
    return admitBatch(pool, events); // a conversation that cannot be claimed must not keep others from being stored
  }
  const { outcomes = [], turns = [] } = row ?? {};
  offer.accept(turns);
  const claimed = new Set(turns.map(({ conversationId }) => conversationId));
  return outcomes.map((outcome) =>
    'wasIdle' in outcome && claimed.has(outcome.conversationId) ? { ...outcome, wasIdle: false } : outcome,
  );
}
