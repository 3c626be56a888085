import { channelTable } from '../channel-table.ts';
import type { ChannelDefinition, ConnectionRules } from '../core/channel-definition.ts';
import { nearestName } from '../core/nearest-name.ts';
import { builtInToolNames } from '../core/tool.ts';
import type { ConfigSource, FieldPath, FileProblem } from './config-source.ts';

type Locate = ConfigSource['locate'];

/** What an installation has that a file may name. */
export interface Offered {
  /** Tools beside those that are built in. */
  readonly toolNames?: readonly string[];
  /** All channels; absent: those of this version. */
  readonly channels?: readonly ChannelDefinition[];
}

/**
 * What no single value can know: names that are taken twice, references to nothing, credentials that a channel needs.
 * Works on raw data, so that one wrong value elsewhere does not hide these problems until the next attempt.
 */
export function checkReferences(data: unknown, locate: Locate, offered: Offered): FileProblem[] {
  const tenants = listOf(data, 'tenants');
  const { channels = channelTable } = offered;
  const toolNames = [...builtInToolNames, ...(offered.toolNames ?? [])];
  return [
    ...findRepeated(tenants, ['tenants'], 'slug', locate),
    ...tenants.flatMap((tenant, index) => checkTenant(tenant, ['tenants', index], locate, channels)),
    ...tenants.flatMap((tenant, index) => checkTools(tenant, ['tenants', index], locate, toolNames)),
    ...checkConnectionKeys(tenants, locate),
    ...checkRoutes(data, locate),
  ];
}

function checkTenant(
  tenant: unknown,
  path: FieldPath,
  locate: Locate,
  channels: readonly ChannelDefinition[],
): FileProblem[] {
  const agents = listOf(tenant, 'agents');
  const slugs = agents.flatMap((agent) => textOf(agent, 'slug') ?? []);
  return [
    ...findRepeated(agents, [...path, 'agents'], 'slug', locate),
    ...listOf(tenant, 'connections').flatMap((connection, index) => {
      const place = [...path, 'connections', index];
      const agent = textOf(connection, 'agent');
      const problems = checkChannel(connection, place, locate, channels);
      // A tenant without an `agents` section names agents that the database has; that is checked when it is applied.
      if (agent === null || slugs.includes(agent) || fieldOf(tenant, 'agents') == null) return problems;
      const meant = nearestName(agent, slugs);
      const hint = meant === null ? 'add it under agents' : `did you mean ${meant}?`;
      return [
        ...problems,
        locate([...place, 'agent'], `is an agent that this tenant does not have; ${hint}`),
      ];
    }),
  ];
}

function checkTools(
  tenant: unknown,
  path: FieldPath,
  locate: Locate,
  known: readonly string[],
): FileProblem[] {
  return listOf(tenant, 'agents').flatMap((agent, agentIndex) => {
    const names = listOf(agent, 'tools');
    return names.flatMap((name, index) => {
      const place = [...path, 'agents', agentIndex, 'tools', index];
      if (typeof name !== 'string') return []; // another rule's problem
      if (names.indexOf(name) < index) return [locate(place, 'is named already')];
      if (known.includes(name)) return [];
      const meant = nearestName(name, known);
      const hint = meant === null ? `there are ${known.join(', ')}` : `did you mean ${meant}?`;
      return [locate(place, `is not a tool of this installation; ${hint}`)];
    });
  });
}

function checkChannel(
  connection: unknown,
  path: FieldPath,
  locate: Locate,
  channels: readonly ChannelDefinition[],
): FileProblem[] {
  const channel = textOf(connection, 'channel');
  if (channel === null) return [];
  const definition = channels.find(({ type }) => type === channel);
  const rules = definition?.connection;
  const known = channels.map(({ type }) => type);
  if (!rules) {
    const meant = nearestName(channel, known);
    const hint = meant === null ? `use ${known.join(' or ')}` : `did you mean ${meant}?`;
    return [locate([...path, 'channel'], `is not a channel of this version; ${hint}`)];
  }
  const externalId = textOf(connection, 'externalId');
  const problems = checkStreaming(connection, path, locate, channels);
  if (externalId !== null && !rules.externalId.test(externalId))
    problems.unshift(locate([...path, 'externalId'], `must be ${rules.externalIdMeaning}`));
  const credentials = fieldOf(connection, 'credentials');
  // Left out or empty they are those of an installation in a browser, where the channel knows such.
  if (credentials == null && definition?.install === undefined)
    return [...problems, locate(path, 'is missing', 'credentials')];
  return [...problems, ...checkCredentials(channel, rules, credentials, path, locate)];
}

