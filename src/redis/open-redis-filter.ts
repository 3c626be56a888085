import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { RedisAddress } from '../core/redis-address.ts';
import { admissionScripts } from './admission-scripts.ts';
import { createQuietThreads, type QuietThreads } from './create-quiet-threads.ts';
import { createRedisFilter, type RedisFilter } from './create-redis-filter.ts';
import { createRedisLink, type RedisLinkTiming } from './create-redis-link.ts';

/** The filter of one gateway process, with its connection. */
export interface OpenRedisFilter extends RedisFilter {
  /** To be called when PostgreSQL announces a conversation (`konstruct_begun`), and with `null` after a gap. */
  readonly forgetThread: QuietThreads['forget'];
  /** Brings to Redis what is settled, and disconnects. */
  close(): Promise<void>;
}

export interface OpenRedisFilterOptions {
  readonly address: RedisAddress;
  /** Whether announcements reach us. */
  readonly isListening: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly timing?: Partial<RedisLinkTiming>;
}

/** Resolves after the first attempt to connect, which takes a second at most, whether or not it succeeded. */
export async function openRedisFilter(options: OpenRedisFilterOptions): Promise<OpenRedisFilter> {
  const { address, log, timing = {}, isListening } = options;
  const link = await createRedisLink({ address, scripts: admissionScripts, log, timing });
  const quiet = createQuietThreads(options.clock);
  const filter = createRedisFilter({ link, cluster: address.cluster, quiet, isListening });
  return {
    ...filter,
    forgetThread: quiet.forget,
    async close() {
      await filter.settled();
      await link.close();
    },
  };
}
