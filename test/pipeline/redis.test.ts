import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AdmitMessage, AdmitOutcome } from '../../src/router/admit.ts';
import { until } from '../support/conversation.ts';
import { createTlsFiles } from '../support/create-tls-files.ts';
import { hasProgram } from '../support/find-program.ts';
import {
  conversationOf,
  createPipelineDatabase,
  messageEvent,
  type PipelineDatabase,
} from '../support/pipeline-database.ts';
import { type RedisServer, redisIsMissing, redisMissing, startRedis } from '../support/start-redis.ts';
import { startRedisCluster } from '../support/start-redis-cluster.ts';
import { type RedisGateway, startRedisGateway } from '../support/start-redis-gateway.ts';

/** No busy machine misses it. Where Redis hangs, the tests take the real one. */
const PATIENT = { callMs: 10_000, connectMs: 10_000 };
const closing: (() => Promise<unknown> | unknown)[] = [];
let database: PipelineDatabase;

beforeAll(async () => {
  database = await createPipelineDatabase();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => database.drop());

const mention = (overrides: Partial<AdmitMessage> = {}) => messageEvent(database.tenants[0], overrides);

async function server(options: Parameters<typeof startRedis>[0] = {}): Promise<RedisServer> {
  const started = await startRedis(options);
  closing.push(() => started.close());
  return started;
}

async function gateway(url: string, timing: Parameters<typeof startRedisGateway>[2] = PATIENT) {
  const started = await startRedisGateway(database, url, timing);
  closing.push(() => started.filter.close());
  return started;
}

function count(outcomes: readonly AdmitOutcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

const events = ({ log }: RedisGateway) => log.lines.map(({ event }) => event);
const isUp = (...gateways: readonly RedisGateway[]) =>
  until('Redis is used', () => gateways.every((each) => each.isUp()));

describe.skipIf(redisIsMissing)(`Redis keeps from PostgreSQL${redisMissing}`, () => {
  it('a flood beyond the limit, once the sender has been told', async () => {
    const { url } = await server();
    const gateways = [await gateway(url), await gateway(url)] as const;
    const flood = () => mention({ bucketKey: 'flood', ratePerMinute: 1, senderId: 'UFLOOD' });
    for (let index = 0; index < 2; index += 1) await gateways[0].admit(flood());
    await gateways[0].filter.settled();
    const before = gateways.map(({ reachedDatabase }) => reachedDatabase.length);
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, index) => gateways[index % 2 === 0 ? 0 : 1].admit(flood())),
    );
    expect(count(outcomes)).toEqual({ limited: 200 });
    expect(gateways.map(({ reachedDatabase }) => reachedDatabase.length)).toEqual(before);
  });

  it('what comes again after it was committed, on any gateway', async () => {
    const { url } = await server();
    const gateways = [await gateway(url), await gateway(url)] as const;
    const messages = Array.from({ length: 40 }, () => mention());
    expect(count(await Promise.all(messages.map(gateways[0].admit)))).toEqual({ new: 40 });
    await gateways[0].filter.settled();
    const again = await Promise.all([...messages, ...messages].map(gateways[1].admit));
    expect(count(again)).toEqual({ duplicate: 80 });
    expect(gateways[1].reachedDatabase).toEqual([]);
    expect(gateways[1].filter.snapshot()).toMatchObject({ filtered: 80, duplicates: 80, fallenBack: 0 });
  });

  it('a thread among people, after its first message', async () => {
    const { url } = await server();
    const one = await gateway(url);
    const thread = mention().messageId;
    const chatter = () => mention({ conversationThreadId: thread, addressed: 'if_engaged' });
    const outcomes = [];
    for (let index = 0; index < 10; index += 1) outcomes.push(await one.admit(chatter()));
    expect(count(outcomes)).toEqual({ not_engaged: 10 });
    expect(one.reachedDatabase).toHaveLength(1);
  });
});

