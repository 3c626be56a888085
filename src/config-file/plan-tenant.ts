import { isDeepStrictEqual } from 'node:util';
import type { Cipher } from '../core/cipher.ts';
import { isKonstructError } from '../core/errors.ts';
import type { TenantModelKeys } from '../core/model.ts';
import type { Agent, Connection, Credentials } from '../core/tenant.ts';
import type { BudgetedAgent } from '../stores/agents.ts';
import { openCredentials, type StoredConnection } from '../stores/connections.ts';
import { openModelKeys } from '../stores/model-keys.ts';
import type { BudgetedTenant } from '../stores/tenants.ts';
import { compareFields } from './compare-fields.ts';
import type { AgentSpec, ConnectionSpec, TenantSpec } from './config-file.ts';
import type { Change, FieldChange, TenantUpsert } from './plan.ts';
import type { TenantState } from './read-installation.ts';

export interface TenantPlanning {
  readonly plan: TenantUpsert;
  readonly changes: readonly Change[];
  readonly unchanged: number;
  readonly warnings: readonly string[];
}

export interface TenantPlanOptions {
  readonly cipher: Cipher;
  /** Whether agents and connections that the file does not have are removed. */
  readonly prune: boolean;
  readonly newId: () => string;
}

/**
 * Compares what the file says of a tenant with what the database has.
 *
 * @param spec every agent named by its connections exists, in the file or in `state`
 */
export function planTenant(
  spec: TenantSpec,
  state: TenantState | null,
  options: TenantPlanOptions,
): TenantPlanning {
  const { prune, newId } = options;
  const tenant = {
    id: state?.tenant.id ?? newId(),
    slug: spec.slug,
    name: spec.name,
    timeZone: spec.timeZone,
    budget: spec.budget,
    maxConcurrentTurns: spec.maxConcurrentTurns,
    personBudget: spec.personBudget,
  };
  const tenantFields = state === null ? [] : compareFields(flatTenant(state.tenant), flatTenant(tenant));
  const noticed = createNotebook(spec.slug);
  noticed.note('tenant', spec.slug, state === null ? null : tenantFields);

  const spared = findSpared(spec.connections, state?.connections ?? [], prune);
  const agents = planAgents(spec.agents, state?.agents ?? [], {
    tenantId: tenant.id,
    newId,
    prune,
    needed: new Set(spared.map(({ agentId }) => agentId)),
  });
  for (const { name, fields } of agents.noted) noticed.note('agent', name, fields);

  const agentIds = new Map((state?.agents ?? []).map(({ slug, id }) => [slug, id]));
  for (const { slug, id } of agents.create) agentIds.set(slug, id);
  const connections = planConnections(spec.connections, state?.connections ?? [], {
    ...options,
    tenantId: tenant.id,
    agentIds,
    spared: new Set(spared.map(connectionName)),
  });
  for (const { name, fields } of connections.noted) noticed.note('connection', name, fields);

  const modelKeys = planModelKeys(options.cipher, spec, state);
  if (spec.keys !== null && (state?.modelKeys.length || Object.keys(spec.keys).length > 0)) {
    noticed.note(
      'model keys',
      Object.keys(spec.keys).join(', ') || 'none',
      modelKeys === null ? [] : [{ field: 'keys' }],
    );
  }

  for (const connection of connections.remove) noticed.remove('connection', connectionName(connection));
  for (const agent of agents.remove) noticed.remove('agent', agent.slug);
  return {
    plan: {
      action: state === null ? 'create' : 'update',
      tenant,
      tenantChanged: tenantFields.length > 0,
      agents: { create: agents.create, update: agents.update, remove: agents.remove },
      connections: {
        create: connections.create,
        update: connections.update,
        replaceCredentials: connections.replaceCredentials,
        remove: connections.remove,
      },
      modelKeys,
    },
    changes: noticed.changes,
    unchanged: noticed.unchanged(),
    warnings: [
      ...connections.disabled.map(
        ({ name, reason }) =>
          `${name} of ${spec.slug} is disabled${reason === null ? ': ' : ` (${reason}): apply new credentials, or `}write \`enabled: true\`.`,
      ),
      ...connections.missing.map(
        (name) =>
          `${name} of ${spec.slug} is not connected yet: install it with a link (\`konstruct install-link\`), or write its credentials.`,
      ),
      ...spared.map(
        (connection) =>
          `${connectionName(connection)} of ${spec.slug} was installed in a browser and is not in the file: it stays until the app is removed there.`,
      ),
    ],
  };
}

