import { afterEach, describe, expect, it } from 'vitest';
import type { RedisFilterCounts } from '../../src/redis/create-redis-filter.ts';
import { agentTexts, until } from '../support/conversation.ts';
import { manyChannels, workspaceWithManyChannels } from '../support/many-channels.ts';
import { acme } from '../support/people.ts';
import { retryDelaysMs } from '../support/retry-delays.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { type RedisServer, redisIsMissing, redisMissing, startRedis } from '../support/start-redis.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';

let installation: Installation;
let redis: RedisServer;
const processes: ServeProcess[] = [];
const gateways: ServeProcess[] = [];

afterEach(async () => {
  await Promise.all(processes.splice(0).map((serve) => serve.end('SIGKILL')));
  gateways.splice(0);
  await installation.stop();
  await redis.close();
});

/** Slack sends each event to one of two gateways in turn. */
async function start(ratePerMinute: number): Promise<void> {
  let events = 0;
  redis = await startRedis();
  installation = await startInstallation({
    app: null,
    workspaces: workspaceWithManyChannels,
    settings: { ratePerMinute },
    simulator: {
      retryDelaysMs,
      eventsUrl: () => `${gateways[events++ % gateways.length]?.url}/slack/events`,
    },
  });
  for (const role of ['gateway', 'gateway'] as const) gateways.push(await serve(role));
}

async function serve(role: 'gateway' | 'worker'): Promise<ServeProcess> {
  const started = await startServeProcess(installation, role, { REDIS_URL: redis.url });
  processes.push(started);
  return started;
}

const mention = (channelId: string, text: string) => ({
  workspaceId: acme.workspaceId,
  channelId,
  userId: acme.mara,
  text: `<@${acme.agent}> ${text}`,
});

async function health({ url }: ServeProcess) {
  const response = await fetch(`${url}/health`);
  const body = (await response.json()) as { status: string; redis: string; redisCounts: RedisFilterCounts };
  return { code: response.status, ...body };
}

describe.skipIf(redisIsMissing)(`two gateway processes on one Redis${redisMissing}`, () => {
  it('share a limit: 30 of 100 messages at the same moment are taken', { timeout: 60_000 }, async () => {
    await start(30);
    const startedAt = performance.now();
    const sent = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        installation.simulator.say(mention(acme.general, `question ${index}`)),
      ),
    );
    expect((await Promise.all(sent.map(({ acked }) => acked))).every(Boolean)).toBe(true);
    const refilled = Math.ceil((performance.now() - startedAt) / 2_000);
    const stored = await installation.query(
      `select count(*)::int as n from konstruct.messages where direction = 'in' and addressed`,
    );
    const taken = Number(stored[0]?.n);
    // A gateway whose first call was slower than its deadline had PostgreSQL decide, which has a bucket of its own.
    const fallen = await Promise.all(
      gateways.map(async (each) => (await health(each)).redisCounts.fallenBack),
    );
    expect(taken).toBeGreaterThanOrEqual(30);
    expect(taken).toBeLessThan(30 + refilled + Math.min(30, fallen[0] ?? 0) + Math.min(30, fallen[1] ?? 0));
    const notices = await installation.query(
      `select distinct detail->>'personId' as person from konstruct.deliveries where kind = 'notice'`,
    );
    expect(notices).toEqual([{ person: acme.mara }]);
  });

  it('lose it under load, and have it again: everything is answered, once', { timeout: 90_000 }, async () => {
    await start(10_000);
    await serve('worker');
    const { simulator, model } = installation;
    simulator.faults.add({ kind: 'event_duplicate', copies: 1 });
    model.respond(() => ({ text: 'Once.', delayMs: 20 }));
    const sent: Awaited<ReturnType<typeof simulator.say>>[] = [];
    const say = async (messages: number) => {
      for (let index = 0; index < messages; index += 1) {
        sent.push(
          await simulator.say(
            mention(manyChannels[sent.length % manyChannels.length] as string, `question ${sent.length}`),
          ),
        );
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    await say(12);
    void redis.kill();
    await say(12);
    await until('both say so', async () => {
      const reports = await Promise.all(gateways.map(health));
      return reports.every((report) => report.redis === 'unavailable');
    });
    for (const report of await Promise.all(gateways.map(health))) {
      expect(report).toMatchObject({ code: 200, status: 'ok' });
      expect(report.redisCounts.losses).toBe(1);
      expect(report.redisCounts.fallenBack).toBeGreaterThan(0);
    }
    await redis.restart();
    await until('both use it again', async () => {
      const reports = await Promise.all(gateways.map(health));
      return reports.every((report) => report.redis === 'ok');
    });
    const before = await Promise.all(gateways.map(health));
    // On a busy machine an answer may come too late for its deadline, and PostgreSQL decides.
    await until(
      'both have asked it again',
      async () => {
        await say(12);
        const reports = await Promise.all(gateways.map(health));
        return reports.every(
          ({ redisCounts }, index) => redisCounts.filtered > Number(before[index]?.redisCounts.filtered),
        );
      },
      30_000,
    );
    const acked = await Promise.all(sent.map((message) => message.acked));
    expect(acked.every(Boolean)).toBe(true);
    await until(
      'all are answered',
      async () => {
        const [open] = await installation.query(`
          select count(*)::int as n from konstruct.messages m left join konstruct.turns t on t.id = m.turn_id
          where m.direction = 'in' and m.addressed and t.status is distinct from 'answered'`);
        return open?.n === 0;
      },
      60_000,
    );
    expect(
      await installation.query(`select count(*)::int as n from konstruct.messages where direction = 'in'`),
    ).toEqual([{ n: sent.length }]);
    for (const message of sent) expect(agentTexts(installation, message), message.ts).toEqual(['Once.']);
    for (const gateway of gateways) {
      const logged = gateway.lines.map(({ event }) => String(event));
      expect(logged.filter((event) => event.startsWith('redis.'))).toEqual([
        'redis.connected',
        'redis.unavailable',
        'redis.connected',
      ]);
      expect(logged.filter((event) => event.startsWith('request.'))).toEqual([]);
    }
  });
});
