import type { RouteEntry } from '../core/model.ts';
import type { AgentSpec, ConfigFile, TenantSpec } from './config-file.ts';
import type { FieldPath, FileProblem } from './config-source.ts';
import type { ParsedConfigFile } from './parse-config-file.ts';
import type { Installation } from './read-installation.ts';

/** Whether it is known what the model of an entry costs. */
export type HasPrice = (entry: RouteEntry) => Promise<boolean>;

export type Budgeted = Pick<TenantSpec, 'slug' | 'budget' | 'personBudget'>;
export type Spending = Pick<AgentSpec, 'slug' | 'route' | 'budget' | 'limits'>;

interface PriceChecks {
  readonly hasPrice?: HasPrice | undefined;
  /** Whether a model counts as free only because of its address. */
  readonly isThoughtFree?: ((entry: RouteEntry) => boolean) | undefined;
}

/** Whether a file has models whose price is not certain: then tenants that it does not name concern it too. */
export async function hasDoubtfulPrices(
  file: ConfigFile,
  { hasPrice, isThoughtFree }: PriceChecks,
): Promise<boolean> {
  const entries = (file.routes ?? []).flatMap((route) => route.entries);
  if (isThoughtFree && entries.some(isThoughtFree)) return true;
  return hasPrice !== undefined && (await Promise.all(entries.map(hasPrice))).includes(false);
}

const GIVE_A_PRICE = 'give the entry a price: { inputUsdPerMillion: …, outputUsdPerMillion: … }';

/**
 * Agents under a budget in US dollars whose route has a model without a known price. Such a model could not be called:
 * nobody knows what to set aside. One that only its address makes free may cost what no budget sees: that is told. Each
 * entry is said once, at the entry where the file has it.
 */
export async function checkPrices(
  file: ConfigFile,
  installation: Installation,
  options: PriceChecks & { readonly prune: boolean },
  { locate, pathOfEntry }: Pick<ParsedConfigFile, 'locate' | 'pathOfEntry'>,
): Promise<{ readonly problems: readonly FileProblem[]; readonly warnings: readonly string[] }> {
  const { hasPrice = async () => true, isThoughtFree = () => false, prune } = options;
  const problems: FileProblem[] = [];
  const warnings: string[] = [];
  const seen = new Set<string>();
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
      const isKnown = await hasPrice(entry as RouteEntry);
      if (seen.has(key) || (isKnown && !isThoughtFree(entry as RouteEntry))) continue;
      seen.add(key);
      const say = (what: string): FileProblem =>
        inFile
          ? locate([...pathOfEntry(agent.route, index), 'model'], what)
          : locate(
              path,
              `is answered by ${entry.provider} ${entry.model} (route ${agent.route}), which ${what}`,
            );
      const which = `but ${budget} of ${tenant.slug} is in US dollars`;
      if (isKnown) {
        const { line, field, problem } = say(
          `counts as free for its address, ${which}; ${GIVE_A_PRICE}, 0 if it really costs nothing`,
        );
        warnings.push(`Line ${line}: ${field} ${problem}.`);
      } else {
        problems.push(
          say(
            `has no known price, ${which}; ${GIVE_A_PRICE} (0 where it costs nothing), or limit tokens instead`,
          ),
        );
      }
    }
  }
  return { problems, warnings };
}

/** All agents as they will be, with where the file speaks of them. */
export function agentsAfterwards(file: ConfigFile, installation: Installation, prune: boolean) {
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
export function usdLimitOf({ budget, personBudget }: Budgeted, agent: Spending): string | null {
  const has = ({ dailyUsd, monthlyUsd }: Budgeted['budget']) => dailyUsd !== null || monthlyUsd !== null;
  if (has(budget)) return 'the budget';
  if (has(personBudget)) return 'the personBudget';
  if (has(agent.budget)) return `the budget of agent ${agent.slug}`;
  if (agent.limits.maxTurnUsd !== null) return `the limit maxTurnUsd of agent ${agent.slug}`;
  return null;
}
