import { afterEach, describe, expect, it } from 'vitest';
import { checkRedis } from '../../src/cli/doctor/check-redis.ts';
import { loadConfig } from '../../src/config.ts';
import { redisIsMissing, redisMissing, startRedis } from '../support/start-redis.ts';
import { startRedisCluster } from '../support/start-redis-cluster.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function examine(url: string) {
  const config = loadConfig({ REDIS_URL: url }, { mode: 'command', cwd: '/' });
  const findings = await checkRedis.run({ config, signal: AbortSignal.timeout(10_000) } as never);
  return findings.map(({ level, text }) => `${level}: ${text}`);
}

describe.skipIf(redisIsMissing)(`konstruct doctor on Redis${redisMissing}`, () => {
  it('finds it well, finds the password wrong, and finds it gone', async () => {
    const redis = await startRedis({ password: 'secret' });
    closing.push(() => redis.close());
    expect(await examine(redis.url)).toEqual(['ok: Redis answers.']);
    expect(await examine(redis.url.replace('secret', 'other'))).toEqual([
      expect.stringMatching(/^problem: Redis at 127\.0\.0\.1:\d+ does not work: WRONGPASS/),
    ]);
    expect(await examine(redis.url.replace(':secret@', ''))).toEqual([
      expect.stringMatching(/^problem: .* NOAUTH/),
    ]);
    await redis.kill();
    expect(await examine(redis.url)).toEqual([expect.stringMatching(/^problem: .*: ECONNREFUSED\.$/)]);
  });

  it('looks at every host of a cluster', { timeout: 60_000 }, async () => {
    const cluster = await startRedisCluster();
    closing.push(() => cluster.close());
    expect(await examine(cluster.url)).toEqual(['ok: Redis answers, and its cluster is complete.']);
    await cluster.masters[2].kill();
    const findings = await examine(cluster.url);
    expect(findings).toContainEqual(expect.stringMatching(/^(warning|problem): .*: ECONNREFUSED\.$/));
  });

  it('finds a single server that is named as a cluster', async () => {
    const redis = await startRedis();
    closing.push(() => redis.close());
    expect(await examine(redis.url.replace('redis://', 'redis+cluster://'))).toEqual([
      expect.stringMatching(/^problem: .*cluster support disabled/),
    ]);
  });
});