/** What is said about one thing: `null` fields mean that it is new. */
interface Noted {
  readonly name: string;
  readonly fields: readonly FieldChange[] | null;
}

/** What people installed in a browser is not for a file that does not know it to remove, unless it is over. */
function findSpared(
  specs: readonly ConnectionSpec[] | null,
  existing: readonly StoredConnection[],
  prune: boolean,
): readonly StoredConnection[] {
  if (!prune || specs === null) return [];
  const named = new Set(specs.map(connectionName));
  return existing.filter(
    (connection) =>
      connection.isInstalled && connection.status === 'active' && !named.has(connectionName(connection)),
  );
}

function planAgents(
  specs: readonly AgentSpec[] | null,
  existing: readonly BudgetedAgent[],
  options: { tenantId: string; newId: () => string; prune: boolean; needed: ReadonlySet<string> },
) {
  const create: Agent[] = [];
  const update: Agent[] = [];
  const noted: Noted[] = [];
  const bySlug = new Map(existing.map((agent) => [agent.slug, agent]));
  for (const spec of specs ?? []) {
    const before = bySlug.get(spec.slug);
    if (!before) {
      create.push({ id: options.newId(), tenantId: options.tenantId, ...spec });
      noted.push({ name: spec.slug, fields: null });
      continue;
    }
    const { id, tenantId } = before;
    const fields = compareFields(flatAgent(before), flatAgent(spec));
    if (fields.length > 0) update.push({ id, tenantId, ...spec });
    noted.push({ name: spec.slug, fields });
  }
  const named = new Set(specs?.map(({ slug }) => slug));
  const remove =
    options.prune && specs !== null
      ? existing.filter(({ slug, id }) => !named.has(slug) && !options.needed.has(id))
      : [];
  return { create, update, remove, noted };
}

function planConnections(
  specs: readonly ConnectionSpec[] | null,
  existing: readonly StoredConnection[],
  options: TenantPlanOptions & {
    tenantId: string;
    agentIds: ReadonlyMap<string, string>;
    /** Names of connections that stay although the file does not have them. */
    spared: ReadonlySet<string>;
  },
) {
  const { cipher, tenantId, agentIds, newId } = options;
  const create: (Connection & { credentials: Credentials })[] = [];
  const update: StoredConnection[] = [];
  const replaceCredentials: { connection: Connection; credentials: Credentials }[] = [];
  const noted: Noted[] = [];
  const disabled: { name: string; reason: string | null }[] = [];
  const missing: string[] = [];
  const byName = new Map(existing.map((connection) => [connectionName(connection), connection]));
  const slugs = new Map([...agentIds].map(([slug, id]) => [id, slug]));
  for (const spec of specs ?? []) {
    const name = connectionName(spec);
    const before = byName.get(name);
    const { channel, externalId, appId, settings, credentials } = spec;
    const agentId = agentIds.get(spec.agent) ?? '';
    if (!before && credentials === null) {
      missing.push(name);
      continue;
    }
    if (!before) {
      const status = spec.enabled === false ? ('disabled' as const) : ('active' as const);
      const base = { id: newId(), tenantId, agentId, channel, externalId, appId, agentUserId: '' };
      create.push({ ...base, status, settings, credentials: credentials ?? {} });
      noted.push({ name, fields: null });
      continue;
    }
    const newCredentials = credentials !== null && !hasCredentials(cipher, before, credentials);
    // New credentials are how a connection that the platform shut out comes back; what the operator disabled does not.
    const isShutOut = before.disabledReason !== null;
    const enabled = spec.enabled ?? (before.status === 'active' || (isShutOut && newCredentials));
    const disabledReason = spec.enabled === false ? null : before.disabledReason;
    const status = enabled ? ('active' as const) : ('disabled' as const);
    const after: StoredConnection = { ...before, agentId, settings, status, disabledReason };
    const fields = compareFields(flatConnection(before, slugs), flatConnection(after, slugs));
    if (before.disabledReason !== disabledReason) {
      fields.push({ field: 'enabled', from: `false (${before.disabledReason})`, to: 'false' });
    }
    if (fields.length > 0) update.push(after);
    if (newCredentials) replaceCredentials.push({ connection: after, credentials });
    noted.push({ name, fields: newCredentials ? [...fields, { field: 'credentials' }] : fields });
    if (!enabled && spec.enabled === null) disabled.push({ name, reason: before.disabledReason });
  }
  const named = new Set(specs?.map(connectionName));
  const remove =
    options.prune && specs !== null
      ? existing
          .map((each) => [connectionName(each), each] as const)
          .filter(([name]) => !named.has(name) && !options.spared.has(name))
          .map(([, each]) => each)
      : [];
  return { create, update, replaceCredentials, remove, noted, disabled, missing };
}

