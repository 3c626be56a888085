import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { slack } from '../channels/slack/index.ts';
import { withApplyLock } from '../config-file/apply-config-file.ts';
import { agentDefaults, type TenantSpec } from '../config-file/config-file.ts';
import { executePlan } from '../config-file/execute-plan.ts';
import { planTenant } from '../config-file/plan-tenant.ts';
import { readInstallation } from '../config-file/read-installation.ts';
import type { ChannelIdentity } from '../core/channel.ts';
import type { Cipher } from '../core/cipher.ts';
import type { Log } from '../core/log.ts';
import { noBudget, turnLimitDefaults } from '../core/tenant.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';
import {
  findConnectionOwners,
  listConnections,
  openCredentials,
  replaceCredentials,
  updateConnection,
} from '../stores/connections.ts';
import { isReadable } from '../stores/stored-secrets.ts';

export interface ConnectSlackWorkspaceOptions {
  readonly database: Kysely<Database>;
  readonly cipher: Cipher;
  readonly botToken: string;
  readonly log: Log;
}

/**
 * Connects a workspace by its bot token. One that is connected keeps its tenant and agent as they are and gets the token,
 * if it is another. One that is connected nowhere becomes a tenant of its own; a tenant that exists is never changed.
 */
export async function connectSlackWorkspace(
  options: ConnectSlackWorkspaceOptions,
  workspace: Pick<ChannelIdentity, 'externalId' | 'name'>,
): Promise<void> {
  const { database, log } = options;
  const { externalId } = workspace;
  const findOwner = () =>
    findConnectionOwners(database, [{ channel: 'slack', externalId, appId: '' }]).then(([owner]) => owner);
  const owner = await findOwner();
  if (owner) return replaceToken(options, owner, externalId);
  await withApplyLock(database, async () => {
    // Another gateway that starts at the same moment.
    if (await findOwner()) return;
    const { tenants, slugs } = await readInstallation(database, null);
    const others = [...tenants.values()].filter(({ connections }) =>
      connections.some((each) => each.channel === 'slack' && each.externalId === externalId),
    );
    if (others.length > 0) {
      const names = others.map(({ tenant }) => tenant.slug);
      log.warn('slack.token_unused', { externalId, tenants: names, reason: 'connected_for_one_app_only' });
      return;
    }
    await makeTenant(options, workspace, new Set(slugs.values()));
  });
}

async function replaceToken(
  { database, cipher, botToken, log }: ConnectSlackWorkspaceOptions,
  tenantId: string,
  externalId: string,
): Promise<void> {
  await withTenant(database, tenantId, async (transaction) => {
    const connection = (await listConnections(transaction)).find(
      (each) => each.channel === 'slack' && each.externalId === externalId && each.appId === '',
    );
    if (!connection) return;
    const { status, disabledReason } = connection;
    const about = { tenantId, connectionId: connection.id, externalId };
    if (!isReadable({ open: (key) => openCredentials(key, connection) }, cipher)) {
      log.warn('slack.token_unused', { ...about, reason: 'credentials_unreadable' });
      return;
    }
    const credentials = openCredentials(cipher, connection);
    if (credentials.botToken === botToken) {
      if (status === 'disabled') {
        log.warn('slack.token_unused', { ...about, reason: disabledReason ?? 'disabled_by_operator' });
      }
      return;
    }
    // What renewed an earlier token does not renew this one.
    const kept = Object.entries(credentials).filter(([name]) => slack.connection.optional.includes(name));
    await replaceCredentials(transaction, cipher, connection, { ...Object.fromEntries(kept), botToken });
    // Only what the platform disabled has a reason: what the operator did stays done.
    if (disabledReason !== null) await updateConnection(transaction, { ...connection, status: 'active' });
    log.info('connection.token_replaced', about);
  });
}

async function makeTenant(
  { database, cipher, botToken, log }: ConnectSlackWorkspaceOptions,
  { externalId, name }: Pick<ChannelIdentity, 'externalId' | 'name'>,
  taken: ReadonlySet<string>,
): Promise<void> {
  const spec: TenantSpec = {
    slug: freeSlug(name, taken),
    name: name.slice(0, 200),
    timeZone: 'UTC',
    budget: noBudget,
    personBudget: noBudget,
    maxConcurrentTurns: null,
    keys: null,
    agents: [
      {
        ...agentDefaults,
        slug: 'ada',
        name: 'Ada',
        role: 'AI coworker',
        budget: noBudget,
        limits: turnLimitDefaults,
      },
    ],
    connections: [
      {
        channel: 'slack',
        externalId,
        appId: '',
        agent: 'ada',
        enabled: null,
        credentials: { botToken },
        settings: {},
      },
    ],
  };
  const { plan, changes } = planTenant(spec, null, { cipher, prune: false, newId: randomUUID });
  const routes = { put: [], remove: [] };
  await executePlan(database, cipher, { routes, tenants: [plan], changes, unchanged: 0, warnings: [] });
  log.info('config.applied', { file: 'SLACK_BOT_TOKEN', changes: changes.length, tenant: spec.slug });
}

const MAX_SLUG = 63;

/** `acme`, `acme-2`, … */
function freeSlug(name: string, taken: ReadonlySet<string>): string {
  const words = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  const base = words.replaceAll(/^-+|-+$/g, '') || 'workspace';
  for (let number = 1; ; number += 1) {
    const suffix = number === 1 ? '' : `-${number}`;
    const slug = base.slice(0, MAX_SLUG - suffix.length) + suffix;
    if (!taken.has(slug)) return slug;
  }
}
