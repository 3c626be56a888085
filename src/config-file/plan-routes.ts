import { isDeepStrictEqual } from 'node:util';
import type { Cipher } from '../core/cipher.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Route } from '../core/model.ts';
import { openRoute, type StoredRoute } from '../stores/routes.ts';
import type { Change, FieldChange, RoutesPlan } from './plan.ts';

/** Compares the routes of the file with those of the database. The order of a route's entries matters. */
export function planRoutes(
  wanted: readonly Route[] | null,
  existing: readonly StoredRoute[],
  options: { cipher: Cipher; prune: boolean },
): { plan: RoutesPlan; changes: Change[]; unchanged: number } {
  const put: Route[] = [];
  const changes: Change[] = [];
  let unchanged = 0;
  const byName = new Map(existing.map((route) => [route.name, route]));
  for (const route of wanted ?? []) {
    const before = byName.get(route.name);
    const fields = before ? compareWithStored(options.cipher, before, route) : [];
    if (before && fields.length === 0) {
      unchanged += 1;
      continue;
    }
    put.push(route);
    changes.push({ ...routeChange(before ? 'update' : 'create', route.name), fields });
  }
  const names = new Set(wanted?.map(({ name }) => name));
  const surplus = options.prune && wanted !== null ? existing.filter(({ name }) => !names.has(name)) : [];
  changes.push(...surplus.map(({ name }) => routeChange('remove', name)));
  return { plan: { put, remove: surplus.map(({ name }) => name) }, changes, unchanged };
}

/** Keys of a lost master key count as changed: applying is how they are stored again. */
function compareWithStored(cipher: Cipher, before: StoredRoute, after: Route): FieldChange[] {
  try {
    return compareRoutes(openRoute(cipher, before), after);
  } catch (error) {
    if (isKonstructError(error, 'credentials_unreadable')) return [{ field: 'apiKey' }];
    throw error;
  }
}

function compareRoutes(before: Route, after: Route): FieldChange[] {
  const [{ name: _, entries: __, ...from }, { name: ___, entries: ____, ...to }] = [before, after];
  const options = isDeepStrictEqual(from, to) ? [] : [{ field: 'options' }];
  const length = Math.max(before.entries.length, after.entries.length);
  const entries = Array.from({ length }, (_each, index) => {
    const [from, to] = [before.entries[index], after.entries[index]];
    if (isDeepStrictEqual(from, to)) return [];
    const [shownFrom, shownTo] = [describeEntry(from), describeEntry(to)];
    const field = `[${index}]`;
    // The same model with another address or key: neither is shown.
    return shownFrom === shownTo ? [{ field }] : [{ field, from: shownFrom, to: shownTo }];
  }).flat();
  return [...entries, ...options];
}

function describeEntry(entry: Route['entries'][number] | undefined): string {
  return entry === undefined ? 'none' : `${entry.provider} ${entry.model}`;
}

function routeChange(action: Change['action'], name: string): Change {
  return { action, kind: 'route', tenant: null, name, fields: [] };
}
