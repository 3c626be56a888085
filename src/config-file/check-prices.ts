import type { RouteEntry } from '../core/model.ts';
import type { AgentSpec, ConfigFile, TenantSpec } from './config-file.ts';
import type { FieldPath, FileProblem } from './config-source.ts';
import type { ParsedConfigFile } from './parse-config-file.ts';
import type { Installation } from './read-installation.ts';

/** Whether it is known what the model of an entry costs. */
export type HasPrice = (entry: RouteEntry) => Promise<boolean>;

type Budgeted = Pick<TenantSpec, 'slug' | 'budget' | 'personBudget'>;
type Spending = Pick<AgentSpec, 'slug' | 'route' | 'budget' | 'limits'>;

/** Whether a file has models whose price is not known: then tenants that it does not name concern it too. */
export async function hasUnpricedModels(file: ConfigFile, hasPrice: HasPrice | undefined): Promise<boolean> {
  if (!hasPrice) return false;
  const entries = (file.routes ?? []).flatMap((route) => route.entries);
  return (await Promise.all(entries.map(hasPrice))).includes(false);
}

/**
 * Agents under a budget in US dollars whose route has a model without a known price. Such a model could not be called:
 * nobody knows what to set aside. Each entry is one problem, at the entry where the file has it.
 */
export async function checkPrices(
  file: ConfigFile,
  installation: Installation,
  options: { readonly prune: boolean; readonly hasPrice: HasPrice | undefined },
  { locate, pathOfEntry }: Pick<ParsedConfigFile, 'locate' | 'pathOfEntry'>,
): Promise<readonly FileProblem[]> {
  const { hasPrice, prune } = options;
  if (!hasPrice) return [];
  const problems = new Map<string, FileProblem>();
  for (const { tenant, agent, path } of agentsAfterwards(file, installation, prune)) {
    const budget = usdLimitOf(tenant, agent);
    if (budget === null) continue;
    const inFile = file.routes?.find(({ name }) => name === agent.route);
    // What the file neither names nor changes is not refused because of it.
    if (!inFile && path.length === 0) continue;
    const entries =
      inFile?.entries ?? installation.routes.find(({ name }) => name === agent.route)?.entries ?? [];
    for (const [index, entry] of entries.entries()) {
      const key = JSON.stringify([agent.route, index]);
      if (problems.has(key) || (await hasPrice(entry as RouteEntry))) continue;
      const todo = `but ${budget} of ${tenant.slug} is in US dollars; give the entry a price: { inputUsdPerMillion: …, outputUsdPerMillion: … } (0 where it costs nothing), or limit tokens instead`;
      problems.set(
        key,
        inFile
          ? locate([...pathOfEntry(agent.route, index), 'model'], `has no known price, ${todo}`)
          : locate(
              path,
              `is answered by ${entry.provider} ${entry.model} (route ${agent.route}), which has no known price, ${todo}`,
            ),
      );
    }
  }
  return [...problems.values()];
}

/** All agents as they will be, with where the file speaks of them. */
function agentsAfterwards(file: ConfigFile, installation: Installation, prune: boolean) {
  const found: { tenant: Budgeted; agent: Spending; path: FieldPath }[] = [];
  for (const [tenantIndex, tenant] of (file.tenants ?? []).entries()) {
    const path = ['tenants', tenantIndex];
    const named = new Set(tenant.agents?.map(({ slug }) => slug));
    for (const [index, agent] of (tenant.agents ?? []).entries()) {
      found.push({ tenant, agent, path: [...path, 'agents', index, 'route'] });
    }
    const keepsOthers = tenant.agents === null || !prune;
    for (const agent of keepsOthers ? (installation.tenants.get(tenant.slug)?.agents ?? []) : []) {
      if (!named.has(agent.slug)) found.push({ tenant, agent, path: [...path, 'slug'] });
    }
  }
  const named = new Set(file.tenants?.map(({ slug }) => slug));
  for (const { tenant, agents } of installation.tenants.values()) {
    if (named.has(tenant.slug) || (prune && file.tenants !== null)) continue;
    for (const agent of agents) found.push({ tenant, agent, path: [] });
  }
  return found;
}

/** Which limit in US dollars an agent's calls count against, in words; `null`: none. */
function usdLimitOf({ budget, personBudget }: Budgeted, agent: Spending): string | null {
  const has = ({ dailyUsd, monthlyUsd }: Budgeted['budget']) => dailyUsd !== null || monthlyUsd !== null;
  if (has(budget)) return 'the budget';
  if (has(personBudget)) return 'the personBudget';
  if (has(agent.budget)) return `the budget of agent ${agent.slug}`;
  if (agent.limits.maxTurnUsd !== null) return `the limit maxTurnUsd of agent ${agent.slug}`;
  return null;
}
