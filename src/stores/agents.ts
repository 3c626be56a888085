import { sql, type Transaction } from 'kysely';
import { type Agent, type Budget, noBudget, type TurnLimits, turnLimitDefaults } from '../core/tenant.ts';
import type { Database } from '../db/schema.ts';
import { toBudget, toBudgetColumns, toNumber } from './budget-columns.ts';

/** An agent with what it may spend. */
export interface BudgetedAgent extends Agent {
  readonly limits: Required<TurnLimits>;
  readonly budget: Budget;
}

/** The agents of the transaction's tenant, by slug. */
export async function listAgents(transaction: Transaction<Database>): Promise<readonly BudgetedAgent[]> {
  const rows = await transaction.selectFrom('agents').selectAll().orderBy('slug').execute();
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    id: row.id,
    slug: row.slug,
    name: row.name,
    role: row.role,
    persona: row.persona,
    instructions: row.instructions,
    route: row.route,
    placeholder: row.placeholder,
    icon: row.icon,
    busyMode: row.busy_mode,
    tools: row.tools,
    limits: {
      maxSteps: row.max_steps,
      maxToolCalls: row.max_tool_calls,
      maxTurnSeconds: row.max_turn_seconds,
      maxTurnUsd: toNumber(row.max_turn_usd),
    },
    budget: toBudget(row),
  }));
}

export async function insertAgents(
  transaction: Transaction<Database>,
  agents: readonly Agent[],
): Promise<void> {
  if (agents.length === 0) return;
  const rows = agents.map((agent) => ({ tenant_id: agent.tenantId, id: agent.id, ...columnsOf(agent) }));
  await transaction.insertInto('agents').values(rows).execute();
}

export async function updateAgent(transaction: Transaction<Database>, agent: Agent): Promise<void> {
  await transaction
    .updateTable('agents')
    .set({ ...columnsOf(agent), updated_at: sql`now()` })
    .where('tenant_id', '=', agent.tenantId)
    .where('id', '=', agent.id)
    .execute();
}

function columnsOf({ slug, name, role, persona, instructions, route, placeholder, ...agent }: Agent) {
  const limits = { ...turnLimitDefaults, ...agent.limits };
  return {
    slug,
    name,
    role,
    persona,
    instructions,
    route,
    placeholder,
    icon: agent.icon ?? null,
    busy_mode: agent.busyMode,
    tools: arrayOf(agent.tools),
    max_steps: limits.maxSteps,
    max_tool_calls: limits.maxToolCalls,
    max_turn_seconds: limits.maxTurnSeconds,
    max_turn_usd: limits.maxTurnUsd,
    ...toBudgetColumns(agent.budget ?? noBudget),
  };
}

/**
 * Removes an agent that no connection names any more. What it answered stays; turns of it that are under way go on
 * with the agent that the connection names now.
 *
 * The row is locked first: a worker that starts a turn for it meanwhile waits, fails on the foreign key and tries again.
 */
export async function deleteAgent(
  transaction: Transaction<Database>,
  { tenantId, id }: Pick<Agent, 'tenantId' | 'id'>,
): Promise<void> {
  await sql`
    select 1 from konstruct.agents where tenant_id = ${tenantId} and id = ${id} for update`.execute(
    transaction,
  );
  await sql`
    update konstruct.turns t
    set agent_id = k.agent_id
    from konstruct.conversations c
    join konstruct.connections k on k.tenant_id = c.tenant_id and k.id = c.connection_id
    where t.tenant_id = ${tenantId} and t.agent_id = ${id} and t.status in ('running', 'committed')
      and c.tenant_id = t.tenant_id and c.id = t.conversation_id`.execute(transaction);
  await transaction.deleteFrom('agents').where('tenant_id', '=', tenantId).where('id', '=', id).execute();
}

/** The driver takes an array that may be changed. */
function arrayOf(names: readonly string[] | null | undefined): string[] | null {
  return names == null ? null : [...names];
}
