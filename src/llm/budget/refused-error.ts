import { KonstructError } from '../../core/errors.ts';
import type { BudgetScope, ReserveCall, ReserveOutcome } from './budget-ledger.ts';

type Refused = Extract<ReserveOutcome, { readonly outcome: 'refused' }>;
type Unpriced = Extract<ReserveOutcome, { readonly outcome: 'unpriced' }>;

/** Three attempts of a turn outlast the lease of a reservation. */
const HELD_RETRY_MS = 30_000;

const whose: Readonly<Record<BudgetScope, string>> = {
  tenant: 'of the tenant',
  agent: 'of the agent',
  person: 'of the person',
  turn: 'of the turn',
};

/** Whether a limit would not allow the call if nothing of it were spent. */
export function isTooSmall({ needed, limit }: Pick<Refused, 'needed' | 'limit'>): boolean {
  return needed > limit;
}

/** The error of a call that a limit does not allow. Amounts in the details are 1e-9 US dollars, or tokens. */
export function refusedError(call: ReserveCall, refused: Refused): KonstructError {
  const { scope, subject, period, unit, limit, spent, reserved, needed, isHeld, resetsAtMs, timeZone } =
    refused;
  const why = isHeld
    ? ' while others are under way'
    : isTooSmall(refused)
      ? ': it is smaller than what that can cost'
      : '';
  const which = `${period === 'turn' ? 'limit' : `budget for the ${period}`} ${whose[scope]} in ${unit === 'usd' ? 'US dollars' : 'tokens'}`;
  return new KonstructError(
    'budget_exhausted',
    `The ${which} does not allow the next call to ${call.provider} ${call.model}${why}.`,
    {
      details: {
        reason: 'limit',
        tenantId: call.tenantId,
        scope,
        subject,
        period,
        unit: unit === 'usd' ? 'nanoUsd' : 'tokens',
        limit,
        spent,
        reserved,
        needed,
        isHeld,
        resetsAt: resetsAtMs === null ? null : new Date(resetsAtMs).toISOString(),
        timeZone,
      },
      // It would fit if nothing else were under way: what a dead process held comes back when its lease ends.
      ...(isHeld ? { retryAfterMs: HELD_RETRY_MS } : {}),
    },
  );
}

/** The error of a call whose price nobody knows, under a limit in US dollars. */
export function unpricedError(call: ReserveCall, { scope, period }: Unpriced): KonstructError {
  return new KonstructError(
    'budget_exhausted',
    `The price of ${call.provider} ${call.model} is not known, and a budget ${whose[scope]} in US dollars applies: give its route entry a price.`,
    {
      details: {
        reason: 'unpriced',
        tenantId: call.tenantId,
        scope,
        period,
        provider: call.provider,
        model: call.model,
      },
    },
  );
}
