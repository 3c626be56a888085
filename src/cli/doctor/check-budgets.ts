import type { Kysely } from 'kysely';
import { usdLimitOf } from '../../config-file/check-prices.ts';
import { readInstallation } from '../../config-file/read-installation.ts';
import type { RouteEntry } from '../../core/model.ts';
import type { Database } from '../../db/schema.ts';
import { isThoughtFree } from '../../llm/prices/create-price-list.ts';
import { listOperatorNotices, type OperatorNotice } from '../../stores/operator-notices.ts';
import { type Check, type Finding, ok, warning } from './check.ts';

/** A month is the longest that a notice can be true. */
const SINCE_MS = 32 * 24 * 60 * 60_000;
const MOST = 1_000;
const SHOWN = 20;

const states: Readonly<Record<OperatorNotice['kind'], string>> = {
  budget_threshold: 'is spent to 80 % or more',
  budget_exhausted: 'is exhausted',
  budget_too_small: 'is too small for what one call can cost',
};

/** Budgets that are mostly spent, or exhausted, in a period that is not over; and models whose cost they may not see. */
export const checkBudgets: Check = {
  name: 'Budgets',
  async run({ database, clock }) {
    if (database === null) return [];
    const notices = await listOperatorNotices(database, new Date(clock() - SINCE_MS), MOST);
    const current = notices.filter(({ detail }) => detail.endsAtMs > clock());
    // What is exhausted need not also be said to be mostly spent; what was told of an earlier limit is over.
    const worst = new Map<string, OperatorNotice>();
    for (const notice of current) {
      const { scope, subject, period, unit } = notice.detail;
      const key = JSON.stringify([notice.tenant, scope, subject, period, unit]);
      const newer = worst.get(key);
      const isOfTheSameLimit = newer?.detail.limit === notice.detail.limit;
      if (newer === undefined || (isOfTheSameLimit && notice.kind !== 'budget_threshold'))
        worst.set(key, notice);
    }
    const free = await findThoughtFree(database);
    if (worst.size === 0) return [ok('None is exhausted or nearly so.'), ...free];
    const spent = [...worst.values()].slice(0, SHOWN).map(({ tenant, kind, detail }) => {
      const { scope, subject, period, unit } = detail;
      const whose = scope === 'tenant' ? `of ${tenant}` : `of ${scope} ${subject} of ${tenant}`;
      const usage = `Run \`konstruct usage --tenant ${tenant}\``;
      return warning(
        `The budget ${whose} for the ${period} in ${unit === 'usd' ? 'US dollars' : 'tokens'} ${states[kind]}.`,
        kind === 'budget_too_small'
          ? 'Raise it in konstruct.yaml, or give the route a cheaper model or a smaller `maxOutputTokens`; waiting does not help.'
          : `${usage}; wait until ${new Date(detail.endsAtMs).toISOString()}, or raise it in konstruct.yaml.`,
      );
    });
    return [...spent, ...free];
  },
};

/** Models under a budget in US dollars that count as free only because of their address. */
async function findThoughtFree(database: Kysely<Database>): Promise<readonly Finding[]> {
  const { routes, tenants } = await readInstallation(database, null);
  const budgets = new Map<string, string>();
  for (const { tenant, agents } of tenants.values()) {
    for (const agent of agents) {
      const limit = usdLimitOf(tenant, agent);
      if (limit !== null && !budgets.has(agent.route)) budgets.set(agent.route, `${limit} of ${tenant.slug}`);
    }
  }
  const free = routes.flatMap(({ name, entries }) =>
    entries.filter((entry) => isThoughtFree(entry as RouteEntry)).map((entry) => ({ name, entry })),
  );
  const found = free.flatMap(({ name, entry: { provider, model } }) => {
    const budget = budgets.get(name);
    if (budget === undefined) return [];
    return [
      warning(
        `Route ${name}: ${provider} ${model} counts as free for its address, but ${budget} is in US dollars.`,
        'Give its entry in konstruct.yaml a `price`, 0 if it really costs nothing.',
      ),
    ];
  });
  return found.slice(0, SHOWN);
}
