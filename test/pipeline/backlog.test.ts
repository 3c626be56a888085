import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { watchBacklog } from '../../src/router/watch-backlog.ts';
import { agentTexts, answerTo, idle, textOf, until } from '../support/conversation.ts';
import { acme, globex } from '../support/people.ts';
import { createPipelineDatabase, messageEvent, type PipelineDatabase } from '../support/pipeline-database.ts';
import { silentLog } from '../support/silent-log.ts';
import { startInstallation } from '../support/start-installation.ts';

const BUSY = /I have a lot to do right now/;

describe('a look at the backlog', () => {
  let database: PipelineDatabase;
  beforeAll(async () => {
    database = await createPipelineDatabase();
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    await database.query('truncate konstruct.conversations, konstruct.backlogs cascade');
  });

  const watch = (bounds: { afterMs: number | null; afterWaiting: number | null }) => {
    const made = watchBacklog({ pool: database.pool(1), bounds, everyMs: 3_600_000, log: silentLog });
    return {
      seen: async () => {
        await made.look();
        return database.tenants.map(({ tenantId }) => made.of(tenantId));
      },
      stop: made.stop,
    };
  };
  const ask = (tenant: 0 | 1, count: number) =>
    Promise.all(
      Array.from({ length: count }, () => database.gateway()(messageEvent(database.tenants[tenant]))),
    );

  it('finds the tenant of which more waits than the bound, and only that', async () => {
    const { seen } = watch({ afterMs: null, afterWaiting: 4 });
    await ask(0, 4);
    await ask(1, 1);
    expect(await seen()).toEqual([null, null]);
    await ask(0, 1);
    expect(await seen()).toEqual([{ since: expect.any(String), waiting: 5 }, null]);
  });

  it('finds the tenant of which one has waited too long', async () => {
    const { seen } = watch({ afterMs: 60_000, afterWaiting: null });
    await ask(0, 1);
    await ask(1, 1);
    expect(await seen()).toEqual([null, null]);
    await database.query(
      `update konstruct.conversations set ready_at = now() - interval '2 minutes' where tenant_id = $1`,
      [database.tenants[1].tenantId],
    );
    expect(await seen()).toEqual([null, { since: expect.any(String), waiting: 1 }]);
  });

  it('names the episode alike in every gateway, and ends it at half of the bound', async () => {
    const [first, second] = [
      watch({ afterMs: null, afterWaiting: 6 }),
      watch({ afterMs: null, afterWaiting: 6 }),
    ];
    await ask(0, 8);
    const [ours, theirs] = await Promise.all([first.seen(), second.seen()]);
    expect(ours[0]).not.toBeNull();
    expect(theirs).toEqual(ours);
    await database.worker('w').claim(4);
    expect((await first.seen())[0]).toEqual({ ...ours[0], waiting: 4 });
    await database.worker('w').claim(1);
    expect(await first.seen()).toEqual([null, null]);
    await ask(0, 5);
    const [again] = await first.seen();
    expect(again?.waiting).toBe(8);
    expect(again?.since).not.toBe(ours[0]?.since);
  });
});

describe('an admission that says the tenant has a backlog', () => {
  let database: PipelineDatabase;
  beforeAll(async () => {
    database = await createPipelineDatabase();
  });
  afterAll(() => database.drop());

  it('makes one notice per conversation and episode, and none while a turn runs there', async () => {
    const admit = database.gateway();
    const busy = { busySince: 'one', busyAhead: 12 };
    const first = messageEvent(database.tenants[0], busy);
    const inThread = { ...busy, conversationThreadId: first.conversationThreadId };
    expect(await admit(first)).toMatchObject({ outcome: 'new', noticeId: expect.any(Number) });
    expect(await admit(first)).toEqual({ outcome: 'duplicate' });
    expect(await admit(messageEvent(database.tenants[0], inThread))).not.toHaveProperty('noticeId');
    const next = { ...inThread, busySince: 'two' };
    expect(await admit(messageEvent(database.tenants[0], next))).toHaveProperty('noticeId');
    await database.worker('w').claim(1);
    const third = { ...inThread, busySince: 'three' };
    expect(await admit(messageEvent(database.tenants[0], third))).not.toHaveProperty('noticeId');
    expect(await admit(messageEvent(database.tenants[0]))).not.toHaveProperty('noticeId');
    const context = messageEvent(database.tenants[0], { ...third, addressed: 'context' });
    expect(await admit(context)).toMatchObject({ outcome: 'context' });
    expect(await database.query(`select 1 from konstruct.deliveries where kind = 'notice'`)).toHaveLength(2);
  });
});

