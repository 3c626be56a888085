import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReactionEvent } from '../../src/core/channel-event.ts';
import type { ResolvedConnection } from '../../src/core/connection-directory.ts';
import { createAdmitWish } from '../../src/router/admit.ts';
import { createFeedbackAdmission } from '../../src/router/admit-feedback.ts';
import { createBlockedBuckets } from '../../src/router/create-blocked-buckets.ts';
import { createRouter } from '../../src/router/create-router.ts';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import { expireOldRows } from '../../src/stores/retention.ts';
import { ask, idle, textOf, until } from '../support/conversation.ts';
import { acme, globex } from '../support/people.ts';
import { createPipelineDatabase, messageEvent, type PipelineDatabase } from '../support/pipeline-database.ts';
import { readMetrics } from '../support/read-metrics.ts';
import { runKonstruct } from '../support/run-konstruct.ts';
import type { SeededTenant } from '../support/seed-tenants.ts';
import { silentLog } from '../support/silent-log.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

const inGeneral = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
const question = { ...inGeneral, text: `<@${acme.agent}> marmalade?` };

describe('👍 and 👎 in Slack', () => {
  let installation: Installation;
  beforeAll(async () => {
    installation = await startInstallation({ settings: { ratePerMinute: 10_000 } });
  });
  afterAll(() => installation.stop());

  async function verdicts(sent: SentMessage): Promise<readonly Record<string, unknown>[]> {
    return installation.query(
      `select f.person_id as person, f.verdict from konstruct.feedback f
       join konstruct.messages m on m.tenant_id = f.tenant_id and m.turn_id = f.turn_id and m.direction = 'in'
       where m.external_id = $1 order by f.person_id`,
      [sent.ts],
    );
  }

  const react = (ts: string, userId: string, name: string, present = true) =>
    installation.simulator.react({ ...inGeneral, ts }, { userId, name, present });

  it('are kept with the turn: one verdict for each person, the newest, and none when it is taken off', async () => {
    const { sent, answer } = await ask(installation, question);
    await idle(installation);
    await react(answer.messageId, acme.mara, '+1::skin-tone-3');
    await react(answer.messageId, acme.tomas, '-1');
    await until('both are kept', async () => (await verdicts(sent)).length === 2);
    const byPerson = async (person: string) =>
      (await verdicts(sent)).find((row) => row.person === person)?.verdict;
    expect(await byPerson(acme.mara)).toBe('up');
    expect(await byPerson(acme.tomas)).toBe('down');
    await react(answer.messageId, acme.mara, '-1');
    await until('the newest wins', async () => (await byPerson(acme.mara)) === 'down');
    await react(answer.messageId, acme.mara, '-1', false);
    await until('the one that stays counts again', async () => (await byPerson(acme.mara)) === 'up');
    await react(answer.messageId, acme.mara, '+1::skin-tone-3', false);
    await until('nothing is left', async () => (await byPerson(acme.mara)) === null);
    const metrics = await readMetrics(installation.app?.url ?? '');
    const counted = (verdict: string) =>
      metrics.value('konstruct_feedback_total', { channel: 'slack', verdict });
    expect([counted('up'), counted('down'), counted('taken_back')]).toEqual([2, 2, 1]);
  });

  it('count on every part of a long answer, and there a stop is understood too', async () => {
    const paragraphs = Array.from({ length: 30 }, (_, index) => `${index} ${'long '.repeat(200)}`);
    installation.model.respondNext(paragraphs.join('\n\n'));
    const { sent } = await ask(installation, question);
    await idle(installation);
    const last = installation.simulator.messages(acme.workspaceId, acme.general, sent.ts).at(-1);
    expect(textOf(last as never)).toContain('29 long');
    expect(last?.isAgent).toBe(true);
    await react(last?.messageId ?? '', acme.mara, 'thumbsdown');
    await until('it is kept', async () => (await verdicts(sent))[0]?.verdict === 'down');
    await react(last?.messageId ?? '', acme.mara, 'octagonal_sign');
    await until('the thread is not followed any more', async () => {
      const [row] = await installation.query(
        'select engaged_until as until from konstruct.conversations where thread_id = $1',
        [sent.ts],
      );
      return row?.until === null;
    });
  });

  it('say nothing on what others wrote, nor if they are the agent’s own', async () => {
    const { sent, answer } = await ask(installation, question);
    await idle(installation);
    const fire = (messageId: string, user: string) =>
      installation.simulator.fire(acme.workspaceId, {
        type: 'reaction_added',
        user,
        reaction: '+1',
        item: { type: 'message', channel: acme.general, ts: messageId },
        event_ts: `${Math.floor(Date.now() / 1000)}.000100`,
      });
    expect(await fire(sent.ts, acme.mara)).toBe(true);
    expect(await fire(answer.messageId, acme.agent)).toBe(true);
    expect(await verdicts(sent)).toEqual([]);
    expect(await fire(answer.messageId, acme.mara)).toBe(true);
    expect(await verdicts(sent)).toEqual([{ person: acme.mara, verdict: 'up' }]);
  });

  it('are listed by `konstruct feedback`, with texts only on demand', { timeout: 60_000 }, async () => {
    const env = {
      DATABASE_URL: installation.databaseUrl,
      KONSTRUCT_MASTER_KEY: installation.masterKey.toString('base64'),
    };
    const feedback = (args: string) => runKonstruct(`feedback ${args}`, { env });
    installation.model.respondNext('Orange, of course.');
    const { sent, answer } = await ask(installation, question);
    await idle(installation);
    await react(answer.messageId, acme.mara, '-1');
    await until('it is kept', async () => (await verdicts(sent)).length === 1);
    const slug = acme.workspaceId.toLowerCase();
    const listed = await feedback(`--tenant ${slug} --json --limit 1`);
    expect(JSON.parse(listed.stdout)).toMatchObject({
      tenant: slug,
      disliked: [
        {
          channel: 'slack',
          channelId: acme.general,
          messageId: answer.messageId,
          agent: expect.any(String),
          model: 'openai-compatible test',
          up: 0,
          down: 1,
        },
      ],
    });
    expect(listed.stdout).not.toMatch(/marmalade|Orange/);
    const told = await feedback(`--tenant ${slug} --with-text --limit 1`);
    expect(told.stdout).toMatch(/marmalade\?[\s\S]*Orange, of course\./);
    expect((await feedback(`--tenant ${globex.workspaceId.toLowerCase()}`)).stdout).toBe(
      'People gave 0 👍 and 0 👎.\n',
    );
    const tomorrow = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
    expect((await feedback(`--tenant ${slug} --since ${tomorrow}`)).stdout).toMatch(/0 👍 and 0 👎/);
    expect(await feedback(`--tenant ${slug} --since soon`)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--since is a day such as 2026-11-01, not "soon"'),
    });
  });
});

