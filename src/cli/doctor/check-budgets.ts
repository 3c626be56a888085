import { listOperatorNotices, type OperatorNotice } from '../../stores/operator-notices.ts';
import { type Check, ok, warning } from './check.ts';

/** A month is the longest that a notice can be true. */
const SINCE_MS = 32 * 24 * 60 * 60_000;
const MOST = 1_000;
const SHOWN = 20;

/** Budgets that are mostly spent, or exhausted, in a period that is not over. */
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
      if (newer === undefined || (isOfTheSameLimit && notice.kind === 'budget_exhausted'))
        worst.set(key, notice);
    }
    if (worst.size === 0) return [ok('None is exhausted or nearly so.')];
    return [...worst.values()].slice(0, SHOWN).map(({ tenant, kind, detail }) => {
      const { scope, subject, period, unit } = detail;
      const whose = scope === 'tenant' ? `of ${tenant}` : `of ${scope} ${subject} of ${tenant}`;
      const state = kind === 'budget_exhausted' ? 'is exhausted' : 'is spent to 80 % or more';
      return warning(
        `The budget ${whose} for the ${period} in ${unit === 'usd' ? 'US dollars' : 'tokens'} ${state}.`,
        `Run \`konstruct usage --tenant ${tenant}\`; wait until ${new Date(detail.endsAtMs).toISOString()}, or raise it in konstruct.yaml.`,
      );
    });
  },
};
