import { sql, type Transaction } from 'kysely';
import { KonstructError } from '../core/errors.ts';
import type { Database } from '../db/schema.ts';
import { answerStored } from './dead-letters.ts';

export interface Replay {
  /** `ready`: workers have been told; `waiting`: another turn of the conversation comes first. */
  readonly state: 'ready' | 'waiting';
  /** `stored`: the answer that could not be delivered is delivered; `anew`: the model is asked again. */
  readonly answer: 'stored' | 'anew';
  /** Why it had died. */
  readonly reason: string;
}

interface LockedTurn {
  readonly status: string;
  readonly reason: string;
  readonly connectionStatus: 'active' | 'disabled';
  readonly answerStored: boolean;
  readonly askable: boolean;
}

/**
 * Makes a dead letter of the transaction's tenant a turn again, in its place in the conversation: at once, or when the
 * turn under way has ended (`resume_replay` in `migrations/0004_dead_letters.sql`). Holding the conversation, so that of
 * many who replay it one does.
 *
 * @throws KonstructError `not_found`, `dead_letter_closed`, `replay_impossible`; nothing has changed then
 */
export async function replayDeadLetter(transaction: Transaction<Database>, id: number): Promise<Replay> {
  const turn = await lockDeadLetter(transaction, id);
  if (turn.connectionStatus === 'disabled') {
    throw new KonstructError(
      'replay_impossible',
      `Dead letter ${id} cannot be replayed: its connection is disabled.`,
    );
  }
  if (!turn.answerStored && !turn.askable) {
    throw new KonstructError(
      'replay_impossible',
      `Dead letter ${id} cannot be replayed: its messages are gone.`,
    );
  }
  if (turn.answerStored) await reopenDeliveries(transaction, id);
  else await forgetApology(transaction, id);
  await sql`
    update konstruct.turns
    set status = 'replaying', attempts = 0, error_code = null, error_details = null, finished_at = null,
      told_at = null, cancel = null, committed_at = case when ${turn.answerStored} then committed_at end
    where id = ${id}`.execute(transaction);
  // Naming turn_id is what lets the conversation take its oldest replay, if it is free.
  const { rows } = await sql<{ ready: boolean }>`
    update konstruct.conversations c set replays_waiting = c.replays_waiting + 1, turn_id = c.turn_id
    from konstruct.turns t
    where t.id = ${id} and c.tenant_id = t.tenant_id and c.id = t.conversation_id
    returning c.turn_id = ${id} as ready`.execute(transaction);
  const ready = rows[0]?.ready ?? false;
  if (ready) await sql`notify konstruct_ready`.execute(transaction);
  return {
    state: ready ? 'ready' : 'waiting',
    answer: turn.answerStored ? 'stored' : 'anew',
    reason: turn.reason,
  };
}

/**
 * Marks a dead letter of the transaction's tenant as seen. Returns why it had died.
 *
 * @throws KonstructError `not_found`, `dead_letter_closed`
 */
export async function discardDeadLetter(transaction: Transaction<Database>, id: number): Promise<string> {
  const { reason } = await lockDeadLetter(transaction, id);
  await sql`update konstruct.turns set status = 'discarded' where id = ${id}`.execute(transaction);
  return reason;
}

/** The lock has a statement of its own: what the next one sees is at least as new as it. */
async function lockDeadLetter(transaction: Transaction<Database>, id: number): Promise<LockedTurn> {
  await sql`
    select 1 from konstruct.turns t
    join konstruct.conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
    where t.id = ${id}
    for no key update of c`.execute(transaction);
  const { rows } = await sql<LockedTurn>`
    select t.status, coalesce(t.error_code, 'internal') as reason, k.status as "connectionStatus",
      ${answerStored} as "answerStored",
      exists (
        select 1 from konstruct.messages m
        where m.tenant_id = t.tenant_id and m.turn_id = t.id and m.direction = 'in' and m.deleted_at is null
      ) as askable
    from konstruct.turns t
    join konstruct.conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
    join konstruct.connections k on k.tenant_id = c.tenant_id and k.id = c.connection_id
    where t.id = ${id}`.execute(transaction);
  const turn = rows[0];
  if (turn === undefined) throw new KonstructError('not_found', `There is no dead letter ${id}.`);
  if (turn.status !== 'dead') {
    throw new KonstructError('dead_letter_closed', `${id} is not a dead letter: ${states[turn.status]}.`);
  }
  return turn;
}

const states: Readonly<Record<string, string>> = {
  running: 'it is being answered',
  committed: 'its answer is being delivered',
  answered: 'it was answered',
  cancelled: 'it was cancelled',
  discarded: 'it was discarded',
  replaying: 'it is being replayed',
};

/**
 * Parts that were given up are tried again. They keep their ids, by which the platform is asked for them first; where it
 * cannot be asked, they are sent: without attempts says that an operator wants it.
 */
async function reopenDeliveries(transaction: Transaction<Database>, id: number): Promise<void> {
  await sql`
    update konstruct.deliveries set status = 'sending', attempts = 0, error_code = null
    where turn_id = ${id} and kind = 'answer' and status <> 'sent'`.execute(transaction);
}

/** The message that holds the honest sentence is the placeholder again, and what was recorded of the sentence goes. */
async function forgetApology(transaction: Transaction<Database>, id: number): Promise<void> {
  await sql`
    update konstruct.deliveries p
    set status = 'sent', external_id = a.external_id, sent_at = coalesce(p.sent_at, a.sent_at)
    from konstruct.deliveries a
    where p.turn_id = ${id} and p.kind = 'placeholder' and p.position = 0
      and a.tenant_id = p.tenant_id and a.turn_id = p.turn_id and a.kind = 'answer' and a.position = 0
      and a.external_id is not null`.execute(transaction);
  await sql`delete from konstruct.deliveries where turn_id = ${id} and kind = 'answer'`.execute(transaction);
  await sql`delete from konstruct.messages where turn_id = ${id} and direction = 'out'`.execute(transaction);
}
