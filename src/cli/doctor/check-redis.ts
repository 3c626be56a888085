import { CHECK_TIMEOUT_MS, type Check, ok, problem } from './check.ts';
import { pingRedis } from './ping-redis.ts';

/** Whether Redis answers, where one is configured. */
export const checkRedis: Check = {
  name: 'Redis',
  async run({ config, signal }) {
    if (config.redisUrl === null) return [];
    const answer = await pingRedis(
      new URL(config.redisUrl.reveal()),
      AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]),
    );
    return answer === null
      ? [ok('Redis answers.')]
      : [problem(`Redis does not work: ${answer}.`, 'Check REDIS_URL, its password and the server.')];
  },
};
