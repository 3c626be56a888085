import { type RawBuilder, sql, type Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';

/** By what usage is told apart. */
export const usageGroups = ['agent', 'model', 'person', 'day'] as const;
export type UsageGroup = (typeof usageGroups)[number];

/** What calls to models came to. */
export interface Usage {
  /** Slug of the agent (its id when it was removed), model, person or day; `null`: nobody's, or the total. */
  readonly key: string | null;
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
  /** 1e-9 US dollars. */
  readonly nanoUsd: number;
  /** Calls whose price is not known: they are not in `nanoUsd`. */
  readonly unpricedCalls: number;
  /** Calls of which something was not reported, so that the most it can have been was counted. */
  readonly estimatedCalls: number;
}

/** Days of the tenant's time zone, `2026-11-23`, both included; `null`: from the beginning, until now. */
export interface UsageSpan {
  readonly from: string | null;
  readonly to: string | null;
}

/** A budget of the running period: what is spent and what is set aside, in 1e-9 US dollars or tokens. */
export interface BudgetUsage {
  readonly scope: string;
  /** Slug of the agent, or the person; empty for the tenant. */
  readonly subject: string;
  readonly period: string;
  readonly unit: 'usd' | 'tokens';
  readonly limit: number;
  readonly spent: number;
  readonly reserved: number;
  readonly endsAt: Date;
}

const groupKeys: Readonly<Record<UsageGroup, RawBuilder<string | null>>> = {
  agent: sql`coalesce(a.slug, m.agent_id::text)`,
  model: sql`m.provider || ' ' || m.model`,
  person: sql`m.person_id`,
  day: sql`to_char(m.at at time zone t.time_zone, 'YYYY-MM-DD')`,
};

/** What the ledger of the transaction's tenant says, the dearest first; days in their order. */
export async function readUsage(
  transaction: Transaction<Database>,
  group: UsageGroup | null,
  span: UsageSpan,
): Promise<readonly Usage[]> {
  const key = group === null ? sql`null::text` : groupKeys[group];
  const order = group === 'day' ? sql`1` : sql`coalesce(sum(m.nano_usd), 0) desc, count(*) desc, 1`;
  const { rows } = await sql<Record<keyof Usage, string | null>>`
    select ${key} as key, count(*) as calls,
      coalesce(sum(m.input_tokens), 0) as "inputTokens", coalesce(sum(m.output_tokens), 0) as "outputTokens",
      coalesce(sum(m.cached_input_tokens), 0) as "cachedInputTokens",
      coalesce(sum(m.cache_write_tokens), 0) as "cacheWriteTokens",
      coalesce(sum(m.reasoning_tokens), 0) as "reasoningTokens",
      coalesce(sum(m.nano_usd), 0) as "nanoUsd", count(*) filter (where m.nano_usd is null) as "unpricedCalls",
      count(*) filter (where m.is_estimated) as "estimatedCalls"
    from konstruct.tenants t
    join konstruct.model_calls m on m.tenant_id = t.id
    left join konstruct.agents a on a.tenant_id = m.tenant_id and a.id = m.agent_id
    where (${span.from}::date is null or m.at >= ${span.from}::date::timestamp at time zone t.time_zone)
      and (${span.to}::date is null or m.at < (${span.to}::date + 1)::timestamp at time zone t.time_zone)
    group by 1
    order by ${order}`.execute(transaction);
  return rows.map(({ key, ...sums }) => {
    const numbers = Object.fromEntries(Object.entries(sums).map(([name, value]) => [name, Number(value)]));
    return { key, ...numbers } as unknown as Usage;
  });
}

/** The first day of this month by the tenant's clock, `2026-11-01`. */
export async function firstOfMonth(transaction: Transaction<Database>): Promise<string> {
  const { rows } = await sql<{ day: string }>`
    select to_char(date_trunc('month', now() at time zone t.time_zone), 'YYYY-MM-DD') as day
    from konstruct.tenants t`.execute(transaction);
  return rows[0]?.day ?? '1970-01-01';
}

/** Budgets that something was asked of in the running periods, those with the largest share spent first. */
export async function readBudgetUsage(transaction: Transaction<Database>): Promise<readonly BudgetUsage[]> {
  const { rows } = await sql<{
    scope: string;
    subject: string;
    period: string;
    unit: 'usd' | 'tokens';
    amount: string;
    spent: string;
    reserved: string;
    ends_at: Date;
  }>`
    select c.scope, coalesce(a.slug, c.subject) as subject, c.period, u.unit, u.amount, u.spent, u.reserved, c.ends_at
    from konstruct.budget_counters c
    left join konstruct.agents a on c.scope = 'agent' and a.tenant_id = c.tenant_id and a.id::text = c.subject
    cross join lateral konstruct.budget_limits(c.tenant_id, a.id, case c.scope when 'person' then c.subject end, null,
      now()) l
    cross join lateral (values ('usd', l.nano_usd_limit, c.spent_nano_usd, c.reserved_nano_usd),
      ('tokens', l.tokens_limit, c.spent_tokens, c.reserved_tokens)) u (unit, amount, spent, reserved)
    where l.scope = c.scope and l.subject = c.subject and l.period = c.period and l.starts_at = c.starts_at
      and u.amount is not null
    order by u.spent::numeric / greatest(u.amount, 1) desc, c.scope, c.subject, c.period, u.unit
    limit 50`.execute(transaction);
  return rows.map(({ amount, spent, reserved, ends_at, ...row }) => ({
    ...row,
    limit: Number(amount),
    spent: Number(spent),
    reserved: Number(reserved),
    endsAt: ends_at,
  }));
}
