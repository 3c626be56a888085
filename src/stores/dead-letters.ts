import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';

/** Names a dead letter among all tenants. */
export interface DeadLetterKey {
  readonly tenantId: string;
  readonly id: number;
}

/** A turn that was given up: why, where, and what its person knows of it. Never the text of a message. */
export interface DeadLetter {
  readonly id: number;
  readonly tenant: string;
  /** `null`: the agent was removed. */
  readonly agent: string | null;
  readonly channel: string;
  /** The platform's id of the installation (Slack: the workspace). */
  readonly connection: string;
  readonly connectionStatus: 'active' | 'disabled';
  readonly channelId: string;
  /** The thread the answer belongs into; `null`: none. */
  readonly threadId: string | null;
  readonly status: 'dead' | 'discarded';
  /** A code of `errorTable`. */
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>> | null;
  readonly startedAt: Date;
  readonly diedAt: Date;
  /** Calls of the model, over all attempts. */
  readonly modelCalls: number;
  /** What these took together, in ms. */
  readonly modelMs: number;
  /** Failed attempts of the part that failed: to get an answer or, where it is stored, to deliver it. */
  readonly attempts: number;
  /** The answer is known; only its delivery failed. */
  readonly answerStored: boolean;
  /** Whether the thread says that there will be no answer; `null`: unknown. */
  readonly told: boolean | null;
}

/**
 * Whether what a turn committed is an answer. Otherwise it is the sentence that there is none, and the last step is the
 * model call that failed; without any step nothing was left to ask, and the sentence about that is the answer.
 */
export const answerStored: RawBuilder<boolean> = sql`(t.committed_at is not null and coalesce((
  select s.outcome in ('stop', 'length', 'refused') from konstruct.steps s
  where s.tenant_id = t.tenant_id and s.turn_id = t.id order by s.position desc limit 1), true))`;

/** The newest dead letters, newest first. For operators: looks across tenants unless `tenantId` names one. */
export async function listDeadLetterKeys(
  database: Kysely<Database>,
  options: { readonly tenantId: string | null; readonly discarded: boolean; readonly limit: number },
): Promise<readonly DeadLetterKey[]> {
  const { rows } = await sql<{ tenant_id: string; id: string }>`
    select tenant_id, id
    from konstruct.list_dead_letters(${options.tenantId}, ${options.discarded}, ${options.limit})`.execute(
    database,
  );
  return rows.map(({ tenant_id, id }) => ({ tenantId: tenant_id, id: Number(id) }));
}

/** How many dead letters there are, and how many of them are newer than `since`. Looks across tenants. */
export async function countDeadLetters(
  database: Kysely<Database>,
  since: Date,
): Promise<{ readonly total: number; readonly recent: number }> {
  const { rows } = await sql<{ total: string; recent: string }>`
    select total, recent from konstruct.count_dead_letters(${since})`.execute(database);
  return { total: Number(rows[0]?.total), recent: Number(rows[0]?.recent) };
}

/** To whom a turn belongs; `null`: there is none. Looks across tenants. */
export async function findTurnTenant(database: Kysely<Database>, id: number): Promise<string | null> {
  const { rows } = await sql<{ tenant_id: string | null }>`
    select konstruct.find_turn_tenant(${id}) as tenant_id`.execute(database);
  return rows[0]?.tenant_id ?? null;
}

/** Those of these turns of the transaction's tenant that are dead letters, in no order. */
export async function readDeadLetters(
  transaction: Transaction<Database>,
  ids: readonly number[],
): Promise<readonly DeadLetter[]> {
  const { rows } = await sql<Omit<DeadLetter, 'id'> & { id: string }>`
    select t.id, n.slug as tenant, a.slug as agent, k.channel, k.external_id as connection,
      k.status as "connectionStatus", c.channel_id as "channelId",
      coalesce(t.reply_thread_id, nullif(c.thread_id, '')) as "threadId", t.status,
      coalesce(t.error_code, 'internal') as reason, t.error_details as details,
      t.started_at as "startedAt", t.finished_at as "diedAt", work.calls as "modelCalls", work.ms as "modelMs",
      t.attempts, ${answerStored} as "answerStored",
      case
        when t.told_at is not null then true
        when ${answerStored} then case when answer.parts > 0 then false end
        when answer.parts > 0 then answer.sent > 0
      end as told
    from konstruct.turns t
    join konstruct.tenants n on n.id = t.tenant_id
    join konstruct.conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
    join konstruct.connections k on k.tenant_id = c.tenant_id and k.id = c.connection_id
    left join konstruct.agents a on a.tenant_id = t.tenant_id and a.id = t.agent_id
    cross join lateral (
      select count(*)::integer as calls, coalesce(sum(s.duration_ms), 0)::integer as ms
      from konstruct.steps s where s.tenant_id = t.tenant_id and s.turn_id = t.id and s.kind = 'model'
    ) work
    cross join lateral (
      select count(*)::integer as parts, (count(*) filter (where d.status = 'sent'))::integer as sent
      from konstruct.deliveries d
      where d.tenant_id = t.tenant_id and d.turn_id = t.id and d.kind = 'answer'
    ) answer
    where t.id = any(${ids}::bigint[]) and t.status in ('dead', 'discarded')`.execute(transaction);
  return rows.map((row) => ({ ...row, id: Number(row.id) }));
}
