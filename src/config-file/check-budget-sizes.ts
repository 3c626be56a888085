import { MAX_OUTPUT_TOKENS, type RouteEntry } from '../core/model.ts';
import { agentsAfterwards, type Budgeted, type Spending } from './check-prices.ts';
import type { ConfigFile } from './config-file.ts';
import type { ParsedConfigFile } from './parse-config-file.ts';
import type { Installation } from './read-installation.ts';

/** What so many tokens of an answer of an entry's model cost, in 1e-9 US dollars; `null`: not known. */
export type AnswerCost = (entry: RouteEntry, tokens: number) => Promise<number | null>;

interface Limit {
  readonly name: string;
  readonly unit: 'nanoUsd' | 'tokens';
  readonly amount: number;
}

/**
 * Warnings of limits below what the longest answer alone can come to, whichever model of the route gives it: before each
 * call that is set aside, so the agent would never answer. One of nothing is meant.
 */
export async function checkBudgetSizes(
  file: ConfigFile,
  installation: Installation,
  { answerCost, prune }: { readonly answerCost?: AnswerCost | undefined; readonly prune: boolean },
  { locate }: Pick<ParsedConfigFile, 'locate'>,
): Promise<readonly string[]> {
  const warnings = new Map<string, string>();
  for (const { tenant, agent, path } of agentsAfterwards(file, installation, prune)) {
    if (path.length === 0) continue; // not in the file
    const routes = [...(file.routes ?? []), ...installation.routes];
    const entries = (routes.find(({ name }) => name === agent.route)?.entries ?? []) as readonly RouteEntry[];
    for (const { name, unit, amount } of limitsOf(tenant, agent)) {
      const least = await leastOf(entries, unit, answerCost);
      if (amount === 0 || least === null || amount >= least || warnings.has(`${tenant.slug} ${name}`))
        continue;
      const needed = unit === 'tokens' ? `${least} tokens` : `${least / 1e9} US dollars`;
      const { line, field, problem } = locate(
        path,
        `is answered under ${name} of ${tenant.slug}, which is less than one answer can come to (${needed} and its prompt): it will never answer; raise it, or give the route a cheaper model or a smaller maxOutputTokens`,
      );
      warnings.set(`${tenant.slug} ${name}`, `Line ${line}: ${field} ${problem}.`);
    }
  }
  return [...warnings.values()];
}

async function leastOf(
  entries: readonly RouteEntry[],
  unit: Limit['unit'],
  answerCost: AnswerCost | undefined,
): Promise<number | null> {
  const costs = await Promise.all(
    entries.map(async (entry) => {
      const tokens = Math.min(entry.maxOutputTokens ?? MAX_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS);
      return unit === 'tokens' ? tokens : ((await answerCost?.(entry, tokens)) ?? 0);
    }),
  );
  return costs.length === 0 ? null : Math.min(...costs);
}

function limitsOf(tenant: Budgeted, agent: Spending): readonly Limit[] {
  const { maxTurnUsd } = agent.limits;
  const budgets = [
    ['the budget', tenant.budget],
    ['the personBudget', tenant.personBudget],
    [`the budget of agent ${agent.slug}`, agent.budget],
  ] as const;
  const limits = budgets.flatMap(([whose, { dailyUsd, monthlyUsd, dailyTokens, monthlyTokens }]) => [
    limit(`${whose} (dailyUsd)`, 'nanoUsd', dailyUsd),
    limit(`${whose} (monthlyUsd)`, 'nanoUsd', monthlyUsd),
    limit(`${whose} (dailyTokens)`, 'tokens', dailyTokens),
    limit(`${whose} (monthlyTokens)`, 'tokens', monthlyTokens),
  ]);
  return [...limits, limit(`the limit maxTurnUsd of agent ${agent.slug}`, 'nanoUsd', maxTurnUsd)].flat();
}

function limit(name: string, unit: Limit['unit'], amount: number | null): readonly Limit[] {
  return amount === null ? [] : [{ name, unit, amount: unit === 'tokens' ? amount : amount * 1e9 }];
}
