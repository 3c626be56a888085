import { mapConcurrently } from '../core/map-concurrently.ts';
import type { RouteEntry } from '../core/model.ts';
import type { ConfigFile } from './config-file.ts';
import type { FileProblem } from './config-source.ts';
import type { ParsedConfigFile } from './parse-config-file.ts';
import type { Installation } from './read-installation.ts';

/** What is wrong with a route entry, at one of its fields. */
export interface EntryProblem {
  readonly field: 'provider' | 'model' | 'baseUrl' | 'apiKey' | 'region';
  /** What is wrong and what to do. */
  readonly problem: string;
  /**
   * `wrong`: it can answer nowhere. `unset`: it lacks a key or an address, which the environment of the processes that
   * answer may have. `doubtful`: asking the provider did not settle it.
   */
  readonly certainty: 'wrong' | 'unset' | 'doubtful';
}

export type CheckEntry = (entry: RouteEntry) => Promise<EntryProblem | null>;

/** A problem of one entry of the file's routes. */
export interface FoundProblem extends EntryProblem {
  readonly route: string;
  readonly index: number;
  readonly entry: RouteEntry;
}

const AT_ONCE = 8;
const WAY_OUT = ', or apply with --keys-elsewhere if the processes that answer have it';

/** Looks at every entry of the file's routes. Providers may be asked, so it is done before anything is locked. */
export async function findEntryProblems(
  file: ConfigFile,
  checkEntry: CheckEntry | undefined,
): Promise<readonly FoundProblem[]> {
  if (!checkEntry) return [];
  const all = (file.routes ?? []).flatMap(({ name, entries }) =>
    entries.map((entry, index) => ({ route: name, index, entry })),
  );
  const found = await mapConcurrently(all, AT_ONCE, async (at): Promise<FoundProblem[]> => {
    const problem = await checkEntry(at.entry);
    return problem === null ? [] : [{ ...at, ...problem }];
  });
  return found.flat();
}

/**
 * Tells problems that refuse the file from those that operators are only told of. A key that a tenant brings is a key:
 * its agents can use the entry.
 */
export function sortEntryProblems(
  found: readonly FoundProblem[],
  { file, locate, pathOfEntry }: ParsedConfigFile,
  installation: Installation,
  unset: 'refused' | 'told',
): { readonly problems: readonly FileProblem[]; readonly warnings: readonly string[] } {
  const problems: FileProblem[] = [];
  const warnings: string[] = [];
  const brought = new Set<string>(
    [
      ...(file.tenants ?? []).map(({ keys }) => keys),
      ...[...installation.tenants.values()].map(keysOf),
    ].flatMap((keys) => Object.keys(keys ?? {})),
  );
  for (const { route, index, entry, field, problem, certainty } of found) {
    if (certainty === 'unset' && field === 'apiKey' && !entry.baseUrl && brought.has(entry.provider))
      continue;
    const path = pathOfEntry(route, index);
    const isRefused = certainty === 'wrong' || (certainty === 'unset' && unset === 'refused');
    const way = certainty === 'unset' && isRefused ? WAY_OUT : '';
    const text = `(${entry.provider} ${entry.model}): ${problem}${way}`;
    const at = field in entry ? locate([...path, field], text) : locate(path, text, field);
    if (isRefused) problems.push(at);
    else warnings.push(`Line ${at.line}: ${at.field} ${text}.`);
  }
  return { problems, warnings };
}

function keysOf({ modelKeys }: { readonly modelKeys: readonly { readonly provider: string }[] }) {
  return Object.fromEntries(modelKeys.map(({ provider }) => [provider, true]));
}
