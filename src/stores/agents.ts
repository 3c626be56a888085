import { sql, type Transaction } from 'kysely';
import type { Agent } from '../core/tenant.ts';
import type { Database } from '../db/schema.ts';

/** The agents of the transaction's tenant, by slug. */
export async function listAgents(transaction: Transaction<Database>): Promise<readonly Agent[]> {
  const rows = await transaction
    .selectFrom('agents')
    .select([
      'tenant_id',
      'id',
      'slug',
      'name',
      'role',
      'persona',
      'instructions',
      'route',
      'placeholder',
      'tools',
    ])
    .orderBy('slug')
    .execute();
  return rows.map(({ tenant_id, ...agent }) => ({ tenantId: tenant_id, ...agent }));
}

export async function insertAgents(
  transaction: Transaction<Database>,
  agents: readonly Agent[],
): Promise<void> {
  if (agents.length === 0) return;
  const rows = agents.map(({ tenantId, ...agent }) => ({
    tenant_id: tenantId,
    ...agent,
    tools: arrayOf(agent.tools),
  }));
  await transaction.insertInto('agents').values(rows).execute();
}

export async function updateAgent(
  transaction: Transaction<Database>,
  { tenantId, id, tools, ...fields }: Agent,
): Promise<void> {
  await transaction
    .updateTable('agents')
    .set({ ...fields, tools: arrayOf(tools), updated_at: sql`now()` })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .execute();
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
