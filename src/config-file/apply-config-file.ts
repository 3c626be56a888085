import type { Kysely } from 'kysely';
import type { Environment } from '../config.ts';
import type { Cipher } from '../core/cipher.ts';
import type { RouteEntry } from '../core/model.ts';
import type { Database } from '../db/schema.ts';
import { withAdvisoryLock } from '../db/with-advisory-lock.ts';
import { findConnectionOwners } from '../stores/connections.ts';
import type { AnswerCost } from './check-budget-sizes.ts';
import { type CheckEntry, findEntryProblems } from './check-models.ts';
import { type HasPrice, hasDoubtfulPrices } from './check-prices.ts';
import type { Offered } from './check-references.ts';
import { executePlan } from './execute-plan.ts';
import { type ConfigText, fileInvalid, parseConfigFile } from './parse-config-file.ts';
import type { Plan } from './plan.ts';
import { planInstallation } from './plan-installation.ts';
import { readInstallation } from './read-installation.ts';

/** Serialises applying among all processes; the number is arbitrary and never changes. */
const ADVISORY_LOCK = 7_203_419;

export interface ApplyOptions {
  /** Migrated. Its pool has at least two connections, `TENANTS_AT_ONCE` + 1 for speed. */
  readonly database: Kysely<Database>;
  readonly cipher: Cipher;
  readonly source: ConfigText;
  /** Where `${NAME}` is taken from. */
  readonly env: Environment;
  /** Removes what the sections of the file do not have. */
  readonly prune?: boolean;
  /** Plans only. */
  readonly dryRun?: boolean;
  /** How long to wait for another process that applies a file. */
  readonly lockDeadlineMs?: number;
  readonly newId?: () => string;
  /** What the installation has beside what is built in (`AppOptions.tools`, `AppOptions.channels`). */
  readonly offered?: Offered;
  /** What is wrong with an entry of a route. Without it nothing is said about keys and models. */
  readonly checkEntry?: CheckEntry | undefined;
  /** What becomes of entries without a key or an address, which other processes may have. Default: told. */
  readonly unset?: 'refused' | 'told';
  /** Stores credentials and keys anew that no key of ours opens. Default: they are a problem of the file. */
  readonly replaceUnreadable?: boolean;
  /** Whether it is known what a model costs. Without it nothing is said about prices. */
  readonly hasPrice?: HasPrice | undefined;
  /** Whether a model counts as free only because of its address. Without it nothing is said about that. */
  readonly isThoughtFree?: ((entry: RouteEntry) => boolean) | undefined;
  /** Without it limits in US dollars are not looked at for being too small for one answer. */
  readonly answerCost?: AnswerCost | undefined;
}

/**
 * Makes tenants, agents, connections and routes what a konstruct.yaml says: `konstruct apply`, KONSTRUCT_CONFIG at
 * start, and the first run of dev. Repeatable: the second time there is nothing to change. Processes that apply at
 * the same time go one after the other.
 *
 * Returns the plan that was executed, with its diff in `changes`.
 *
 * @throws KonstructError `config_invalid` with every problem of the file at once; then nothing was changed
 */
export async function applyConfigFile(options: ApplyOptions): Promise<Plan> {
  const { database, cipher, source, env, prune = false, dryRun = false } = options;
  const parsed = parseConfigFile(source, env, options.offered);
  const entryProblems = await findEntryProblems(parsed.file, options.checkEntry);
  // Tenants that the file does not name may spend money on its models, and bring keys for them.
  const isWide =
    prune ||
    entryProblems.some(({ certainty }) => certainty === 'unset') ||
    (await hasDoubtfulPrices(parsed.file, options));
  const wanted = isWide ? null : new Set(parsed.file.tenants?.map(({ slug }) => slug));
  const plan = async (): Promise<Plan> => {
    const planning = await planInstallation(parsed, await readInstallation(database, wanted), {
      cipher,
      prune,
      newId: options.newId ?? crypto.randomUUID.bind(crypto),
      findOwners: (keys) => findConnectionOwners(database, keys),
      entryProblems,
      unset: options.unset,
      replaceUnreadable: options.replaceUnreadable,
      hasPrice: options.hasPrice,
      isThoughtFree: options.isThoughtFree,
      answerCost: options.answerCost,
    });
    if (planning.problems.length > 0) throw fileInvalid(source.fileName, planning.problems);
    return planning.plan;
  };
  if (dryRun) return plan();
  return withApplyLock(
    database,
    async () => {
      const current = await plan();
      await executePlan(database, cipher, current);
      return current;
    },
    options.lockDeadlineMs,
  );
}

/** Runs work while nobody applies a file. The database's pool has a connection more than the work needs. */
export function withApplyLock<T>(
  database: Kysely<Database>,
  work: () => Promise<T>,
  deadlineMs = 60_000,
): Promise<T> {
  return withAdvisoryLock(
    database,
    { key: ADVISORY_LOCK, holder: 'Another `konstruct apply`', deadlineMs },
    work,
  );
}