describe('feedback', () => {
  let database: PipelineDatabase;
  beforeAll(async () => {
    database = await createPipelineDatabase();
  });
  afterAll(() => database.drop());

  it('comes to the same in whatever order and however often its events come', async () => {
    const [tenant, other] = database.tenants;
    const turnId = await answered('answer-1');
    const feedback = createFeedbackAdmission(database.pool(2));
    const connection = {
      ...tenant,
      id: tenant.connectionId,
      channel: 'slack',
    } as unknown as ResolvedConnection;
    const mark = (verdict: 'up' | 'down', present: boolean, sentAtMs: number) => ({
      channelId: 'C1',
      messageId: 'answer-1',
      verdict,
      present,
      sentAtMs,
    });
    const events = [
      mark('up', true, 10),
      mark('down', true, 20),
      mark('up', false, 30),
      mark('down', false, 40),
    ];
    const orders = [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [2, 0, 3, 1, 1, 2],
      [1, 3, 0, 2, 0, 3],
    ];
    for (const [number, order] of orders.entries()) {
      for (const event of order.flatMap((index) => events[index] ?? []))
        await feedback.admit(connection, { ...event, personId: `U${number}` });
    }
    await feedback.admit(connection, { ...mark('up', true, 50), personId: 'U0' });
    await feedback.admit(connection, { ...mark('up', true, 50), personId: 'U0' });
    const rows = await database.query(
      'select person_id as person, verdict from konstruct.feedback where turn_id = $1 order by person_id',
      [turnId],
    );
    expect(rows).toEqual([
      { person: 'U0', verdict: 'up' },
      ...['U1', 'U2', 'U3'].map((person) => ({ person, verdict: null })),
    ]);
    // Another tenant that names the same message says nothing about it.
    const foreign = connectionOf(other);
    expect(await feedback.isAnswer(foreign, 'C1', 'answer-1')).toBe(false);
    expect(await feedback.admit(foreign, { ...mark('down', true, 60), personId: 'U0' })).toEqual({
      outcome: 'unknown_message',
    });

    // What was taken back is forgotten after a day; what was given goes with its turn.
    await database.query(`update konstruct.feedback set given_at = now() - interval '2 days'`);
    const expired = await expireOldRows(database.pool(1), new Date(0), new AbortController().signal);
    expect(expired).toMatchObject({ feedback: 3 });
    await database.query('update konstruct.messages set turn_id = null');
    await database.query('update konstruct.conversations set turn_id = null');
    await database.query('delete from konstruct.turns where id = $1', [turnId]);
    expect(await database.query('select 1 from konstruct.feedback')).toEqual([]);
  });

  it('of a bot says nothing, and only about an answer anybody asks who it is', async () => {
    const [tenant] = database.tenants;
    const turnId = await answered('answer-3');
    const asked: string[] = [];
    const route = createRouter({
      admit: database.gateway(),
      wallClock: Date.now,
      recordReceipt: async () => ({ outcome: 'unknown_message' }),
      admitWish: createAdmitWish(database.pool(1)),
      feedback: createFeedbackAdmission(database.pool(1)),
      isPerson: async (_connection, externalId) => {
        asked.push(externalId);
        return externalId !== 'UBOT';
      },
      blocked: createBlockedBuckets(Date.now),
      disableConnection: async () => ({ outcome: 'off' }) as const,
      endEngagement: async () => {},
      onAgentUser: () => {},
      onReady: () => {},
      onNotice: () => {},
      log: silentLog,
    });
    const connection = connectionOf(tenant);
    const reaction = (senderId: string, messageId: string): ReactionEvent => ({
      type: 'reaction',
      account: { externalIds: [], appId: null, agentUserId: null },
      eventId: null,
      channelId: 'C1',
      messageId,
      senderId,
      emoji: '👎🏽',
      present: true,
      reactedAtMs: 1,
    });
    expect(await route(connection, reaction('UBOT', 'answer-3'))).toBe('ignored');
    expect(await route(connection, reaction('U1', 'of somebody else'))).toBe('unknown_message');
    expect(await route(connection, reaction('U1', 'answer-3'))).toBe('rated');
    expect(asked).toEqual(['UBOT', 'U1']);
    const rows = await database.query(
      'select person_id, verdict from konstruct.feedback where turn_id = $1',
      [turnId],
    );
    expect(rows).toEqual([{ person_id: 'U1', verdict: 'down' }]);
  });

  it('taken off an answer that was made anew is taken off the earlier one too', async () => {
    const [tenant] = database.tenants;
    const earlier = await answered('answer-2');
    const feedback = createFeedbackAdmission(database.pool(2));
    const connection = {
      ...tenant,
      id: tenant.connectionId,
      channel: 'slack',
    } as unknown as ResolvedConnection;
    const thumb = { channelId: 'C1', messageId: 'answer-2', personId: 'U1', verdict: 'down' as const };
    await feedback.admit(connection, { ...thumb, present: true, sentAtMs: 10 });
    const [revision] = await database.query<{ id: string }>(
      `insert into konstruct.turns (tenant_id, conversation_id, status, revises)
       select tenant_id, conversation_id, 'answered', id from konstruct.turns where id = $1 returning id`,
      [earlier],
    );
    await database.query('update konstruct.messages set turn_id = $1 where external_id = $2', [
      revision?.id,
      'answer-2',
    ]);
    const outcome = await feedback.admit(connection, { ...thumb, present: false, sentAtMs: 20 });
    expect(outcome).toEqual({ outcome: 'rated', verdict: null });
    const kept = await database.query(
      'select verdict from konstruct.feedback where turn_id = any($1) order by turn_id',
      [[earlier, Number(revision?.id)]],
    );
    expect(kept).toEqual([{ verdict: null }, { verdict: null }]);
  });

  function connectionOf({ tenantId, agentId, connectionId, workspace }: SeededTenant): ResolvedConnection {
    return {
      id: connectionId,
      tenantId,
      agentId,
      channel: 'slack',
      externalId: workspace.id,
      agentUserId: 'U0',
      appId: '',
      status: 'active',
      settings: {},
      credentials: '',
      ownSigningSecret: false,
      colleagueUserIds: [],
      busyMode: 'queue',
    };
  }

  /** A turn whose answer stands in the message of that name. */
  async function answered(messageId: string): Promise<number> {
    const worker = database.worker('w');
    await database.gateway()(messageEvent(database.tenants[0]));
    const [turn] = await worker.claim(1);
    if (!turn) throw new Error('Nothing was claimed.');
    const { tenantId, conversationId, turnId, fence } = turn;
    const key = { tenantId, conversationId, turnId, fence };
    await worker.commit({
      ...key,
      placeholderExternalId: messageId,
      steps: [],
      reply: 'Yes.',
      parts: ['Yes.'],
      agentUserId: 'U0',
      errorCode: null,
      errorDetails: null,
      revision: 0,
      strict: false,
    });
    await worker.finish({
      ...key,
      status: 'answered',
      errorCode: null,
      externalIds: [messageId],
      followMs: null,
    });
    return turnId;
  }
});
