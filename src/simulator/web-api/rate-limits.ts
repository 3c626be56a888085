import type { Clock } from '../../core/clock.ts';

/** Slack's real limits, as token buckets. Source: https://docs.slack.dev/apis/web-api/rate-limits */
export interface RateLimits {
  /** Takes one call; the seconds to wait (whole, at least 1) when the limit is reached, otherwise `null`. */
  take(call: {
    readonly workspaceId: string;
    readonly method: string;
    readonly channelId: string;
  }): number | null;
}

interface Limit {
  readonly perMinute: number;
  readonly burst: number;
  /** Counted for each channel by itself. */
  readonly perChannel: boolean;
}

const tier2: Limit = { perMinute: 20, burst: 20, perChannel: false };
const tier3: Limit = { perMinute: 50, burst: 50, perChannel: false };
const tier4: Limit = { perMinute: 100, burst: 100, perChannel: false };
/** "One message per second per channel", with "short bursts"; Slack does not say how short. */
const perChannel: Limit = { perMinute: 60, burst: 3, perChannel: true };

const limits: Readonly<Record<string, Limit>> = {
  'chat.postMessage': perChannel,
  'chat.update': tier3,
  'chat.delete': tier3,
  'chat.postEphemeral': tier4,
  'conversations.history': tier3,
  'conversations.replies': tier3,
  'conversations.info': tier3,
  'conversations.open': tier3,
  'reactions.add': tier3,
  'reactions.remove': tier2,
  'users.info': tier4,
  'team.info': tier3,
};

export function createRateLimits(clock: Clock): RateLimits {
  const buckets = new Map<string, { tokens: number; filledAtMs: number }>();
  return {
    take({ workspaceId, method, channelId }) {
      const limit = limits[method];
      if (!limit) return null;
      const key = `${workspaceId} ${method} ${limit.perChannel ? channelId : ''}`;
      const nowMs = clock();
      const bucket = buckets.get(key) ?? { tokens: limit.burst, filledAtMs: nowMs };
      const perMs = limit.perMinute / 60_000;
      const tokens = Math.min(limit.burst, bucket.tokens + (nowMs - bucket.filledAtMs) * perMs);
      buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, filledAtMs: nowMs });
      return tokens >= 1 ? null : Math.max(1, Math.ceil((1 - tokens) / perMs / 1000));
    },
  };
}
