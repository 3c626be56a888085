import { CHECK_TIMEOUT_MS, type Check, ok, problem, warning } from './check.ts';
import { pingRedis } from './ping-redis.ts';

/** Whether Redis answers, where one is configured: each host that REDIS_URL names. */
export const checkRedis: Check = {
  name: 'Redis',
  async run({ config, signal }) {
    if (config.redis === null) return [];
    const address = config.redis.reveal();
    const answers = await Promise.all(
      address.nodes.map(async (node) => ({
        where: `${node.host}:${node.port}`,
        trouble: await pingRedis(
          address,
          node,
          AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]),
        ),
      })),
    );
    if (answers.every(({ trouble }) => trouble === null)) {
      return [ok(address.cluster ? 'Redis answers, and its cluster is complete.' : 'Redis answers.')];
    }
    const remedy =
      'Check REDIS_URL, its password and the server. Until then PostgreSQL does what Redis would.';
    const dead = answers.every(({ trouble }) => trouble !== null);
    return answers.flatMap(({ where, trouble }) => {
      if (trouble === null) return [];
      const text = `Redis at ${where} does not work: ${trouble}.`;
      // One host of several is enough to find the others.
      return [dead ? problem(text, remedy) : warning(text, remedy)];
    });
  },
};