describe.skipIf(redisIsMissing)(`a thread in which the agent is asked${redisMissing}`, () => {
  const thread = () => {
    const { messageId } = mention();
    const chatter = () => mention({ conversationThreadId: messageId, addressed: 'if_engaged' });
    return { root: mention({ conversationThreadId: messageId }), chatter };
  };

  it('is heard although Redis was emptied, or restarted, in between', async () => {
    const redis = await server();
    const [one, other] = [await gateway(redis.url), await gateway(redis.url)];
    for (const forget of [() => redis.command('FLUSHALL'), () => redis.restart()]) {
      const { root, chatter } = thread();
      expect((await one.admit(chatter())).outcome).toBe('not_engaged');
      expect((await other.admit(root)).outcome).toBe('new');
      await forget();
      await isUp(one, other);
      expect((await one.admit(chatter())).outcome).toBe('new');
    }
  });

  it('is heard although Redis came back as an old copy of itself', async () => {
    const redis = await server();
    const [one, other] = [await gateway(redis.url), await gateway(redis.url)];
    const { root, chatter } = thread();
    expect((await one.admit(chatter())).outcome).toBe('not_engaged');
    await redis.command('SAVE');
    expect((await other.admit(root)).outcome).toBe('new');
    await redis.restart();
    await isUp(one);
    // As it was: it knows itself by the same key, and of nobody who asked for the agent.
    expect(await redis.command('KEYS', 'konstruct:*:incarnation')).toHaveLength(1);
    expect(await redis.command('KEYS', 'konstruct:*:thread:*')).toEqual([]);
    expect((await one.admit(chatter())).outcome).toBe('new');
  });

  it('is heard although it was asked through a gateway that has lost Redis: PostgreSQL announces it', async () => {
    const redis = await server();
    const gone = await server();
    const [one, other] = [await gateway(redis.url), await gateway(gone.url)];
    await gone.kill();
    const heard: (string | null)[] = [];
    const listener = await database.listenForBegun((name) => {
      heard.push(name);
      one.filter.forgetThread(name);
    });
    closing.push(() => listener.stop());
    const { root, chatter } = thread();
    expect((await one.admit(chatter())).outcome).toBe('not_engaged');
    expect((await one.admit(chatter())).outcome).toBe('not_engaged');
    expect(one.reachedDatabase).toHaveLength(1);
    expect((await other.admit(root)).outcome).toBe('new');
    expect(other.filter.snapshot().fallenBack).toBe(1);
    await until('it was announced', () => heard.length > 0);
    expect((await one.admit(chatter())).outcome).toBe('new');
  });

  it('is asked for while announcements may get lost', async () => {
    const redis = await server();
    const one = await gateway(redis.url);
    const { chatter } = thread();
    await one.admit(chatter());
    one.isListening = false;
    await one.admit(chatter());
    expect(one.reachedDatabase).toHaveLength(2);
  });

  it('is not learnt to be quiet from an answer that an announcement overtook', async () => {
    const redis = await server();
    const one = await gateway(redis.url);
    const { chatter } = thread();
    one.beforeDatabase = () => one.filter.forgetThread('any other thread');
    await one.admit(chatter());
    await one.admit(chatter());
    expect(one.reachedDatabase).toHaveLength(2);
  });
});