/** `null`: the keys are what the file says, or it says nothing. Keys of a lost master key count as others. */
function planModelKeys(
  cipher: Cipher,
  { keys }: TenantSpec,
  state: TenantState | null,
): TenantModelKeys | null {
  if (keys === null) return null;
  const stored = state?.modelKeys ?? [];
  try {
    return isDeepStrictEqual({ ...openModelKeys(cipher, stored) }, { ...keys }) ? null : keys;
  } catch (error) {
    if (isKonstructError(error, 'credentials_unreadable')) return keys;
    throw error;
  }
}

/** `slack T0ACME`, with the app where it is for one app only. */
export function connectionName({
  channel,
  externalId,
  appId,
}: Pick<Connection, 'channel' | 'externalId' | 'appId'>): string {
  return `${channel} ${externalId}${appId === '' ? '' : ` (${appId})`}`;
}

/** Credentials of a lost master key count as others: applying is how they are stored again. */
function hasCredentials(cipher: Cipher, connection: StoredConnection, credentials: Credentials): boolean {
  try {
    return isDeepStrictEqual({ ...openCredentials(cipher, connection) }, { ...credentials });
  } catch (error) {
    if (isKonstructError(error, 'credentials_unreadable')) return false;
    throw error;
  }
}

function flatTenant(tenant: Omit<BudgetedTenant, 'id' | 'slug'>) {
  const { name, timeZone, budget, personBudget, maxConcurrentTurns } = tenant;
  const budgets = { ...flat('budget', budget), ...flat('personBudget', personBudget) };
  return { name, timeZone, ...budgets, maxConcurrentTurns };
}

/** Without what a file says nothing about. */
function flatAgent(agent: Omit<AgentSpec, 'tools' | 'icon'> & Pick<Agent, 'tools' | 'icon'>) {
  const { slug, name, role, persona, instructions, route, placeholder, busyMode, budget, limits } = agent;
  const icon = agent.icon ?? null;
  const tools = agent.tools == null ? null : agent.tools.join(', ');
  const texts = { slug, name, role, persona, instructions, route, placeholder, icon, busyMode, tools };
  return { ...texts, ...flat('budget', budget), ...flat('limits', limits) };
}

/** `budget.dailyUsd` and so on. */
function flat(section: string, values: object): Record<string, number | null> {
  return Object.fromEntries(Object.entries(values).map(([field, value]) => [`${section}.${field}`, value]));
}

function flatConnection(
  { agentId, settings, status }: Connection,
  slugs: ReadonlyMap<string, string>,
): Record<string, string | number | boolean | null> {
  return {
    agent: slugs.get(agentId) ?? agentId,
    enabled: status === 'active',
    'settings.ratePerMinute': settings.ratePerMinute ?? null,
    'settings.followMinutes': settings.followMinutes ?? null,
    'settings.editWindowMinutes': settings.editWindowMinutes ?? null,
    'settings.onDeletion': settings.onDeletion ?? null,
    'settings.template': settings.template ?? null,
    'settings.streaming': settings.streaming ?? null,
    'settings.stopWords': settings.stopWords?.join(', ') ?? null,
    'settings.allowedOrigins': settings.allowedOrigins?.join(', ') ?? null,
    'settings.allowAnonymous': settings.allowAnonymous ?? null,
    'settings.title': settings.title ?? null,
    'settings.greeting': settings.greeting ?? null,
    'settings.simulated': settings.simulated ?? null,
    'settings.suggestedPrompts': settings.suggestedPrompts?.join(', ') ?? null,
  };
}

function createNotebook(tenant: string) {
  const changes: Change[] = [];
  let unchanged = 0;
  return {
    changes,
    unchanged: () => unchanged,
    note(kind: Change['kind'], name: string, fields: readonly FieldChange[] | null) {
      if (fields === null) changes.push({ action: 'create', kind, tenant, name, fields: [] });
      else if (fields.length > 0) changes.push({ action: 'update', kind, tenant, name, fields });
      else unchanged += 1;
    },
    remove(kind: Change['kind'], name: string) {
      changes.push({ action: 'remove', kind, tenant, name, fields: [] });
    },
  };
}
