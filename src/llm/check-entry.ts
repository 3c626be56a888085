import type { ProviderKeys, RouteEntry } from '../core/model.ts';
import { checkProvider } from './check-provider.ts';
import { resolveEntry } from './resolve-entry.ts';

/** What is wrong with a route entry: see `EntryProblem` of the configuration file, whose shape it has. */
export interface EntryFinding {
  readonly field: 'provider' | 'model' | 'baseUrl' | 'apiKey' | 'region';
  readonly problem: string;
  readonly certainty: 'wrong' | 'unset' | 'doubtful';
}

/** Without asking anybody. */
export function checkEntry(entry: RouteEntry, keys: ProviderKeys): EntryFinding | null {
  const resolved = resolveEntry(entry, keys);
  if (resolved.kind === 'access') return null;
  return {
    field: resolved.field,
    problem: resolved.problem,
    certainty: resolved.isUnset ? 'unset' : 'wrong',
  };
}

export interface AskOptions {
  readonly keys: ProviderKeys;
  /** Ends the asking; what was not asked by then is not found wrong. */
  readonly signal: AbortSignal;
  /** Deadline for each provider, in ms. */
  readonly timeoutMs: number;
  readonly fetch?: typeof globalThis.fetch;
}

/**
 * The same, and asks the provider whether it has the model, which costs no tokens. Only a clear no is `wrong`; a refused
 * key, a provider that cannot be reached, is busy or does not tell its models leaves it `doubtful`.
 */
export async function askForEntry(entry: RouteEntry, options: AskOptions): Promise<EntryFinding | null> {
  const known = checkEntry(entry, options.keys);
  if (known !== null || options.signal.aborted) return known;
  try {
    const checked = await checkProvider(entry, options);
    if (checked.kind === 'ok') {
      if (!checked.isUntold) return null;
      const problem = `whether ${entry.provider} has this model is not known: ${checked.note}`;
      return { field: 'model', problem, certainty: 'doubtful' };
    }
    const { field, isCertain, problem, remedy } = checked;
    return {
      field,
      problem: `${problem}. ${remedy}`.replace(/\.$/, ''),
      certainty: isCertain ? 'wrong' : 'doubtful',
    };
  } catch (error) {
    if (options.signal.aborted) return null;
    throw error;
  }
}
