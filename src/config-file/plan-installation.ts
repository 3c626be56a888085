import type { RouteEntry } from '../core/model.ts';
import { nearestName } from '../core/nearest-name.ts';
import type { ConnectionKey } from '../stores/connections.ts';
import { type AnswerCost, checkBudgetSizes } from './check-budget-sizes.ts';
import { type FoundProblem, sortEntryProblems } from './check-models.ts';
import { checkPrices, type HasPrice } from './check-prices.ts';
import { checkReadable } from './check-readable.ts';
import type { ConfigFile, TenantSpec } from './config-file.ts';
import type { FileProblem } from './config-source.ts';
import type { ParsedConfigFile } from './parse-config-file.ts';
import type { Plan, TenantPlan } from './plan.ts';
import { planRoutes } from './plan-routes.ts';
import { connectionName, planTenant, type TenantPlanOptions } from './plan-tenant.ts';
import type { Installation, TenantState } from './read-installation.ts';

export interface PlanOptions extends TenantPlanOptions {
  /** Who owns these installations now, by tenant id, in the order given; `null`: nobody. */
  readonly findOwners: (keys: readonly ConnectionKey[]) => Promise<readonly (string | null)[]>;
  /** What was found wrong with entries of the file's routes. */
  readonly entryProblems?: readonly FoundProblem[];
  /** What becomes of entries that lack something which the environment may have elsewhere. Default: told. */
  readonly unset?: 'refused' | 'told' | undefined;
  readonly hasPrice?: HasPrice | undefined;
  /** Whether what no key of ours opens is stored anew. Default: it is a problem. */
  readonly replaceUnreadable?: boolean | undefined;
  readonly isThoughtFree?: ((entry: RouteEntry) => boolean) | undefined;
  readonly answerCost?: AnswerCost | undefined;
}

export interface Planning {
  readonly plan: Plan;
  /** What contradicts the database. With any of these the plan must not be executed. */
  readonly problems: readonly FileProblem[];
}

/** Needs no definition: without one it is made of the providers that have a key. */
const DEFAULT = 'default';

/** Compares a whole file with the database. Changes nothing. */
export async function planInstallation(
  parsed: ParsedConfigFile,
  installation: Installation,
  options: PlanOptions,
): Promise<Planning> {
  const { file, locate } = parsed;
  const routes = planRoutes(file.routes, installation.routes, options);
  const problems = checkRouteNames(file, installation, options.prune, locate);
  const plannings = (file.tenants ?? []).map((spec, index) => {
    const state = installation.tenants.get(spec.slug) ?? null;
    problems.push(...checkAgents(spec, state, index, options.prune, locate));
    return planTenant(spec, state, options);
  });
  const named = new Set(file.tenants?.map(({ slug }) => slug));
  const surplus = [...installation.tenants.values()].filter(
    ({ tenant }) => options.prune && file.tenants !== null && !named.has(tenant.slug),
  );
  const tenants: TenantPlan[] = [
    ...plannings.map(({ plan }) => plan),
    ...surplus.map(({ tenant }) => ({ action: 'remove' as const, tenant })),
  ];
  problems.push(...(await checkOwners(file, tenants, installation, options, locate)));
  if (!options.replaceUnreadable) problems.push(...checkReadable(parsed, installation, options.cipher));
  const prices = await checkPrices(file, installation, options, parsed);
  problems.push(...prices.problems);
  const sizes = await checkBudgetSizes(file, installation, options, parsed);
  const left = findLeftAgents(routes.plan.remove, tenants, file, installation);
  problems.push(
    ...left
      .filter(({ route }) => route !== DEFAULT)
      .map(({ route, agent }) => {
        const problem = `leave out ${route}, but agent ${agent} still uses it; give that agent another route`;
        return locate([], problem, 'routes');
      }),
  );
  const entries = sortEntryProblems(
    options.entryProblems ?? [],
    parsed,
    installation,
    options.unset ?? 'told',
  );
  problems.push(...entries.problems);
  return {
    plan: {
      routes: routes.plan,
      tenants,
      changes: [
        ...routes.changes,
        ...plannings.flatMap(({ changes }) => changes),
        ...surplus.map(({ tenant: { slug } }) => {
          return { action: 'remove', kind: 'tenant', tenant: slug, name: slug, fields: [] } as const;
        }),
      ],
      unchanged: routes.unchanged + plannings.reduce((sum, { unchanged }) => sum + unchanged, 0),
      warnings: [
        ...plannings.flatMap(({ warnings }) => warnings),
        ...entries.warnings,
        ...prices.warnings,
        ...sizes,
        ...left
          .filter(({ route }) => route === DEFAULT)
          .map(
            ({ agent }) =>
              `Agent ${agent} uses the route default, which is removed: it is made of the providers that have a key then.`,
          ),
      ],
    },
    problems,
  };
}

