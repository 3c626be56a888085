import type { Kysely } from 'kysely';
import { revealProviderKeys } from '../../config.ts';
import type { Cipher } from '../../core/cipher.ts';
import { isKonstructError } from '../../core/errors.ts';
import { mapConcurrently } from '../../core/map-concurrently.ts';
import type { Route, RouteEntry } from '../../core/model.ts';
import type { Database } from '../../db/schema.ts';
import { checkProvider } from '../../llm/check-provider.ts';
import { defaultRoute } from '../../llm/default-route.ts';
import { createModelKeyDirectory } from '../../stores/model-keys.ts';
import { listRoutes, openRoute, type StoredRoute } from '../../stores/routes.ts';
import { listTenants } from '../../stores/tenants.ts';
import { CHECK_TIMEOUT_MS, type Check, type Finding, ok, problem, warning } from './check.ts';
import { findLostAgents } from './find-lost-agents.ts';

const AT_ONCE = 4;

/** Whether the models of every route can be called (address, key, model name; costs no tokens), and every agent has one. */
export const checkModels: Check = {
  name: 'Models',
  async run({ config, database, cipher, fetch, signal }) {
    const keys = revealProviderKeys(config.models);
    const stored = database === null ? [] : await listRoutes(database);
    const routes = stored.flatMap((route) => readable(route, cipher) ?? []);
    if (!stored.some(({ name }) => name === 'default')) routes.push(defaultRoute(keys));
    const entries = routes.flatMap((route) => route.entries.map((entry) => ({ route: route.name, entry })));
    const findings = await mapConcurrently(entries, AT_ONCE, async ({ route, entry }): Promise<Finding> => {
      const result = await checkProvider(entry, { keys, signal, fetch, timeoutMs: CHECK_TIMEOUT_MS });
      const what = `Route ${route}: ${entry.provider} ${entry.model}`;
      if (result.kind === 'problem') return problem(`Route ${route}: ${result.problem}.`, result.remedy);
      if (entry.provider === 'demo') {
        return warning(
          `${what} gives scripted answers.`,
          'Set ANTHROPIC_API_KEY, OPENAI_API_KEY, GOOGLE_GENERATIVE_AI_API_KEY or OLLAMA_BASE_URL.',
        );
      }
      return ok(result.note === null ? `${what} is ready.` : `${what}: ${result.note}.`);
    });
    const owned = await ownKeys(database, cipher, routes);
    const checked = await mapConcurrently(
      owned,
      AT_ONCE,
      async ({ tenant, entry, tenantKeys }): Promise<Finding> => {
        const result = await checkProvider(entry, {
          keys,
          tenantKeys,
          signal,
          fetch,
          timeoutMs: CHECK_TIMEOUT_MS,
        });
        const what = `Keys of ${tenant} for ${entry.provider}`;
        if (result.kind === 'problem') return problem(`${what}: ${result.problem}.`, result.remedy);
        return ok(result.note === null ? `${what} are accepted.` : `${what}: ${result.note}.`);
      },
    );
    const lost = database === null ? [] : await findLostAgents(database);
    return [...findings, ...checked, ...lost];
  },
};

interface OwnKeys {
  readonly tenant: string;
  /** The first entry of a route with which they are used. */
  readonly entry: RouteEntry;
  readonly tenantKeys: readonly string[];
}

/** Keys that tenants brought, where a route uses them. What the master key does not open is `checkMasterKey`'s. */
async function ownKeys(
  database: Kysely<Database> | null,
  cipher: Cipher | null,
  routes: readonly Route[],
): Promise<readonly OwnKeys[]> {
  if (database === null || cipher === null) return [];
  const directory = createModelKeyDirectory(database, cipher);
  const found: OwnKeys[] = [];
  for (const { id, slug } of await listTenants(database)) {
    const keys = await directory.find(id);
    for (const [provider, tenantKeys] of Object.entries(keys)) {
      if (tenantKeys === null) continue;
      const entry = routes
        .flatMap(({ entries }) => entries)
        .find((each) => each.provider === provider && !each.baseUrl && !each.apiKey && !each.apiKeys);
      if (entry !== undefined) found.push({ tenant: slug, entry, tenantKeys });
    }
  }
  return found;
}

/** A route that the master key does not open is a finding of `checkMasterKey`. */
function readable(route: StoredRoute, cipher: Cipher | null): Route | null {
  if (cipher === null) return null;
  try {
    return openRoute(cipher, route);
  } catch (error) {
    if (isKonstructError(error, 'credentials_unreadable')) return null;
    throw error;
  }
}
