import type pg from 'pg';
import type { EmptyBucket } from '../core/admission-filter.ts';
import type { Attachment, Mention } from '../core/channel-event.ts';
import type { ClaimAlong, ClaimOffer } from '../core/claim-along.ts';
import type { BusyMode } from '../core/tenant.ts';
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

/** What is serialised with the admissions of its connection. */
interface AdmitInBucket extends AdmitBase {
  readonly bucketKey: string;
  readonly ratePerMinute: number;
}

export interface AdmitMessage extends AdmitInBucket {
  readonly type: 'message';
  readonly eventId: string | null;
  /** Of the agent: whether the message may join the turn that runs. */
  readonly busyMode: BusyMode;
  /** `''` for a DM outside threads. */
  readonly conversationThreadId: string;
  readonly replyThreadId: string;
  /** Where a notice to the sender stands; `null`: in the channel itself. */
  readonly noticeThreadId: string | null;
  /** What it replies to, where threads are chains of replies: if that is known, it belongs to its conversation. */
  readonly repliesToId?: string;
  /** It may be one of several parts of one message: its turn waits so long for the others, in ms. */
  readonly settleMs?: number;
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

export interface AdmitEdit extends AdmitInBucket {
  readonly type: 'edit';
  /** Whether it is kept if its message has not come yet, see `mayConcern`; `threadId` is the thread it stands in. */
  readonly mayConcern: 'yes' | 'in_thread' | 'no';
  readonly threadId: string | null;
  /** How long after its answer a second look follows. */
  readonly editWindowMinutes: number;
  readonly content: string;
  readonly mentions: readonly Mention[];
}

export interface AdmitDeletion extends AdmitInBucket {
  readonly type: 'deletion';
  readonly onDeletion: 'keep' | 'retract';
}

/** A message that is a wish of its own, as it is kept. */
type WishMessage = Pick<
  AdmitMessage,
  | 'eventId'
  | 'conversationThreadId'
  | 'scope'
  | 'senderId'
  | 'senderName'
  | 'content'
  | 'mentions'
  | 'channelMetadata'
>;

/** A stop: a reaction on the message `messageId`, or that message itself. */
export type AdmitStop = AdmitInBucket & { readonly type: 'stop' } & (
    | WishMessage
    | { readonly senderId: string }
  );

/** A mute put on or taken off `messageId`; as a message it always takes off. */
export type AdmitMute = AdmitInBucket & { readonly type: 'mute'; readonly present: boolean } & (
    | WishMessage
    | { readonly senderId: string }
  );

export type AdmitOutcome =
  | {
      readonly outcome: 'new' | 'context';
      readonly conversationId: number;
      /** It became ready and nobody has claimed it yet: a worker is to be woken. */
      readonly wasIdle: boolean;
      /** Nothing is on record of the conversation before this message. */
      readonly begins?: true;
      /** That answers take a while is to be said. */
      readonly noticeId?: number;
    }
  | { readonly outcome: 'limited'; readonly retryAfterMs: number; readonly noticeId?: number }
  /** `ready`: there is something to be done now, for example an answer to be made anew. */
  | { readonly outcome: 'edited' | 'deleted'; readonly ready?: boolean }
  | { readonly outcome: 'duplicate' | 'not_engaged' | 'unknown_message' };

export type WishOutcome =
  | { readonly outcome: 'stopped' | 'muted' | 'unmuted'; readonly ready?: boolean }
  | { readonly outcome: 'duplicate' | 'not_engaged' | 'unknown_message' };

/**
 * Applies a stop or a mute, durably. One transaction each: in which conversation it belongs is known only after looking,
 * too late for the order in which a batch takes its locks.
 *
 * @throws KonstructError `database_unavailable`, `disk_full`
 */
export type AdmitWish = (wish: AdmitStop | AdmitMute) => Promise<WishOutcome>;

export function createAdmitWish(pool: pg.Pool): AdmitWish {
  return async (wish) => {
    const name = wish.type === 'stop' ? 'apply_stop' : 'apply_mute';
    const rows = await queryRows<{ outcome: WishOutcome }>(pool, {
      name,
      text: `select ${name}($1) as outcome`,
      values: [JSON.stringify(wish)],
    });
    return rows[0]?.outcome ?? { outcome: 'unknown_message' };
  };
}

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
  setImmediate(() => offer.accept(turns)); // the acks leave first
  const claimed = new Set(turns.map(({ conversationId }) => conversationId));
  return outcomes.map((outcome) =>
    'wasIdle' in outcome && claimed.has(outcome.conversationId) ? { ...outcome, wasIdle: false } : outcome,
  );
}
