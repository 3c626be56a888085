import { sql } from 'kysely';
import {
  CHECK_TIMEOUT_MS,
  type Check,
  type DoctorContext,
  type Finding,
  ok,
  problem,
  warning,
} from './check.ts';

/** Slack refuses nothing, but we refuse what was signed more than 300 s away from our clock. */
const PROBLEM_MS = 120_000;
const WARNING_MS = 5_000;

/** This machine's clock against the database's and the platform's. */
export const checkClock: Check = {
  name: 'Clock',
  async run(context) {
    const findings = [await compareWithDatabase(context), await compareWithSlack(context)];
    return findings.filter((finding) => finding !== null);
  },
};

async function compareWithDatabase({ database, clock }: DoctorContext): Promise<Finding | null> {
  if (database === null) return null;
  const askedAtMs = clock();
  const { rows } = await sql<{ now: number }>`
    select extract(epoch from clock_timestamp())::float8 * 1000 as now`.execute(database);
  return judge('the database', Number(rows[0]?.now) - (askedAtMs + clock()) / 2);
}

async function compareWithSlack({ config, fetch, clock, signal }: DoctorContext): Promise<Finding | null> {
  const askedAtMs = clock();
  try {
    const response = await fetch(`${config.slack.apiUrl}api.test`, {
      method: 'POST',
      signal: AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]),
    });
    await response.body?.cancel();
    const date = Date.parse(response.headers.get('date') ?? '');
    // The header has no fraction of a second: on average half of one is missing.
    return Number.isNaN(date) ? null : judge('Slack', date + 500 - (askedAtMs + clock()) / 2);
  } catch {
    signal.throwIfAborted();
    return warning(
      `${new URL(config.slack.apiUrl).host} cannot be reached, so its clock is not known.`,
      'Check the network of this machine (firewall, proxy, DNS), unless no connection is to Slack.',
    );
  }
}

function judge(whose: string, aheadMs: number): Finding {
  const seconds = (Math.abs(aheadMs) / 1000).toFixed(1);
  const direction = aheadMs > 0 ? 'behind' : 'ahead of';
  const text = `This machine’s clock is ${seconds} s ${direction} that of ${whose}.`;
  const remedy = 'Synchronise the clock of this machine (NTP): signed requests are refused from 300 s on.';
  if (Math.abs(aheadMs) >= PROBLEM_MS) return problem(text, remedy);
  if (Math.abs(aheadMs) >= WARNING_MS) return warning(text, remedy);
  return ok(`This machine’s clock agrees with that of ${whose}.`);
}
