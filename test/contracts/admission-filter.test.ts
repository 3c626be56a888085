import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Admit, AdmitMessage, AdmitOutcome } from '../../src/router/admit.ts';
import {
  conversationOf,
  createPipelineDatabase,
  deletionOf,
  editOf,
  messageEvent,
  type PipelineDatabase,
} from '../support/pipeline-database.ts';
import { type RedisServer, redisIsMissing, redisMissing, startRedis } from '../support/start-redis.ts';
import { startRedisCluster } from '../support/start-redis-cluster.ts';
import { type RedisGateway, startRedisGateway } from '../support/start-redis-gateway.ts';

/** What a gateway does with messages, whoever keeps the buckets. */
interface Subject {
  readonly database: PipelineDatabase;
  /** `afterCommit`: what it waits for before it goes on with what is committed. */
  gateway(afterCommit?: () => Promise<void>): Promise<Admit>;
  /** Everything that is committed is known to the filter. */
  settled(): Promise<void>;
  /** Moves the clock of a bucket: it was last refilled so much earlier. */
  letPass(bucketKey: string, seconds: number): Promise<void>;
  close(): Promise<void>;
}

async function startPostgres(): Promise<Subject> {
  const database = await createPipelineDatabase();
  return {
    database,
    async gateway(afterCommit = async () => {}) {
      const admit = database.gateway();
      return async (event) => {
        const outcome = await admit(event);
        await afterCommit();
        return outcome;
      };
    },
    settled: async () => {},
    letPass: async (key, seconds) => {
      await database.query(
        `update konstruct.rate_buckets set refilled_at = refilled_at - $2 * interval '1 second' where key = $1`,
        [key, seconds],
      );
    },
    close: () => database.drop(),
  };
}

async function startWithRedis(server: {
  readonly url: string;
  readonly nodes: readonly Pick<RedisServer, 'command'>[];
  close(): Promise<void>;
}): Promise<Subject> {
  const database = await createPipelineDatabase();
  const gateways: RedisGateway[] = [];
  return {
    database,
    async gateway(afterCommit = async () => {}) {
      // A deadline that no busy machine misses: what a missed one means is tested elsewhere.
      const gateway = await startRedisGateway(database, server.url, { callMs: 10_000, connectMs: 10_000 });
      gateway.afterDatabase = afterCommit;
      gateways.push(gateway);
      return gateway.admit;
    },
    settled: async () => {
      await Promise.all(gateways.map(({ filter }) => filter.settled()));
    },
    async letPass(key, seconds) {
      const [tenant] = database.tenants;
      const bucket = `konstruct:{${tenant.tenantId}}:bucket:${key}`;
      for (const node of server.nodes) {
        try {
          await node.command('HINCRBYFLOAT', bucket, 'a', String(-seconds * 1000));
        } catch (error) {
          if (!String(error).includes('MOVED')) throw error;
        }
      }
    },
    async close() {
      // Nothing was answered by PostgreSQL for want of Redis: the suite would have tested the wrong thing.
      const counts = gateways.map(({ filter }) => filter.snapshot());
      await Promise.all(gateways.map(({ filter }) => filter.close()));
      await database.drop();
      await server.close();
      expect(counts.map(({ fallenBack }) => fallenBack)).toEqual(counts.map(() => 0));
      expect(counts.some(({ filtered }) => filtered > 0)).toBe(true);
    },
  };
}

