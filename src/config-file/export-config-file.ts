import type { Kysely } from 'kysely';
import { Document } from 'yaml';
import type { Cipher } from '../core/cipher.ts';
import { secretInAddress } from '../core/secret-in-address.ts';
import { noBudget, turnLimitDefaults } from '../core/tenant.ts';
import type { Database, StoredRouteEntry } from '../db/schema.ts';
import type { BudgetedAgent } from '../stores/agents.ts';
import { openCredentials, type StoredConnection } from '../stores/connections.ts';
import { openModelKeys } from '../stores/model-keys.ts';
import type { StoredRoute } from '../stores/routes.ts';
import { agentDefaults } from './config-file.ts';
import { readInstallation, type TenantState } from './read-installation.ts';

export interface ExportedConfigFile {
  readonly text: string;
  /** The variables that the text takes its secrets from, in its order. */
  readonly variables: readonly ExportedVariable[];
}

export interface ExportedVariable {
  readonly name: string;
  /** What it is, in words: `botToken of slack T0ACME of acme`. */
  readonly meaning: string;
}

/**
 * The reverse of `applyConfigFile`: a konstruct.yaml that says what the database has. Secrets are `${NAME}`s; with
 * these in the environment, applying it changes nothing. The same database gives the same text.
 *
 * The cipher is needed for the names of credentials, which are encrypted with them.
 *
 * @throws KonstructError `credentials_unreadable`
 */
export async function exportConfigFile(
  database: Kysely<Database>,
  cipher: Cipher,
): Promise<ExportedConfigFile> {
  const { routes, tenants } = await readInstallation(database, null);
  const names = createVariableNames();
  const content = {
    routes: Object.fromEntries(routes.map((route) => [route.name, exportRoute(route, names)])),
    tenants: [...tenants.values()].map((state) => exportTenant(state, cipher, names)),
  };

  const document = new Document(content);
  return { text: document.toString({ lineWidth: 110, defaultStringType: 'PLAIN' }), variables: names.list() };
}

function exportRoute({ name, entries, options }: StoredRoute, names: VariableNames) {
  const list = exportEntries(name, entries, names);
  return Object.keys(options).length === 0 ? list : { entries: list, ...options };
}

function exportEntries(name: string, entries: readonly StoredRouteEntry[], names: VariableNames) {
  return entries.map(({ model, baseUrl, encryptedApiKey, encryptedApiKeys, provider, ...entry }, index) => ({
    provider,
    model: escapeVariables(model),
    ...entry,
    ...(baseUrl === undefined ? {} : { baseUrl: exportAddress(baseUrl, `route ${name}`, index, names) }),
    ...(encryptedApiKeys === undefined
      ? {}
      : {
          apiKeys: encryptedApiKeys.map((_, place) =>
            names.take(
              `route ${name} ${entries.length > 1 ? index + 1 : ''} api keys ${place + 1}`,
              `key ${place + 1} of apiKeys of route ${name}, entry ${index + 1}`,
            ),
          ),
        }),
    ...(encryptedApiKey === undefined
      ? {}
      : {
          apiKey: names.take(
            `route ${name} ${entries.length > 1 ? index + 1 : ''} api key`,
            `apiKey of route ${name}, entry ${index + 1}`,
          ),
        }),
  }));
}

/** One that was stored before addresses with secrets were refused is not shown. */
function exportAddress(address: string, route: string, index: number, names: VariableNames): string {
  if (secretInAddress(address) === null) return escapeVariables(address);
  const place = `${route}, entry ${index + 1}`;
  return names.take(
    `${route} ${index + 1} base url`,
    `baseUrl of ${place}, which holds a secret: give that as apiKey instead`,
  );
}

function exportTenant(state: TenantState, cipher: Cipher, names: VariableNames) {
  const { slug, name, timeZone, budget, personBudget, maxConcurrentTurns } = state.tenant;
  const slugs = new Map(state.agents.map((agent) => [agent.id, agent.slug]));
  return {
    slug,
    name: escapeVariables(name),
    ...(timeZone === 'UTC' ? {} : { timeZone }),
    ...section('budget', budget, noBudget),
    ...section('personBudget', personBudget, noBudget),
    ...(state.modelKeys.length === 0 ? {} : { keys: exportModelKeys(state, cipher, names) }),
    ...(maxConcurrentTurns == null ? {} : { maxConcurrentTurns }),
    agents: state.agents.map(exportAgent),
    connections: state.connections.map((connection) =>
      exportConnection(connection, {
        tenant: slug,
        agent: slugs.get(connection.agentId) ?? '',
        isOnly: state.connections.filter(({ channel }) => channel === connection.channel).length === 1,
        cipher,
        names,
      }),
    ),
  };
}

