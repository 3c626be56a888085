import type pg from 'pg';
import type { ReceiptFailure } from '../core/channel-event.ts';
import { queryRows } from '../db/query-rows.ts';

/** A platform's word on a message of ours, as `record_receipt` takes it (migrations/functions/record_receipt.sql). */
export interface AdmitReceipt {
  readonly tenantId: string;
  readonly connectionId: string;
  readonly channelId: string | null;
  readonly messageId: string;
  readonly deliveryId: string | null;
  readonly failure: ReceiptFailure | null;
}

export type ReceiptOutcome =
  /** `ready`: there is something to be done now. */
  | { readonly outcome: 'receipt'; readonly ready?: boolean }
  | { readonly outcome: 'undelivered'; readonly turnId: number }
  | { readonly outcome: 'unknown_message' };

/** @throws KonstructError `database_unavailable`, `disk_full` */
export type RecordReceipt = (receipt: AdmitReceipt) => Promise<ReceiptOutcome>;

export function createRecordReceipt(pool: pg.Pool): RecordReceipt {
  return async (receipt) => {
    const rows = await queryRows<{ outcome: ReceiptOutcome }>(pool, {
      name: 'record_receipt',
      text: 'select record_receipt($1) as outcome',
      values: [JSON.stringify(receipt)],
    });
    return rows[0]?.outcome ?? { outcome: 'unknown_message' };
  };
}
