import type pg from 'pg';

const BATCH = 1_000;

/** How many rows of each kind went. */
export interface ExpiredRows {
  readonly conversations: number;
  readonly messages: number;
  readonly turns: number;
  readonly notices: number;
  readonly earlySignals: number;
  /** Taken back by whoever gave it. */
  readonly feedback: number;
}

/**
 * Removes conversations, messages, turns and notices older than the cut-off, in small bites so that nobody waits. Turns
 * come after the messages that they answered.
 */
export async function expireOldRows(pool: pg.Pool, before: Date, signal: AbortSignal): Promise<ExpiredRows> {
  const expire = (text: string): Promise<number> => inBites(() => bite(pool, text, before), signal);
  return {
    conversations: await expire('select expire_conversations($1, $2) as gone'),
    messages: await expire('select expire_messages($1, $2) as gone'),
    turns: await expire('select expire_turns($1, $2) as gone'),
    notices: await expire('select expire_notices($1, $2) as gone'),
    earlySignals: await inBites(
      () => bite(pool, 'select expire_early_signals($1, $2) as gone', null),
      signal,
    ),
    feedback: await inBites(() => bite(pool, 'select expire_feedback($1, $2) as gone', null), signal),
  };
}

/** Removes what models cost before the cut-off from the ledger, and counters of budgets whose period is over. */
export async function expireLedger(
  pool: pg.Pool,
  before: Date,
  signal: AbortSignal,
): Promise<{ readonly modelCalls: number; readonly budgetCounters: number }> {
  const expire = (text: string): Promise<number> => inBites(() => bite(pool, text, before), signal);
  return {
    modelCalls: await expire('select expire_model_calls($1, $2) as gone'),
    budgetCounters: await expire('select expire_budget_counters($1, $2) as gone'),
  };
}

async function inBites(next: () => Promise<number>, signal: AbortSignal): Promise<number> {
  let total = 0;
  while (!signal.aborted) {
    const gone = await next();
    total += gone;
    if (gone < BATCH) break;
  }
  return total;
}

/** `null`: whatever the function keeps at least. */
async function bite(pool: pg.Pool, text: string, before: Date | null): Promise<number> {
  const { rows } = await pool.query<{ gone: number }>(text, [before, BATCH]);
  return rows[0]?.gone ?? 0;
}