describe.skipIf(redisIsMissing)(`without Redis${redisMissing}`, () => {
  it('that was never there, PostgreSQL does it all, and Redis is used as soon as it comes', async () => {
    const redis = await server();
    await redis.kill();
    const one = await gateway(redis.url);
    const own = { bucketKey: 'never', ratePerMinute: 2 };
    const outcomes = [];
    for (let index = 0; index < 3; index += 1) outcomes.push(await one.admit(mention(own)));
    expect(count(outcomes)).toEqual({ new: 2, limited: 1 });
    expect(one.filter.snapshot()).toMatchObject({ state: 'unavailable', calls: 0, fallenBack: 3 });
    expect(events(one)).toEqual(['redis.unavailable']);
    await redis.restart();
    await isUp(one);
    expect((await one.admit(mention())).outcome).toBe('new');
    expect(one.filter.snapshot()).toMatchObject({ state: 'ok', filtered: 1 });
    expect(events(one)).toEqual(['redis.unavailable', 'redis.connected']);
  });

  it('that is killed under load nothing is refused, lost or stored twice, and it is used again, empty', async () => {
    const redis = await server();
    const gateways = [await gateway(redis.url), await gateway(redis.url)] as const;
    const messages = Array.from({ length: 300 }, () => mention({ bucketKey: 'load', ratePerMinute: 1_000 }));
    const outcomes = await Promise.all(
      messages.flatMap((message, index) => {
        const later = () => new Promise((resolve) => setTimeout(resolve, index * 2));
        return gateways.map(async ({ admit }) => {
          await later();
          if (index === 150) void redis.kill();
          return admit(message);
        });
      }),
    );
    expect(count(outcomes)).toEqual({ new: 300, duplicate: 300 });
    await until('both know', () => gateways.every((each) => !each.isUp()));
    const [one] = gateways;
    expect(one.filter.snapshot()).toMatchObject({ state: 'unavailable', losses: 1 });
    expect(one.filter.snapshot().fallenBack).toBeGreaterThan(0);
    expect(one.filter.snapshot().filtered).toBeGreaterThan(0);
    const { calls, failures } = one.filter.snapshot();
    expect((await one.admit(mention())).outcome).toBe('new');
    expect(one.filter.snapshot()).toMatchObject({ calls, failures }); // a dead Redis is not even asked
    await redis.restart();
    await isUp(...gateways);
    const again = await Promise.all(messages.map((message) => one.admit(message)));
    expect(count(again)).toEqual({ duplicate: 300 });
    expect(events(one)).toEqual(['redis.connected', 'redis.unavailable', 'redis.connected']);
  });

  it('that hangs each message is stored all the same, and soon nothing waits for it any more', async () => {
    const redis = await server();
    const one = await gateway(redis.url, { connectMs: 300 });
    expect((await one.admit(mention())).outcome).toBe('new');
    await one.filter.settled();
    redis.signal('SIGSTOP');
    closing.push(() => redis.signal('SIGCONT'));
    const outcomes = [];
    while (one.isUp()) outcomes.push(await one.admit(mention()));
    expect(count(outcomes)).toEqual({ new: outcomes.length });
    const { failures, calls } = one.filter.snapshot();
    expect(failures).toBeGreaterThanOrEqual(3);
    expect((await one.admit(mention())).outcome).toBe('new');
    expect(one.filter.snapshot()).toMatchObject({ state: 'unavailable', failures, calls });
    redis.signal('SIGCONT');
    await isUp(one);
  });

  it('the limit is PostgreSQL’s alone: nobody is refused for what Redis has charged', async () => {
    const redis = await server();
    const one = await gateway(redis.url);
    const own = { bucketKey: 'handover', ratePerMinute: 3 };
    const send = async (messages: number) => {
      const outcomes = [];
      for (let index = 0; index < messages; index += 1) outcomes.push(await one.admit(mention(own)));
      return count(outcomes);
    };
    expect(await send(4)).toEqual({ new: 3, limited: 1 });
    await redis.kill();
    await until('it is known', () => !one.isUp());
    expect(await send(4)).toEqual({ new: 3, limited: 1 });
    const buckets = await database.query<{ tokens: number }>(
      `select tokens from konstruct.rate_buckets where key = 'handover'`,
    );
    expect(buckets).toHaveLength(1);
    expect(buckets[0]?.tokens).toBeLessThan(1);
  });

  it('a full Redis that refuses to write is passed by', async () => {
    const redis = await server();
    await redis.command('CONFIG', 'SET', 'maxmemory', '1', 'maxmemory-policy', 'noeviction');
    const one = await gateway(redis.url);
    expect((await one.admit(mention())).outcome).toBe('new');
    expect(one.filter.snapshot()).toMatchObject({ filtered: 0, fallenBack: 1 });
  });
});