function checkStreaming(
  connection: unknown,
  path: FieldPath,
  locate: Locate,
  channels: readonly ChannelDefinition[],
): FileProblem[] {
  if (fieldOf(fieldOf(connection, 'settings'), 'streaming') !== 'native') return [];
  const able = channels.filter(({ ownStream }) => ownStream).map(({ type }) => type);
  const channel = textOf(connection, 'channel') ?? '';
  if (able.includes(channel)) return [];
  const problem = `is native, but ${channel} has no streaming of its own (${able.join(', ')} have); leave it out`;
  return [locate([...path, 'settings', 'streaming'], problem)];
}

function checkCredentials(
  channel: string,
  rules: ConnectionRules,
  credentials: unknown,
  path: FieldPath,
  locate: Locate,
): FileProblem[] {
  if (typeof credentials !== 'object' || credentials === null) return [];
  const place = [...path, 'credentials'];
  const names = [...rules.required, ...rules.optional];
  const unknown = Object.keys(credentials)
    .filter((name) => !names.includes(name))
    .map((name) => ({ name, meant: nearestName(name, names) }));
  // A misspelt name is one problem and not also a missing one.
  const missing = rules.required.filter(
    (name) => !(name in credentials) && !unknown.some(({ meant }) => meant === name),
  );
  return [
    ...missing.map((name) => locate(place, 'is missing', name)),
    ...unknown.map(({ name, meant }) => {
      const hint = meant === null ? `use ${names.join(', ')}` : `did you mean ${meant}?`;
      return locate(place, `is not a credential of ${channel}; ${hint}`, name);
    }),
  ];
}

/** One installation belongs to one tenant, once. */
function checkConnectionKeys(tenants: readonly unknown[], locate: Locate): FileProblem[] {
  const seen = new Map<string, string>();
  return tenants.flatMap((tenant, tenantIndex) =>
    listOf(tenant, 'connections').flatMap((connection, index) => {
      const channel = textOf(connection, 'channel');
      const externalId = textOf(connection, 'externalId');
      if (channel === null || externalId === null) return [];
      const key = JSON.stringify([channel, externalId, textOf(connection, 'appId') ?? '']);
      const path = ['tenants', tenantIndex, 'connections', index, 'externalId'];
      const first = seen.get(key);
      if (first === undefined) {
        seen.set(key, `line ${locate(path, '').line}`);
        return [];
      }
      return [locate(path, `is connected a second time (first: ${first}); remove one of the two`)];
    }),
  );
}

function checkRoutes(data: unknown, locate: Locate): FileProblem[] {
  const routes = fieldOf(data, 'routes');
  if (typeof routes !== 'object' || routes === null) return [];
  return Object.entries(routes).flatMap(([name, route]) => {
    const isList = Array.isArray(route);
    const entries: readonly unknown[] = isList ? route : listOf(route, 'entries');
    const path = ['routes', name, ...(isList ? [] : ['entries'])];
    return entries.flatMap((entry, index) => {
      const provider = textOf(entry, 'provider');
      const needsAddress = provider === 'openai-compatible';
      return needsAddress && fieldOf(entry, 'baseUrl') === undefined
        ? [locate([...path, index], `is missing; ${provider} needs an address`, 'baseUrl')]
        : [];
    });
  });
}

function findRepeated(
  items: readonly unknown[],
  path: FieldPath,
  key: string,
  locate: Locate,
): FileProblem[] {
  const seen = new Map<string, string>();
  return items.flatMap((item, index) => {
    const value = textOf(item, key);
    if (value === null) return [];
    const place = [...path, index, key];
    const first = seen.get(value);
    if (first === undefined) {
      seen.set(value, `line ${locate(place, '').line}`);
      return [];
    }
    return [locate(place, `is taken already (${first}); every ${key} may occur once`)];
  });
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function textOf(value: unknown, key: string): string | null {
  const field = fieldOf(value, key);
  return typeof field === 'string' ? field : null;
}

function listOf(value: unknown, key: string): readonly unknown[] {
  const field = fieldOf(value, key);
  return Array.isArray(field) ? field : [];
}
