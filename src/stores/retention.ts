import type pg from 'pg';

const BATCH = 1_000;

/**
 * Removes conversations and messages older than the cut-off, in small bites so that nobody waits. Returns how many rows
 * of each went.
 */
export async function expireOldRows(
  pool: pg.Pool,
  before: Date,
  signal: AbortSignal,
): Promise<{ readonly conversations: number; readonly messages: number }> {
  const conversations = await inBites(
    () => expire(pool, 'select expire_conversations($1, $2) as gone', before),
    signal,
  );
  const messages = await inBites(
    () => expire(pool, 'select expire_messages($1, $2) as gone', before),
    signal,
  );
  return { conversations, messages };
}

async function inBites(bite: () => Promise<number>, signal: AbortSignal): Promise<number> {
  let total = 0;
  while (!signal.aborted) {
    const gone = await bite();
    total += gone;
    if (gone < BATCH) break;
  }
  return total;
}

async function expire(pool: pg.Pool, text: string, before: Date): Promise<number> {
  const { rows } = await pool.query<{ gone: number }>(text, [before, BATCH]);
  return rows[0]?.gone ?? 0;
}
