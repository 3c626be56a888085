import type { RedisLinkTiming } from '../../src/redis/create-redis-link.ts';
import { type OpenRedisFilter, openRedisFilter } from '../../src/redis/open-redis-filter.ts';
import { type Admit, type AdmitEvent, createAdmit } from '../../src/router/admit.ts';
import { createFilteredAdmit } from '../../src/router/create-filtered-admit.ts';
import type { PipelineDatabase } from './pipeline-database.ts';
import { recordingLog } from './recording-log.ts';
import { addressOf } from './start-redis.ts';

/** What a gateway with Redis does to the database, without the rest of the pipeline. */
export interface RedisGateway {
  readonly admit: Admit;
  readonly filter: OpenRedisFilter;
  isUp(): boolean;
  readonly log: ReturnType<typeof recordingLog>;
  /** Events that PostgreSQL was asked about. */
  readonly reachedDatabase: readonly AdmitEvent[];
  /** Whether announcements of conversations are said to reach it. */
  isListening: boolean;
  beforeDatabase: () => void;
  /** Between PostgreSQL's answer and what the filter hears of it. */
  afterDatabase: () => Promise<void>;
}

export async function startRedisGateway(
  database: PipelineDatabase,
  url: string,
  timing: Partial<RedisLinkTiming> = {},
): Promise<RedisGateway> {
  const log = recordingLog();
  const reachedDatabase: AdmitEvent[] = [];
  const toDatabase = createAdmit(database.pool());
  const filter = await openRedisFilter({
    address: addressOf(url),
    isListening: () => gateway.isListening,
    clock: Date.now,
    log,
    timing,
  });
  const gateway: RedisGateway = {
    admit: createFilteredAdmit(async (event) => {
      reachedDatabase.push(event);
      gateway.beforeDatabase();
      const outcome = await toDatabase(event);
      await gateway.afterDatabase();
      return outcome;
    }, filter),
    filter,
    isUp: () => filter.snapshot().state === 'ok',
    log,
    reachedDatabase,
    isListening: true,
    beforeDatabase() {},
    async afterDatabase() {},
  };
  return gateway;
}
