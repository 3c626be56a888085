import { createHash } from 'node:crypto';
import type { Random } from '../core/clock.ts';
import type { ModelRequest, Route, RouteEntry } from '../core/model.ts';

/**
 * The models of a request in the order in which they are asked: the preferred one, then the route's. Among entries with a
 * weight one goes before the others, in proportion to the weights; requests that share a cache key begin with the same.
 */
export function planCourse(route: Route, request: ModelRequest, random: Random): readonly RouteEntry[] {
  const entries = withTrial(route, request, random);
  const { preferred } = request;
  if (preferred === undefined) return entries;
  const known = entries.find((entry) => isSameModel(entry, preferred));
  // The route's own entry knows keys and limits that the wish does not.
  return [known ?? preferred, ...entries.filter((entry) => entry !== known)];
}

/** Whose window may be too small stands behind the others, the widest first: a refusal costs nothing, but takes a while. */
export function doubtfulLast(
  course: readonly RouteEntry[],
  fits: (entry: RouteEntry) => 'yes' | 'maybe' | 'no',
): readonly RouteEntry[] {
  const doubtful = course.filter((entry) => fits(entry) === 'maybe');
  if (doubtful.length === 0) return course;
  return [
    ...course.filter((entry) => !doubtful.includes(entry)),
    ...doubtful.sort((a, b) => (b.contextTokens ?? 0) - (a.contextTokens ?? 0)),
  ];
}

function withTrial(route: Route, request: ModelRequest, random: Random): readonly RouteEntry[] {
  const weighted = route.entries.filter(({ weight }) => weight !== undefined);
  const total = weighted.reduce((sum, { weight = 0 }) => sum + weight, 0);
  if (weighted.length < 2 || total <= 0) return route.entries;
  let point = total * (request.cacheKey === undefined ? random() : share(request.cacheKey, route.name));
  const chosen =
    weighted.find(({ weight = 0 }) => {
      point -= weight;
      return point < 0;
    }) ?? weighted[0];
  const others = weighted.filter((entry) => entry !== chosen && (entry.weight ?? 0) > 0);
  let next = 0;
  const order = chosen === undefined ? others : [chosen, ...others];
  // The places of the weighted entries stay; who stands in them changes. One of weight 0 is out of the trial.
  return route.entries.flatMap((entry) => {
    if (entry.weight === undefined) return [entry];
    const taken = order[next];
    next += 1;
    return taken === undefined ? [] : [taken];
  });
}

function isSameModel(a: RouteEntry, b: RouteEntry): boolean {
  return (
    a.provider === b.provider && a.model === b.model && (b.baseUrl === undefined || a.baseUrl === b.baseUrl)
  );
}

/** A number in [0, 1) that is always the same for the same key. */
function share(cacheKey: string, routeName: string): number {
  return createHash('sha256').update(`${routeName}\n${cacheKey}`).digest().readUInt32BE(0) / 2 ** 32;
}
