import type { Clock } from '../../core/clock.ts';
import type { Pace } from '../create-paced-calls.ts';
import { createRateLimits, type Rate } from '../create-rate-limits.ts';
import { createRecentValues } from '../recent-values.ts';
import { isGlobalLimit } from './discord-error.ts';

/** What one call counts towards. */
export interface RateRoute {
  readonly connectionId: string;
  /** Method and path without ids: `POST /channels/messages`. */
  readonly route: string;
  /** The channel, server or interaction in the path: limits are one's own. */
  readonly resource: string;
}

/**
 * Keeps calls within the limits that Discord names in its answers: per route and resource, as long as they last, and all
 * calls of a bot together. Nothing of it is hard coded but the 50 a second of a bot, which no answer names.
 *
 * Source: https://discord.com/developers/docs/topics/rate-limits
 */
export interface RateBuckets {
  paceOf(route: RateRoute): Pace;
  /** What an answer says of the limit that it counted towards. */
  learn(route: RateRoute, headers: Readonly<Record<string, string | readonly string[] | undefined>>): void;
}

interface Bucket {
  remaining: number;
  limit: number;
  windowMs: number;
  resetAtMs: number;
  /** Calls that wait for the reset. */
  waiting: number;
}

const BOT: Rate = { intervalMs: 1_000 / 50, burst: 50 };
/** A window begins at Discord when the first call of it arrives there. */
const MARGIN_MS = 50;
const MAX_BUCKETS = 10_000;
/** An unused bucket says nothing any more. */
const TTL_MS = 60 * 60_000;

export function createRateBuckets(clock: Clock): RateBuckets {
  const limits = createRateLimits(clock);
  /** Which bucket a route belongs to, as Discord named it. */
  const names = createRecentValues<string>(MAX_BUCKETS, clock);
  const buckets = createRecentValues<Bucket>(MAX_BUCKETS, clock);

  const routeKey = ({ connectionId, route, resource }: RateRoute) => `${connectionId} ${route} ${resource}`;
  const bucketKey = (route: RateRoute) => {
    const name = names.get(`${route.connectionId} ${route.route}`);
    return name === undefined ? routeKey(route) : `${route.connectionId} ${name} ${route.resource}`;
  };

  /** ms until the next place; `null`: more than may be waited. */
  function take(bucket: Bucket, maxWaitMs: number): number | null {
    const now = clock();
    if (now >= bucket.resetAtMs) {
      bucket.remaining = Math.max(0, bucket.limit - bucket.waiting);
      bucket.waiting = 0;
      bucket.resetAtMs = now + bucket.windowMs;
    }
    if (bucket.remaining > 0) {
      bucket.remaining -= 1;
      return 0;
    }
    const windows = Math.floor(bucket.waiting / bucket.limit);
    const waitMs = bucket.resetAtMs - now + MARGIN_MS + windows * (bucket.windowMs + MARGIN_MS);
    if (waitMs > maxWaitMs) return null;
    bucket.waiting += 1;
    return waitMs;
  }

  return {
    paceOf(route) {
      const ofBot = route.connectionId;
      const ofRoute = routeKey(route);
      return {
        reserve(maxWaitMs) {
          const botMs = limits.reserve([[ofBot, BOT]], maxWaitMs);
          if (botMs === null) return null;
          const bucket = buckets.get(bucketKey(route));
          const routeMs = bucket === undefined ? 0 : take(bucket, maxWaitMs);
          return routeMs === null ? null : Math.max(botMs, routeMs);
        },
        heldMs: () => Math.max(limits.heldMs(ofBot), limits.heldMs(ofRoute)),
        hold: (limit) => limits.hold(isGlobalLimit(limit) ? ofBot : ofRoute, limit.retryAfterMs ?? 0),
      };
    },
    learn(route, headers) {
      const name = headers['x-ratelimit-bucket'];
      const limit = Number(headers['x-ratelimit-limit']);
      const remaining = Number(headers['x-ratelimit-remaining']);
      const windowMs = Number(headers['x-ratelimit-reset-after']) * 1_000;
      if (typeof name !== 'string' || name === '' || !(limit >= 1 && remaining >= 0 && windowMs >= 0)) return;
      names.set(`${route.connectionId} ${route.route}`, name, TTL_MS);
      const key = bucketKey(route);
      const known = buckets.get(key);
      const now = clock();
      // Calls under way have taken places that this answer does not know of yet.
      const isSameWindow = known !== undefined && now < known.resetAtMs;
      const bucket: Bucket = {
        limit,
        remaining: isSameWindow ? Math.min(known.remaining, remaining) : remaining,
        windowMs: Math.max(windowMs, known?.windowMs ?? 0),
        resetAtMs: now + windowMs,
        waiting: known?.waiting ?? 0,
      };
      buckets.set(key, bucket, TTL_MS);
    },
  };
}
