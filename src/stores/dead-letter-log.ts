import { sql, type Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';

/** What a turn did before it was given up, oldest first. */
export interface DeadLetterLog {
  readonly messages: readonly LoggedMessage[];
  readonly steps: readonly LoggedStep[];
  readonly deliveries: readonly LoggedDelivery[];
}

/** A message the turn should have answered. */
export interface LoggedMessage {
  readonly messageId: string | null;
  readonly senderId: string;
  readonly senderName: string | null;
  readonly sentAt: Date;
  readonly deleted: boolean;
  readonly text: string;
}

export interface LoggedStep {
  readonly position: number;
  readonly kind: string;
  readonly outcome: string;
  readonly provider: string | null;
  readonly model: string | null;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface LoggedDelivery {
  readonly kind: 'placeholder' | 'answer';
  readonly position: number;
  readonly status: 'pending' | 'sending' | 'sent' | 'failed';
  readonly messageId: string | null;
  readonly error: string | null;
  /** `null` for a placeholder. */
  readonly text: string | null;
}

/** Reads what is known of a turn of the transaction's tenant. It holds texts: the caller decides who sees them. */
export async function readDeadLetterLog(
  transaction: Transaction<Database>,
  turnId: number,
): Promise<DeadLetterLog> {
  const messages = await sql<LoggedMessage>`
    select external_id as "messageId", sender_id as "senderId", sender_name as "senderName", sent_at as "sentAt",
      deleted_at is not null as deleted, content as text
    from konstruct.messages where turn_id = ${turnId} and direction = 'in' order by sent_at, id`.execute(
    transaction,
  );
  const steps = await sql<LoggedStep>`
    select position, kind, outcome, provider, model, started_at as "startedAt", duration_ms as "durationMs",
      -- Of files that a tool made the names.
      case when detail ? 'files' then jsonb_set(detail, '{files}', (
        select coalesce(jsonb_agg(f.file - 'content'), '[]') from jsonb_array_elements(detail->'files') as f (file)))
      else detail end as detail
    from konstruct.steps where turn_id = ${turnId} order by position`.execute(transaction);
  const deliveries = await sql<LoggedDelivery>`
    select kind, position, status, external_id as "messageId", error_code as error, content as text
    from konstruct.deliveries where turn_id = ${turnId} order by kind desc, position`.execute(transaction);
  return { messages: messages.rows, steps: steps.rows, deliveries: deliveries.rows };
}
