import { randomUUID } from 'node:crypto';
import type { PipelineDatabase } from './pipeline-database.ts';
import type { SeededTenant } from './seed-tenants.ts';

/** A tenant with at least one row in every table. */
export interface TenantWithRows extends SeededTenant {
  readonly conversationId: string;
  readonly turnId: string;
}

type Row = Readonly<Record<string, unknown>>;

/**
 * A row of each tenant table that may be inserted as it stands: new keys, and references to the tenant's own rows. A
 * new table needs a line here, or the tests of tenancy fail.
 */
export const newRows: Readonly<Record<string, (tenant: TenantWithRows) => Row>> = {
  tenants: () => ({ id: randomUUID(), slug: `t-${randomUUID()}`, name: 'Tenant' }),
  agents: (t) => ({ tenant_id: t.tenantId, slug: `a-${randomUUID()}`, name: 'Agent' }),
  connections: (t) => ({
    tenant_id: t.tenantId,
    agent_id: t.agentId,
    channel: 'slack',
    external_id: randomUUID(),
    credentials: Buffer.from('x'),
  }),
  conversations: (t) => ({
    tenant_id: t.tenantId,
    connection_id: t.connectionId,
    channel_id: 'C1',
    thread_id: randomUUID(),
    scope: 'channel',
  }),
  turns: (t) => ({ tenant_id: t.tenantId, conversation_id: t.conversationId, agent_id: t.agentId }),
  messages: (t) => ({
    tenant_id: t.tenantId,
    conversation_id: t.conversationId,
    connection_id: t.connectionId,
    channel_id: 'C1',
    external_id: randomUUID(),
    direction: 'in',
    sender_id: 'U1',
    content: 'private',
    addressed: true,
    turn_id: t.turnId,
    sent_at: new Date(),
  }),
  steps: (t) => ({
    tenant_id: t.tenantId,
    turn_id: t.turnId,
    position: Math.floor(Math.random() * 2 ** 31),
    kind: 'model',
    outcome: 'stop',
    started_at: new Date(),
    duration_ms: 1,
  }),
  deliveries: (t) => ({
    tenant_id: t.tenantId,
    connection_id: t.connectionId,
    turn_id: t.turnId,
    kind: 'answer',
    position: Math.floor(Math.random() * 2 ** 31),
    channel_id: 'C1',
  }),
  early_signals: (t) => ({
    tenant_id: t.tenantId,
    connection_id: t.connectionId,
    channel_id: 'C1',
    external_id: randomUUID(),
    deleted_at: new Date(),
  }),
  feedback: (t) => ({ tenant_id: t.tenantId, turn_id: t.turnId, person_id: randomUUID(), verdict: 'up' }),
  answer_parts: (t) => ({
    tenant_id: t.tenantId,
    connection_id: t.connectionId,
    channel_id: 'C1',
    external_id: randomUUID(),
    turn_id: t.turnId,
  }),
  model_keys: (t) => ({ tenant_id: t.tenantId, provider: `p-${randomUUID()}`, keys: Buffer.from('x') }),
  backlogs: (t) => ({ tenant_id: t.tenantId }),
  model_calls: (t) => ({
    tenant_id: t.tenantId,
    id: randomUUID(),
    provider: 'demo',
    model: 'demo',
    outcome: 'ok',
    is_estimated: false,
    at: new Date(),
  }),
  budget_reservations: (t) => ({
    tenant_id: t.tenantId,
    id: randomUUID(),
    owner: 'nobody',
    provider: 'demo',
    model: 'demo',
    input_tokens: 1,
    output_tokens: 1,
    at: new Date(),
    lease_until: new Date(),
  }),
  budget_counters: (t) => ({
    tenant_id: t.tenantId,
    scope: 'person',
    subject: randomUUID(),
    period: 'day',
    starts_at: new Date(),
    ends_at: new Date(),
  }),
  operator_notices: (t) => ({
    tenant_id: t.tenantId,
    kind: 'budget_threshold',
    dedupe_key: randomUUID(),
    detail: {},
  }),
  rate_buckets: (t) => ({ tenant_id: t.tenantId, key: randomUUID(), tokens: 1, refilled_at: new Date() }),
};

export function insertion(table: string, row: Row): { readonly text: string; readonly values: unknown[] } {
  const columns = Object.keys(row);
  const marks = columns.map((_, index) => `$${index + 1}`);
  return {
    text: `insert into konstruct.${table} (${columns.join(', ')}) values (${marks.join(', ')})`,
    values: Object.values(row),
  };
}

/** Gives a seeded tenant a row in every table. */
export async function addRows(database: PipelineDatabase, tenant: SeededTenant): Promise<TenantWithRows> {
  const scope = { ...tenant, conversationId: '', turnId: '' };
  const insert = async (table: string, row: Row): Promise<string> => {
    const { text, values } = insertion(table, row);
    const [inserted] = await database.query<{ id: string }>(`${text} returning *`, values);
    return inserted?.id ?? '';
  };
  scope.conversationId = await insert('conversations', newRows.conversations?.(scope) ?? {});
  scope.turnId = await insert('turns', newRows.turns?.(scope) ?? {});
  for (const [table, row] of Object.entries(newRows)) {
    if (!['tenants', 'conversations', 'turns'].includes(table)) await insert(table, row(scope));
  }
  return scope;
}