describe('a slow model and more messages than it answers', () => {
  it('each waiting thread is told once that it takes a while, all are answered, and other tenants hear nothing', {
    timeout: 60_000,
  }, async () => {
    const installation = await startInstallation({
      settings: { ratePerMinute: 10_000 },
      app: {
        workerConcurrency: 4,
        tenantConcurrency: 2,
        busy: { afterMs: null, afterWaiting: 2 },
        timing: { lookEveryMs: 20 },
      },
    });
    try {
      const { simulator, model } = installation;
      let slow = true;
      const release = Promise.withResolvers<void>();
      model.respond(async ({ messages }) => {
        const own = messages.at(-1)?.content.includes('globex');
        if (slow && !own) await release.promise;
        return { text: 'Here you are.' };
      });
      const say = (text: string, threadTs?: string) =>
        simulator.say({
          workspaceId: acme.workspaceId,
          channelId: acme.general,
          userId: acme.mara,
          text: `<@${acme.agent}> ${text}`,
          ...(threadTs === undefined ? {} : { threadTs }),
        });
      const early = [];
      for (let index = 0; index < 5; index += 1) early.push(await say(`early ${index}`));
      await Promise.all(early.map(({ acked }) => acked));
      await until('the gateway knows', async () =>
        (await fetch(`${installation.app?.url}/metrics`).then((answer) => answer.text())).includes(
          '\nkonstruct_tenants_busy 1\n',
        ),
      );
      const late = await say('late');
      await simulator.waitFor(
        (message) => message.isAgent && message.threadId === late.ts && BUSY.test(textOf(message)),
        10_000,
      );
      expect(agentTexts(installation, late)).toEqual([
        'I have a lot to do right now. You are about number 4 in line; I will answer here.',
      ]);
      expect(await (await say('late again', late.ts)).acked).toBe(true);
      const other = await simulator.say({
        workspaceId: globex.workspaceId,
        channelId: globex.general,
        userId: globex.yuki,
        text: `<@${globex.agent}> hello from globex`,
      });
      await answerTo(installation, other);
      slow = false;
      release.resolve();
      await answerTo(installation, late, (text) => !BUSY.test(text), 30_000);
      await idle(installation);
      for (const message of early) expect(agentTexts(installation, message)).toEqual(['Here you are.']);
      const told = agentTexts(installation, late);
      expect(told.filter((text) => BUSY.test(text))).toHaveLength(1);
      expect(agentTexts(installation, other)).toEqual(['Here you are.']);
    } finally {
      await installation.stop();
    }
  });

  it('who is answered quickly is told nothing', async () => {
    const installation = await startInstallation({
      settings: { ratePerMinute: 10_000 },
      app: { busy: { afterMs: 5_000, afterWaiting: 50 }, timing: { lookEveryMs: 20 } },
    });
    try {
      const sent = [];
      for (let index = 0; index < 20; index += 1) {
        sent.push(
          await installation.simulator.say({
            workspaceId: acme.workspaceId,
            channelId: index % 2 === 0 ? acme.general : acme.support,
            userId: acme.mara,
            text: `<@${acme.agent}> quick ${index}`,
          }),
        );
      }
      for (const message of sent) await answerTo(installation, message, undefined, 30_000);
      await idle(installation);
      expect(await installation.query(`select 1 from konstruct.deliveries where kind = 'notice'`)).toEqual(
        [],
      );
    } finally {
      await installation.stop();
    }
  });
});
