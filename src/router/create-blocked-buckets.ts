import type { Clock } from '../core/clock.ts';

/** Senders remembered per block; a flood by more people than this is told no further. */
const MAX_TOLD = 1_000;

/**
 * What this process knows of empty buckets, so that a flood costs no database round trip while the limit lasts. A
 * sender who has not been told yet is let through once: the database then refuses and tells them.
 */
export interface BlockedBuckets {
  isBlocked(tenantId: string, bucketKey: string, senderId: string): boolean;
  block(tenantId: string, bucketKey: string, senderId: string, retryAfterMs: number): void;
}

export function createBlockedBuckets(clock: Clock): BlockedBuckets {
  const blocks = new Map<string, { untilMs: number; readonly told: Set<string> }>();
  return {
    isBlocked(tenantId, bucketKey, senderId) {
      const block = blocks.get(`${tenantId}\n${bucketKey}`);
      if (!block) return false;
      if (block.untilMs <= clock()) {
        blocks.delete(`${tenantId}\n${bucketKey}`);
        return false;
      }
      return block.told.has(senderId) || block.told.size >= MAX_TOLD;
    },
    block(tenantId, bucketKey, senderId, retryAfterMs) {
      const key = `${tenantId}\n${bucketKey}`;
      const block = blocks.get(key) ?? { untilMs: 0, told: new Set() };
      block.untilMs = Math.max(block.untilMs, clock() + retryAfterMs);
      block.told.add(senderId);
      blocks.set(key, block);
    },
  };
}
