import type { Kysely, Transaction } from 'kysely';
import type { Cipher } from '../core/cipher.ts';
import { KonstructError } from '../core/errors.ts';
import { mapConcurrently } from '../core/map-concurrently.ts';
import { errorCode, isTransient, translateDatabaseError } from '../db/pool.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';
import { deleteAgent, insertAgents, updateAgent } from '../stores/agents.ts';
import {
  deleteConnection,
  insertConnections,
  replaceCredentials,
  updateConnection,
} from '../stores/connections.ts';
import { replaceModelKeys } from '../stores/model-keys.ts';
import { deleteRoute, putRoute } from '../stores/routes.ts';
import { deleteTenant, insertTenant, updateTenant } from '../stores/tenants.ts';
import type { Plan, TenantUpsert } from './plan.ts';
import { connectionName } from './plan-tenant.ts';
import { TENANTS_AT_ONCE } from './read-installation.ts';

const UNIQUE_VIOLATION = '23505';
/** What a check of the column says of a name that the server's list of time zones does not have. */
const INVALID_PARAMETER = '22023';
const ATTEMPTS = 3;

/**
 * Does what the plan says: one transaction per tenant, several tenants at a time. When one fails, what is done stays
 * done, and applying the file again goes on from there.
 *
 * @throws KonstructError `config_invalid` when somebody else took an installation since the plan was made;
 *   `database_unavailable`, `disk_full`
 */
export async function executePlan(database: Kysely<Database>, cipher: Cipher, plan: Plan): Promise<void> {
  for (const route of plan.routes.put) await putRoute(database, cipher, route);
  // What gives up installations goes first: they may move to another tenant.
  await mapConcurrently(
    plan.tenants.filter(({ action }) => action === 'remove'),
    TENANTS_AT_ONCE,
    ({ tenant }) => inTenant(database, tenant.id, (transaction) => deleteTenant(transaction, tenant.id)),
  );
  const upserts = plan.tenants.filter((each) => each.action !== 'remove').filter(hasWork);
  const moving = movingConnections(upserts);
  await mapConcurrently(
    upserts.filter(({ connections }) => connections.remove.some((each) => moving.has(connectionName(each)))),
    TENANTS_AT_ONCE,
    (upsert) => inTenant(database, upsert.tenant.id, (transaction) => removeConnections(transaction, upsert)),
  );
  await mapConcurrently(upserts, TENANTS_AT_ONCE, (upsert) =>
    inTenant(database, upsert.tenant.id, (transaction) => executeUpsert(transaction, cipher, upsert)),
  );
  for (const name of plan.routes.remove) await deleteRoute(database, name);
}

async function executeUpsert(
  transaction: Transaction<Database>,
  cipher: Cipher,
  upsert: TenantUpsert,
): Promise<void> {
  const { tenant, agents, connections } = upsert;
  if (upsert.action === 'create') await insertTenant(transaction, tenant);
  else if (upsert.tenantChanged) await updateTenant(transaction, tenant);
  await insertAgents(transaction, agents.create);
  for (const agent of agents.update) await updateAgent(transaction, agent);
  await removeConnections(transaction, upsert);
  await insertConnections(transaction, cipher, connections.create);
  for (const connection of connections.update) await updateConnection(transaction, connection);
  for (const { connection, credentials } of connections.replaceCredentials) {
    await replaceCredentials(transaction, cipher, connection, credentials);
  }
  if (upsert.modelKeys !== null) await replaceModelKeys(transaction, cipher, tenant.id, upsert.modelKeys);
  // Last: until here connections named them.
  for (const agent of agents.remove) await deleteAgent(transaction, agent);
}

async function removeConnections(
  transaction: Transaction<Database>,
  { connections }: TenantUpsert,
): Promise<void> {
  for (const connection of connections.remove) await deleteConnection(transaction, connection);
}

function hasWork({ action, tenantChanged, agents, connections, modelKeys }: TenantUpsert): boolean {
  const lists = [...Object.values(agents), ...Object.values(connections)];
  return action === 'create' || tenantChanged || modelKeys !== null || lists.some((list) => list.length > 0);
}

function movingConnections(upserts: readonly TenantUpsert[]): ReadonlySet<string> {
  return new Set(upserts.flatMap(({ connections }) => connections.create.map(connectionName)));
}

async function inTenant(
  database: Kysely<Database>,
  tenantId: string,
  work: (transaction: Transaction<Database>) => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await withTenant(database, tenantId, work);
    } catch (error) {
      if (isTransient(error) && attempt < ATTEMPTS) continue;
      throw describeFailure(error);
    }
  }
}

function describeFailure(error: unknown): unknown {
  const constraint = (error as { constraint?: string }).constraint ?? '';
  if (errorCode(error) === INVALID_PARAMETER) {
    return new KonstructError(
      'config_invalid',
      'The database does not know the time zone of a tenant; write it as `select name from pg_timezone_names` has it.',
    );
  }
  if (errorCode(error) !== UNIQUE_VIOLATION) return translateDatabaseError(error);
  const what = constraint.startsWith('connections_')
    ? 'A connection of the file was taken by another tenant'
    : 'Somebody else changed the same tenant';
  return new KonstructError('config_invalid', `${what} while the file was being applied; apply it again.`, {
    details: { constraint },
  });
}
