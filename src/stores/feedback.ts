import { sql, type Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';

/** An answer that people did not like. */
export interface DislikedAnswer {
  readonly turn: number;
  readonly conversation: number;
  readonly channel: string;
  /** The platform's ids of the channel and of the message that carries the answer. */
  readonly channelId: string;
  readonly messageId: string | null;
  /** Slug of the agent; `null`: it was removed. */
  readonly agent: string | null;
  /** Provider and model that answered; `null`: none did (an apology). */
  readonly model: string | null;
  readonly up: number;
  readonly down: number;
  /** When the newest of the 👎 was given. */
  readonly givenAt: Date;
  /** What was asked and answered, where that is wanted; `null`: retention has removed it. */
  readonly question?: string | null;
  readonly answer?: string | null;
}

export interface FeedbackSum {
  readonly up: number;
  readonly down: number;
}

interface FeedbackSpan {
  /** A day of the tenant's time zone, `2026-11-23`; `null`: from the beginning. */
  readonly since: string | null;
}

/** How many 👍 and 👎 people of the transaction's tenant have given. */
export async function sumFeedback(
  transaction: Transaction<Database>,
  { since }: FeedbackSpan,
): Promise<FeedbackSum> {
  const { rows } = await sql<FeedbackSum>`
    select (count(*) filter (where f.verdict = 'up'))::int as up,
      (count(*) filter (where f.verdict = 'down'))::int as down
    from konstruct.tenants t
    join konstruct.feedback f on f.tenant_id = t.id and f.verdict is not null
    where ${since}::date is null or f.given_at >= ${since}::date::timestamp at time zone t.time_zone`.execute(
    transaction,
  );
  return rows[0] ?? { up: 0, down: 0 };
}

/** The answers of the transaction's tenant that got a 👎, newest first. Texts only where they are asked for. */
export async function readDislikedAnswers(
  transaction: Transaction<Database>,
  { since, limit, withText }: FeedbackSpan & { readonly limit: number; readonly withText: boolean },
): Promise<readonly DislikedAnswer[]> {
  const { rows } = await sql<DislikedAnswer & { readonly turn: string; readonly conversation: string }>`
    with disliked as (
      select f.tenant_id, f.turn_id, max(f.given_at) as given_at, count(*)::int as down
      from konstruct.tenants t
      join konstruct.feedback f on f.tenant_id = t.id and f.verdict = 'down'
      where ${since}::date is null or f.given_at >= ${since}::date::timestamp at time zone t.time_zone
      group by 1, 2
      order by 3 desc
      limit ${limit}
    )
    select d.turn_id as turn, c.id as conversation, k.channel, c.channel_id as "channelId",
      said.external_id as "messageId", a.slug as agent, step.model, d.down, d.given_at as "givenAt",
      (select count(*)::int from konstruct.feedback u
       where u.tenant_id = d.tenant_id and u.turn_id = d.turn_id and u.verdict = 'up') as up,
      case when ${withText} then (
        select string_agg(m.content, e'\n\n' order by m.sent_at, m.id) from konstruct.messages m
        where m.tenant_id = d.tenant_id and m.turn_id = d.turn_id and m.direction = 'in' and m.deleted_at is null
      ) end as question,
      case when ${withText} then said.content end as answer
    from disliked d
    join konstruct.turns t on t.tenant_id = d.tenant_id and t.id = d.turn_id
    join konstruct.conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
    join konstruct.connections k on k.tenant_id = c.tenant_id and k.id = c.connection_id
    left join konstruct.agents a on a.tenant_id = t.tenant_id and a.id = t.agent_id
    left join lateral (
      select m.external_id, m.content from konstruct.messages m
      where m.tenant_id = d.tenant_id and m.turn_id = d.turn_id and m.direction = 'out'
      limit 1) said on true
    left join lateral (
      select s.provider || ' ' || s.model as model from konstruct.steps s
      where s.tenant_id = d.tenant_id and s.turn_id = d.turn_id and s.kind = 'model' and s.outcome in ('stop', 'length', 'refused')
      order by s.position desc limit 1) step on true
    order by d.given_at desc, d.turn_id desc`.execute(transaction);
  return rows.map(({ question, answer, ...row }) => ({
    ...row,
    turn: Number(row.turn),
    conversation: Number(row.conversation),
    ...(withText ? { question: question ?? null, answer: answer ?? null } : {}),
  }));
}
