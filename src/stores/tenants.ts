import { type Kysely, sql, type Transaction } from 'kysely';
import type { Tenant } from '../core/tenant.ts';
import type { Database } from '../db/schema.ts';

/** What a tenant may spend on models; `null`: no limit. */
export interface Budget {
  readonly dailyUsd: number | null;
  readonly monthlyUsd: number | null;
}

export interface BudgetedTenant extends Tenant {
  readonly budget: Budget;
  /** Turns at a time over all workers; `null`: what the installation says; absent: as it is. */
  readonly maxConcurrentTurns?: number | null;
}

/** All tenants of the installation, by slug. For operators: it looks across tenants. */
export async function listTenants(database: Kysely<Database>): Promise<readonly Tenant[]> {
  const { rows } = await sql<Tenant>`select id, slug, name from konstruct.list_tenants()`.execute(database);
  return rows;
}

/** The tenant of this transaction; `null` when it does not exist. */
export async function findTenant(transaction: Transaction<Database>): Promise<BudgetedTenant | null> {
  const row = await transaction
    .selectFrom('tenants')
    .select(['id', 'slug', 'name', 'budget_daily_usd', 'budget_monthly_usd', 'max_concurrent_turns'])
    .executeTakeFirst();
  if (!row) return null;
  const { id, slug, name } = row;
  return {
    id,
    slug,
    name,
    budget: { dailyUsd: toUsd(row.budget_daily_usd), monthlyUsd: toUsd(row.budget_monthly_usd) },
    maxConcurrentTurns: row.max_concurrent_turns,
  };
}

export async function insertTenant(
  transaction: Transaction<Database>,
  tenant: BudgetedTenant,
): Promise<void> {
  await transaction
    .insertInto('tenants')
    .values({
      id: tenant.id,
      slug: tenant.slug,
      name: tenant.name,
      budget_daily_usd: tenant.budget.dailyUsd,
      budget_monthly_usd: tenant.budget.monthlyUsd,
      max_concurrent_turns: tenant.maxConcurrentTurns ?? null,
    })
    .execute();
}

export async function updateTenant(
  transaction: Transaction<Database>,
  tenant: BudgetedTenant,
): Promise<void> {
  await transaction
    .updateTable('tenants')
    .set({
      slug: tenant.slug,
      name: tenant.name,
      budget_daily_usd: tenant.budget.dailyUsd,
      budget_monthly_usd: tenant.budget.monthlyUsd,
      ...(tenant.maxConcurrentTurns === undefined ? {} : { max_concurrent_turns: tenant.maxConcurrentTurns }),
      updated_at: sql`now()`,
    })
    .where('id', '=', tenant.id)
    .execute();
}

/** Removes the tenant with all that belongs to it: agents, connections, conversations and their messages. */
export async function deleteTenant(transaction: Transaction<Database>, tenantId: string): Promise<void> {
  await transaction.deleteFrom('tenants').where('id', '=', tenantId).execute();
}

function toUsd(value: string | null): number | null {
  return value === null ? null : Number(value);
}