describe.skipIf(redisIsMissing)(`reaching Redis${redisMissing}`, () => {
  it('takes a password, and says when it is wrong', async () => {
    const redis = await server({ password: 'p@ss word' });
    const right = redis.url.replace('p@ss word', encodeURIComponent('p@ss word'));
    expect((await gateway(right)).isUp()).toBe(true);
    const wrong = await gateway(right.replace('p%40ss', 'other'));
    expect(wrong.isUp()).toBe(false);
    expect(wrong.log.lines).toMatchObject([{ event: 'redis.unavailable', fields: { reason: 'WRONGPASS' } }]);
    expect(JSON.stringify(wrong.log.lines)).not.toContain('word');
  });

  it('takes a user who may do little: without INFO nothing is remembered of threads', async () => {
    const redis = await server();
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>pass', '~konstruct:*', '+@all', '-@dangerous');
    const one = await gateway(redis.url.replace('redis://', 'redis://app:pass@'));
    const thread = mention().messageId;
    for (let index = 0; index < 2; index += 1) {
      const chatter = mention({ conversationThreadId: thread, addressed: 'if_engaged' });
      expect((await one.admit(chatter)).outcome).toBe('not_engaged');
    }
    expect(one.reachedDatabase).toHaveLength(2);
    expect((await one.admit(mention())).outcome).toBe('new');
    expect(one.filter.snapshot()).toMatchObject({ filtered: 3, fallenBack: 0 });
  });

  it('teaches it the scripts again when it has lost them', async () => {
    const redis = await server();
    const one = await gateway(redis.url);
    await redis.command('SCRIPT', 'FLUSH');
    expect((await one.admit(mention())).outcome).toBe('new');
    expect(one.filter.snapshot()).toMatchObject({ filtered: 1, fallenBack: 0 });
  });

  it.skipIf(!hasProgram('openssl'))('over TLS trusts only who is vouched for', async () => {
    const files = createTlsFiles();
    closing.push(() => files.close());
    const redis = await server({ tls: files });
    const stranger = await gateway(redis.url);
    expect(stranger.log.lines).toMatchObject([
      { event: 'redis.unavailable', fields: { reason: 'DEPTH_ZERO_SELF_SIGNED_CERT' } },
    ]);
    const trusted = getCACertificates('default');
    closing.push(() => setDefaultCACertificates(trusted));
    setDefaultCACertificates([...trusted, readFileSync(files.certificate, 'utf8')]);
    const known = await gateway(redis.url);
    expect(known.isUp()).toBe(true);
    expect((await known.admit(mention())).outcome).toBe('new');
    expect(known.filter.snapshot()).toMatchObject({ filtered: 1, fallenBack: 0 });
  });
});

describe.skipIf(redisIsMissing)(`a cluster${redisMissing}`, { timeout: 60_000 }, () => {
  const perTenant = (overrides: Partial<AdmitMessage>) =>
    database.tenants.map((tenant) => messageEvent(tenant, overrides));

  it('serves tenants of different slots in one batch, and follows a slot that moves', async () => {
    const cluster = await startRedisCluster();
    closing.push(() => cluster.close());
    const one = await gateway(cluster.url);
    const [first, second] = perTenant({ bucketKey: 'moving', ratePerMinute: 2 });
    if (!first || !second) throw new Error('two tenants');
    expect(count(await Promise.all([one.admit(first), one.admit(second)]))).toEqual({ new: 2 });
    await one.filter.settled();
    await cluster.moveSlot(`{${first.tenantId}}`);
    const [again] = perTenant({ bucketKey: 'moving', ratePerMinute: 2 });
    const outcomes = await Promise.all([
      one.admit(first),
      one.admit(second),
      one.admit(again as AdmitMessage),
    ]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['duplicate', 'duplicate', 'new']);
    const [last] = perTenant({ bucketKey: 'moving', ratePerMinute: 2 });
    expect((await one.admit(last as AdmitMessage)).outcome).toBe('limited');
    expect(one.filter.snapshot()).toMatchObject({ fallenBack: 0, losses: 0 });
  });

  it('that loses a master: PostgreSQL steps in, then the replica; no thread goes unheard', async () => {
    const cluster = await startRedisCluster();
    closing.push(() => cluster.close());
    const [one, other] = [await gateway(cluster.url), await gateway(cluster.url)];
    const threads = perTenant({}).map((root) => ({
      root,
      chatter: { ...root, addressed: 'if_engaged' as const },
    }));
    const fresh = (event: AdmitMessage) => ({ ...event, messageId: mention().messageId, eventId: null });
    for (const { chatter } of threads) {
      expect((await one.admit(fresh(chatter))).outcome).toBe('not_engaged');
    }
    for (const { root } of threads) conversationOf(await other.admit(root));
    await cluster.masters[0].kill();
    const outcomes = [];
    for (let index = 0; index < 20; index += 1) outcomes.push(await one.admit(mention()));
    expect(count(outcomes)).toEqual({ new: 20 });
    await cluster.takeOver();
    await isUp(one, other);
    const before = one.filter.snapshot().filtered;
    for (const { chatter } of threads) expect((await one.admit(fresh(chatter))).outcome).toBe('new');
    expect(one.filter.snapshot().filtered).toBe(before + threads.length);
  });
});
