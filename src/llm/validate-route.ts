import type { ProviderKeys, Route } from '../core/model.ts';
import { resolveEntry } from './resolve-entry.ts';

/**
 * Problems of a route that would make entries useless, in plain words: `entry 2 (openai gpt-5.4): there is no key; …`.
 * Empty when all is well. Asks nobody; `checkProvider` does.
 */
export function validateRoute(route: Route, keys: ProviderKeys): string[] {
  if (route.entries.length === 0) return ['the route has no entries; give it at least one model'];
  return route.entries.flatMap((entry, index) => {
    const resolved = resolveEntry(entry, keys);
    if (resolved.kind === 'access') return [];
    return [`entry ${index + 1} (${entry.provider} ${entry.model}): ${resolved.problem}`];
  });
}