function count(outcomes: readonly AdmitOutcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

function contract(name: string, isMissing: boolean, start: () => Promise<Subject>): void {
  describe.skipIf(isMissing)(name, { timeout: 30_000 }, () => {
    let subject: Subject;
    let database: PipelineDatabase;
    let gateways: readonly [Admit, Admit];
    let admit: Admit;
    beforeAll(async () => {
      subject = await start();
      database = subject.database;
      gateways = [await subject.gateway(), await subject.gateway()];
      [admit] = gateways;
    });
    afterAll(() => subject.close());

    const mention = (overrides: Partial<AdmitMessage> = {}) => messageEvent(database.tenants[0], overrides);
    const limited = (bucketKey: string, overrides: Partial<AdmitMessage> = {}) =>
      mention({ bucketKey, ratePerMinute: 30, ...overrides });
    /** A thread with an answer in it, which nobody follows any more. */
    async function idleThread(bucketKey: string): Promise<string> {
      const root = mention({ bucketKey });
      const id = conversationOf(await admit(root));
      await database.query(
        'update konstruct.conversations set ready_at = null, engaged_until = null where id = $1',
        [id],
      );
      return root.conversationThreadId;
    }
    const engage = (thread: string) =>
      database.query(
        `update konstruct.conversations set engaged_until = now() + interval '1 minute' where thread_id = $1`,
        [thread],
      );

    it('30 of 100 at the same moment pass through two gateways, then one every 2 seconds', async () => {
      const startedAt = performance.now();
      const outcomes = await Promise.all(
        Array.from({ length: 100 }, (_, index) => (gateways[index % 2] as Admit)(limited('burst'))),
      );
      const refilled = Math.ceil((performance.now() - startedAt) / 2_000);
      const passed = count(outcomes).new ?? 0;
      expect(passed).toBeGreaterThanOrEqual(30);
      expect(passed).toBeLessThan(30 + refilled);
      expect(count(outcomes).limited).toBe(100 - passed);
      await subject.letPass('burst', 2);
      expect((await gateways[1](limited('burst'))).outcome).toBe('new');
    });

    it('says when the next token comes', async () => {
      const own = { bucketKey: 'next', ratePerMinute: 1 };
      await admit(mention(own));
      const refusal = await admit(mention(own));
      expect(refusal.outcome).toBe('limited');
      const { retryAfterMs } = refusal as { retryAfterMs: number };
      expect(retryAfterMs).toBeGreaterThan(30_000);
      expect(retryAfterMs).toBeLessThanOrEqual(60_000);
      expect(Number.isInteger(retryAfterMs)).toBe(true);
      await subject.letPass('next', retryAfterMs / 1_000);
      expect((await admit(mention(own))).outcome).toBe('new');
    });

    it('a bucket never holds more than its capacity', async () => {
      await admit(limited('full', { ratePerMinute: 2 }));
      await subject.letPass('full', 100);
      const outcomes = [];
      for (let index = 0; index < 4; index += 1) {
        outcomes.push((await admit(limited('full', { ratePerMinute: 2 }))).outcome);
      }
      expect(outcomes).toEqual(['new', 'new', 'limited', 'limited']);
    });

    it('buckets are apart by key and by tenant', async () => {
      const own = { bucketKey: 'apart', ratePerMinute: 1 };
      const outcomes = [
        await admit(mention(own)),
        await admit(mention(own)),
        await admit(mention({ ...own, bucketKey: 'apart too' })),
        await admit(messageEvent(database.tenants[1], own)),
      ];
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['new', 'limited', 'new', 'new']);
    });

    it('a message pays once, however many copies of it come at the same moment', async () => {
      const own = { bucketKey: 'twins', ratePerMinute: 3 };
      const messages = [mention(own), mention(own), mention(own)];
      const copies = messages.flatMap((message) =>
        Array.from({ length: 6 }, (_, index) => ({ ...message, eventId: `Ev${randomUUID()}-${index}` })),
      );
      const outcomes = await Promise.all(copies.map((copy, index) => (gateways[index % 2] as Admit)(copy)));
      expect(count(outcomes)).toEqual({ new: 3, duplicate: 15 });
      await subject.settled();
      expect((await admit(mention(own))).outcome).toBe('limited');
    });

    it('a copy that is settled before the stored one lends its token to no other message', async () => {
      const own = { bucketKey: 'lent', ratePerMinute: 1 };
      const committed = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      const slowGateway = await subject.gateway(() => {
        committed.resolve();
        return goOn.promise;
      });
      const message = mention(own);
      const stored = slowGateway(message);
      await committed.promise;
      const copy = { ...message, eventId: `Ev${randomUUID()}` };
      expect((await admit(copy)).outcome).toBe('duplicate');
      await subject.settled();
      expect((await admit(mention(own))).outcome).toBe('limited');

      goOn.resolve();
      expect((await stored).outcome).toBe('new');
      await subject.settled();
      await subject.letPass('lent', 60); // nothing is owed either
      expect((await admit(mention(own))).outcome).toBe('new');
      expect((await admit(mention(own))).outcome).toBe('limited');
    });

    it('neither later copies nor what the agent is not asked pay', async () => {
      const own = { bucketKey: 'unpaid', ratePerMinute: 2 };
      const thread = await idleThread('elsewhere');
      const root = mention(own);
      expect((await admit(root)).outcome).toBe('new');
      for (let index = 0; index < 6; index += 1) {
        const copy = await (gateways[index % 2] as Admit)(root);
        expect(copy.outcome).toBe('duplicate');
        const addressed = index % 2 === 0 ? 'if_engaged' : 'context';
        const context = mention({ ...own, conversationThreadId: thread, addressed });
        expect((await admit(context)).outcome).toBe('context');
        const stranger = mention({ ...own, addressed: 'if_engaged' });
        expect((await admit(stranger)).outcome).toBe('not_engaged');
        await subject.settled();
      }
      expect((await admit(mention(own))).outcome).toBe('new');
      expect((await admit(mention(own))).outcome).toBe('limited');
    });

    it('a message in a thread that the agent follows pays, and is refused when the bucket is empty', async () => {
      const own = { bucketKey: 'engaged', ratePerMinute: 2 };
      const thread = await idleThread('elsewhere');
      await engage(thread);
      const reply = () =>
        admit(
          mention({ ...own, conversationThreadId: thread, addressed: 'if_engaged', senderId: 'UENGAGED' }),
        );
      const outcomes = [await reply(), await reply(), await reply()];
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['new', 'new', 'limited']);
      expect('noticeId' in (outcomes[2] as AdmitOutcome)).toBe(true);
      await subject.settled();
      expect((await admit(mention(own))).outcome).toBe('limited');
    });

    it('has each person told once while the bucket is empty, and again the next time', async () => {
      const from = (senderId: string) => limited('notices', { ratePerMinute: 4, senderId });
      const told: boolean[] = [];
      const refuse = async (senderId: string, gateway = 0) => {
        const refusal = await (gateways[gateway] as Admit)(from(senderId));
        expect(refusal.outcome).toBe('limited');
        told.push('noticeId' in refusal);
        await subject.settled();
      };
      for (let index = 0; index < 4; index += 1) await admit(from('UN1'));
      for (const person of ['UN1', 'UN1', 'UN2', 'UN1']) await refuse(person);
      await refuse('UN1', 1);
      expect(told.splice(0)).toEqual([true, false, true, false, false]);

      await subject.letPass('notices', 15); // one token: the episode goes on
      expect((await admit(from('UN1'))).outcome).toBe('new');
      await refuse('UN1');
      expect(told.splice(0)).toEqual([false]);

      await subject.letPass('notices', 60); // full again: the episode is over
      for (let index = 0; index < 4; index += 1) await admit(from('UN1'));
      await refuse('UN1');
      expect(told).toEqual([true]);
      const notices = await database.query<{ person: string }>(
        `select detail->>'personId' as person from konstruct.deliveries
         where kind = 'notice' and dedupe_key like '%:UN_' order by id`,
      );
      expect(notices.map(({ person }) => person)).toEqual(['UN1', 'UN2', 'UN1']);
    });

    it('a mention upgrades what came first as a plain message and was taken for context', async () => {
      const thread = await idleThread('upgrade');
      const plain = mention({ bucketKey: 'upgrade', conversationThreadId: thread, addressed: 'if_engaged' });
      expect((await admit(plain)).outcome).toBe('context');
      await subject.settled();
      expect((await admit(plain)).outcome).toBe('duplicate');
      const upgrade = { ...plain, addressed: 'yes' as const, eventId: `Ev${randomUUID()}` };
      expect((await admit(upgrade)).outcome).toBe('new');
      await subject.settled();
      expect((await admit(upgrade)).outcome).toBe('duplicate');
      expect((await admit(plain)).outcome).toBe('duplicate');
    });

    it('a failed store is no duplicate: the retry is stored, and paid once', async () => {
      const own = { bucketKey: 'retry', ratePerMinute: 1 };
      const message = mention({ ...own, scope: 'nowhere' as never });
      await expect(admit(message)).rejects.toThrow();
      await subject.settled();
      expect((await admit({ ...message, scope: 'channel' })).outcome).toBe('new');
      await subject.settled();
      expect((await admit(mention(own))).outcome).toBe('limited');
    });

    it('a thread among people is heard as soon as the agent is asked into it, by whichever gateway', async () => {
      const chatter = (thread: string) =>
        mention({ conversationThreadId: thread, addressed: 'if_engaged', bucketKey: 'quiet' });
      const thread = mention().messageId;
      for (let index = 0; index < 3; index += 1) {
        expect((await admit(chatter(thread))).outcome).toBe('not_engaged');
        await subject.settled();
      }
      const root = mention({ conversationThreadId: thread, bucketKey: 'quiet' });
      expect((await gateways[1](root)).outcome).toBe('new');
      expect((await admit(chatter(thread))).outcome).toBe('new');
    });

    it('edits and deletions follow their message', async () => {
      const message = mention({ content: 'first' });
      const outcomes = await Promise.all([
        admit(message),
        admit(editOf(message, 'better', 5_000)),
        admit(deletionOf(message)),
      ]);
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['new', 'edited', 'deleted']);
    });
  });
}

contract('PostgreSQL alone', false, startPostgres);
contract(`Redis before PostgreSQL${redisMissing}`, redisIsMissing, async () => {
  const server = await startRedis();
  return startWithRedis({ url: server.url, nodes: [server], close: () => server.close() });
});
contract(`Redis Cluster before PostgreSQL${redisMissing}`, redisIsMissing, async () => {
  const cluster = await startRedisCluster();
  return startWithRedis({ url: cluster.url, nodes: cluster.masters, close: () => cluster.close() });
});