type Locate = ParsedConfigFile['locate'];

function checkRouteNames(
  file: ConfigFile,
  installation: Installation,
  prune: boolean,
  locate: Locate,
): FileProblem[] {
  const kept = prune && file.routes !== null ? [] : installation.routes;
  const known = new Set([DEFAULT, ...[...(file.routes ?? []), ...kept].map(({ name }) => name)]);
  return (file.tenants ?? []).flatMap((tenant, tenantIndex) =>
    (tenant.agents ?? []).flatMap(({ route }, index) => {
      if (known.has(route)) return [];
      const meant = nearestName(route, known);
      const hint = meant === null ? `use one of ${[...known].join(', ')}` : `did you mean ${meant}?`;
      const path = ['tenants', tenantIndex, 'agents', index, 'route'];
      return [locate(path, `is "${route}", and there is no such route; ${hint}`)];
    }),
  );
}

/** Connections and agents that need each other, where the file has only one of the two sections. */
function checkAgents(
  spec: TenantSpec,
  state: TenantState | null,
  tenantIndex: number,
  prune: boolean,
  locate: Locate,
): FileProblem[] {
  if (spec.agents === null) {
    const known = new Set(state?.agents.map(({ slug }) => slug));
    return (spec.connections ?? []).flatMap(({ agent }, index) => {
      if (known.has(agent)) return [];
      const path = ['tenants', tenantIndex, 'connections', index, 'agent'];
      return [locate(path, 'is an agent that this tenant does not have; add it under agents')];
    });
  }
  if (spec.connections !== null && prune) return [];
  const wanted = new Set(spec.agents.map(({ slug }) => slug));
  const moved = new Set(spec.connections?.map(connectionName));
  return (state?.agents ?? [])
    .filter(({ slug }) => prune && !wanted.has(slug))
    .flatMap(({ id, slug }) => {
      const user = state?.connections.find((each) => each.agentId === id && !moved.has(connectionName(each)));
      if (!user) return [];
      const problem = `leave out ${slug}, but ${connectionName(user)} still names it; give that connection another agent`;
      return [locate(['tenants', tenantIndex], problem, 'agents')];
    });
}

/** An installation belongs to one tenant. It may move to another only when the same plan takes it from the first. */
async function checkOwners(
  file: ConfigFile,
  tenants: readonly TenantPlan[],
  { slugs }: Installation,
  { findOwners }: PlanOptions,
  locate: Locate,
): Promise<FileProblem[]> {
  const given = new Set(tenants.flatMap(givenUp));
  const wanted = tenants.flatMap((plan, tenantIndex) =>
    plan.action === 'remove'
      ? []
      : plan.connections.create.map((connection) => ({ connection, tenantIndex })),
  );
  const owners = await findOwners(wanted.map(({ connection }) => connection));
  return wanted.flatMap(({ connection, tenantIndex }, place) => {
    const owner = owners[place] ?? null;
    if (owner === null || given.has(`${owner} ${connectionName(connection)}`) || given.has(owner)) return [];
    const index = file.tenants?.[tenantIndex]?.connections?.findIndex(
      (spec) => connectionName(spec) === connectionName(connection),
    );
    const path = ['tenants', tenantIndex, 'connections', index ?? 0, 'externalId'];
    const whose = slugs.get(owner) ?? 'another tenant';
    return [locate(path, `belongs to the tenant ${whose} already; remove its connection there first`)];
  });
}

/** Connections that a plan removes, and the ids of tenants that go with all of theirs. */
function givenUp(plan: TenantPlan): string[] {
  if (plan.action === 'remove') return [plan.tenant.id];
  return plan.connections.remove.map((each) => `${each.tenantId} ${connectionName(each)}`);
}

/** Agents that the database has and that go on with a route which the file leaves out. */
function findLeftAgents(
  removed: readonly string[],
  plans: readonly TenantPlan[],
  file: ConfigFile,
  installation: Installation,
): readonly { readonly route: string; readonly agent: string }[] {
  if (removed.length === 0) return [];
  const planned = new Map(plans.map((plan) => [plan.tenant.slug, plan]));
  const listed = new Map(
    file.tenants?.map(({ slug, agents }) => [slug, new Set(agents?.map((each) => each.slug))]),
  );
  return [...installation.tenants.values()].flatMap(({ tenant, agents }) => {
    const plan = planned.get(tenant.slug);
    if (plan?.action === 'remove') return [];
    const gone = new Set(plan?.agents.remove.map(({ id }) => id));
    return agents
      .filter(({ id, slug, route }) => {
        // What the file says of an agent is for `checkRouteNames`.
        return removed.includes(route) && !gone.has(id) && !listed.get(tenant.slug)?.has(slug);
      })
      .map(({ slug, route }) => ({ route, agent: `${slug} of ${tenant.slug}` }));
  });
}
