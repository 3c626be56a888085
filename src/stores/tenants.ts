import { type Kysely, sql, type Transaction } from 'kysely';
import type { Budget, Tenant } from '../core/tenant.ts';
import type { Database } from '../db/schema.ts';
import { toBudget, toBudgetColumns } from './budget-columns.ts';

/** A tenant with what may be spent on models. */
export interface BudgetedTenant extends Tenant {
  /** IANA name; days and months of budgets begin by its clock. */
  readonly timeZone: string;
  readonly budget: Budget;
  /** Turns at a time over all workers; `null`: what the installation says; absent: as it is. */
  readonly maxConcurrentTurns?: number | null;
  /** For each person who writes to the tenant's agents. */
  readonly personBudget: Budget;
}

/** All tenants of the installation, by slug. For operators: it looks across tenants. */
export async function listTenants(database: Kysely<Database>): Promise<readonly Tenant[]> {
  const { rows } = await sql<Tenant>`select id, slug, name from konstruct.list_tenants()`.execute(database);
  return rows;
}

/** The tenant of this transaction; `null` when it does not exist. */
export async function findTenant(transaction: Transaction<Database>): Promise<BudgetedTenant | null> {
  const row = await transaction.selectFrom('tenants').selectAll().executeTakeFirst();
  if (!row) return null;
  const { id, slug, name, time_zone: timeZone } = row;
  const personBudget = toBudget({
    budget_daily_usd: row.person_budget_daily_usd,
    budget_monthly_usd: row.person_budget_monthly_usd,
    budget_daily_tokens: row.person_budget_daily_tokens,
    budget_monthly_tokens: row.person_budget_monthly_tokens,
  });
  const maxConcurrentTurns = row.max_concurrent_turns;
  return { id, slug, name, timeZone, budget: toBudget(row), personBudget, maxConcurrentTurns };
}

export async function insertTenant(
  transaction: Transaction<Database>,
  tenant: BudgetedTenant,
): Promise<void> {
  await transaction
    .insertInto('tenants')
    .values({ id: tenant.id, ...columnsOf(tenant) })
    .execute();
}

export async function updateTenant(
  transaction: Transaction<Database>,
  tenant: BudgetedTenant,
): Promise<void> {
  await transaction
    .updateTable('tenants')
    .set({ ...columnsOf(tenant), updated_at: sql`now()` })
    .where('id', '=', tenant.id)
    .execute();
}

/** Removes the tenant with all that belongs to it: agents, connections, conversations and their messages. */
export async function deleteTenant(transaction: Transaction<Database>, tenantId: string): Promise<void> {
  await transaction.deleteFrom('tenants').where('id', '=', tenantId).execute();
}

function columnsOf(tenant: BudgetedTenant) {
  const { slug, name, timeZone, budget, personBudget, maxConcurrentTurns } = tenant;
  return {
    slug,
    name,
    time_zone: timeZone,
    ...toBudgetColumns(budget),
    person_budget_daily_usd: personBudget.dailyUsd,
    person_budget_monthly_usd: personBudget.monthlyUsd,
    person_budget_daily_tokens: personBudget.dailyTokens,
    person_budget_monthly_tokens: personBudget.monthlyTokens,
    ...(maxConcurrentTurns === undefined ? {} : { max_concurrent_turns: maxConcurrentTurns }),
  };
}
