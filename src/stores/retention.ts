import type pg from 'pg';
import { errorCode } from '../db/pool.ts';

const BATCH = 1_000;

/** How many rows of each kind went. */
export interface ExpiredRows {
  readonly conversations: number;
  readonly messages: number;
  readonly turns: number;
  readonly notices: number;
  readonly earlySignals: number;
  readonly mailboxes: number;
  /** Taken back by whoever gave it. */
  readonly feedback: number;
}

/**
 * Removes conversations, messages, turns, notices and what mailboxes hold that is older than the cut-off, in small bites so that nobody waits. Turns
 * come after the messages that they answered.
 */
export async function expireOldRows(pool: pg.Pool, before: Date, signal: AbortSignal): Promise<ExpiredRows> {
  const failures: unknown[] = [];
  /** One kind that cannot be removed does not keep the others. */
  const expire = async (text: string, cutOff: Date | null = before): Promise<number> => {
    try {
      return await inBites(pool, text, cutOff, signal);
    } catch (error) {
      failures.push(error);
      return 0;
    }
  };
  const expired = {
    conversations: await expire('select expire_conversations($1, $2) as gone'),
    messages: await expire('select expire_messages($1, $2) as gone'),
    turns: await expire('select expire_turns($1, $2) as gone'),
    notices: await expire('select expire_notices($1, $2) as gone'),
    earlySignals: await expire('select expire_early_signals($1, $2) as gone', null),
    mailboxes: await expire('select expire_mailboxes($1, $2) as gone'),
    feedback: await expire('select expire_feedback($1, $2) as gone', null),
  };
  if (failures.length > 0) throw failures[0];
  return expired;
}

/** Removes what models cost before the cut-off from the ledger, and counters of budgets whose period is over. */
export async function expireLedger(
  pool: pg.Pool,
  before: Date,
  signal: AbortSignal,
): Promise<{ readonly modelCalls: number; readonly budgetCounters: number }> {
  return {
    modelCalls: await inBites(pool, 'select expire_model_calls($1, $2) as gone', before, signal),
    budgetCounters: await inBites(pool, 'select expire_budget_counters($1, $2) as gone', before, signal),
  };
}

const STATEMENT_TIMEOUT = '57014';
const SMALLER = 8;

/** @param before `null`: whatever the function keeps at least */
async function inBites(
  pool: pg.Pool,
  text: string,
  before: Date | null,
  signal: AbortSignal,
): Promise<number> {
  let total = 0;
  let limit = BATCH;
  while (!signal.aborted) {
    let gone: number;
    try {
      const { rows } = await pool.query<{ gone: number }>(text, [before, limit]);
      gone = rows[0]?.gone ?? 0;
    } catch (error) {
      // What belongs to these was more than a statement has time for. The same would be tried, and taken back, every night.
      if (errorCode(error) !== STATEMENT_TIMEOUT || limit === 1) throw error;
      limit = Math.ceil(limit / SMALLER);
      continue;
    }
    total += gone;
    if (gone < limit) break;
  }
  return total;
}