function exportModelKeys({ tenant: { slug }, modelKeys }: TenantState, cipher: Cipher, names: VariableNames) {
  const opened = Object.entries(openModelKeys(cipher, modelKeys));
  return Object.fromEntries(
    opened.map(([provider, keys = []]) => [
      provider,
      keys.map((_, index) =>
        names.take(
          `${slug} ${provider} api key ${keys.length > 1 ? index + 1 : ''}`,
          `key ${index + 1} for ${provider} of ${slug}`,
        ),
      ),
    ]),
  );
}

function exportAgent({ slug, name, budget, limits, tools, ...agent }: BudgetedAgent) {
  const { role, persona, instructions, route, placeholder, icon = null, busyMode } = agent;
  const texts = Object.entries(
    without({ role, persona, instructions, route, placeholder, icon, busyMode }, agentDefaults),
  );
  return {
    slug,
    name: escapeVariables(name),
    ...Object.fromEntries(texts.map(([key, value]) => [key, escapeVariables(String(value))])),
    ...(tools == null ? {} : { tools: tools.map(escapeVariables) }),
    ...section('budget', budget, noBudget),
    ...section('limits', limits, turnLimitDefaults),
  };
}

/** What differs from the defaults, if anything does. */
function section(name: string, values: object, defaults: object): Readonly<Record<string, object>> {
  const different = without(values, { ...defaults });
  return Object.keys(different).length === 0 ? {} : { [name]: different };
}

function exportConnection(
  connection: StoredConnection,
  options: { tenant: string; agent: string; isOnly: boolean; cipher: Cipher; names: VariableNames },
) {
  const { channel, externalId, appId, settings } = connection;
  const { tenant, agent, isOnly, cipher, names } = options;
  // ACME_SLACK_BOT_TOKEN, or ACME_SLACK_T0ACME_BOT_TOKEN where a tenant has several.
  const prefix = `${tenant} ${channel} ${isOnly ? '' : `${externalId} ${appId}`}`;
  // What a browser brought is renewed and installed again: a copy of it would only be old.
  const credentialNames = connection.isInstalled
    ? null
    : Object.keys(openCredentials(cipher, connection)).sort();
  return {
    channel,
    externalId,
    ...(appId === '' ? {} : { appId }),
    agent,
    // What the platform shut out is nobody's wish.
    ...(connection.status === 'disabled' && connection.disabledReason === null ? { enabled: false } : {}),
    ...(credentialNames && {
      credentials: Object.fromEntries(
        credentialNames.map((name) => [
          name,
          names.take(`${prefix} ${name}`, `${name} of ${channel} ${externalId} of ${tenant}`),
        ]),
      ),
    }),
    ...(Object.keys(settings).length === 0 ? {} : { settings: escapeTexts(settings) }),
  };
}

interface VariableNames {
  /** A `${NAME}` that is not taken yet, made of these words. */
  take(words: string, meaning: string): string;
  list(): readonly ExportedVariable[];
}

function createVariableNames(): VariableNames {
  const taken = new Map<string, string>();
  return {
    take(words, meaning) {
      const base = toVariableName(words);
      let name = base;
      for (let number = 2; taken.has(name); number += 1) name = `${base}_${number}`;
      taken.set(name, meaning);
      return `\${${name}}`;
    },
    list: () => [...taken].map(([name, meaning]) => ({ name, meaning })),
  };
}

/** `acme slack botToken` → `ACME_SLACK_BOT_TOKEN`. A name that would begin with a digit gets a `_`. */
function toVariableName(words: string): string {
  const name = words
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
    .toUpperCase();
  return /^\d/.test(name) ? `_${name}` : name;
}

/** What `${NAME}` stands for when it is meant as it stands. */
function escapeVariables(text: string): string {
  return text.replaceAll(/\$\{[A-Za-z_][A-Za-z0-9_]*\}/g, (match) => `$${match}`);
}

/** Those of a list, too. */
function escapeTexts(values: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]: [string, unknown]) => [
      name,
      Array.isArray(value) ? value.map(escaped) : escaped(value),
    ]),
  );
}

function escaped(value: unknown): unknown {
  return typeof value === 'string' ? escapeVariables(value) : value;
}

function without<T extends object>(values: T, defaults: Readonly<Record<string, unknown>>): Partial<T> {
  const entries = Object.entries(values).filter(([key, value]) => value !== defaults[key]);
  return Object.fromEntries(entries) as Partial<T>;
}
