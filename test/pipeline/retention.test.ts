import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabasePool } from '../../src/db/pool.ts';
import { expireOldRows } from '../../src/stores/retention.ts';
import { createPipelineDatabase, messageEvent, type PipelineDatabase } from '../support/pipeline-database.ts';
import { silentLog } from '../support/silent-log.ts';

let database: PipelineDatabase;
beforeAll(async () => {
  database = await createPipelineDatabase();
});
beforeEach(async () => {
  await database.query('truncate konstruct.conversations, konstruct.deliveries cascade');
});
afterAll(() => database.drop());

const DAY_MS = 86_400_000;
const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY_MS);
const expire = (before: Date) => expireOldRows(database.pool(1), before, new AbortController().signal);

/** A message of the DM (one conversation), answered unless told otherwise, as if all had happened so long ago. */
async function said(days: number, options: { answered?: boolean; deleted?: boolean } = {}): Promise<void> {
  const event = messageEvent(database.tenants[0], {
    channelId: 'D1',
    scope: 'direct',
    conversationThreadId: '',
    sentAtMs: daysAgo(days).getTime(),
  });
  await database.gateway()(event);
  const interval = [days];
  if (options.answered ?? !options.deleted) {
    const worker = database.worker('w');
    const [turn] = await worker.claim(1);
    if (!turn) throw new Error('Nothing to claim.');
    const { tenantId, conversationId, turnId, fence } = turn;
    const key = { tenantId, conversationId, turnId, fence };
    const nothing = { placeholderExternalId: 'p', errorCode: null, errorDetails: null };
    const step = { position: 0, kind: 'model', outcome: 'stop', detail: {}, startedAtMs: 0, durationMs: 1 };
    await worker.commit({
      ...key,
      ...nothing,
      steps: [step as never],
      reply: 'a',
      parts: ['a'],
      agentUserId: 'U0',
      revision: 0,
      strict: false,
    });
    await worker.finish({
      ...key,
      status: 'answered',
      errorCode: null,
      externalIds: [`x${turnId}`],
      followMs: null,
    });
    const past = `now() - $1 * interval '1 day'`;
    await database.query(
      `update konstruct.turns set started_at = ${past}, finished_at = ${past} where id = ${turnId}`,
      interval,
    );
    await database.query(
      `update konstruct.messages set sent_at = ${past} where turn_id = ${turnId}`,
      interval,
    );
  }
  await database.query(
    `update konstruct.messages set received_at = sent_at, deleted_at = case when $2 then now() end
     where external_id = $1 or (direction = 'out' and received_at > now() - interval '1 minute' and sent_at < now() - interval '1 hour')`,
    [event.messageId, options.deleted ?? false],
  );
  await database.query(
    `update konstruct.conversations set last_message_at = now() - $1 * interval '1 day'`,
    interval,
  );
}

async function left(): Promise<Readonly<Record<string, number>>> {
  const [counts] = await database.query<Record<string, number>>(
    ['conversations', 'messages', 'turns', 'steps', 'deliveries']
      .map((table) => `(select count(*)::int from konstruct.${table}) as ${table}`)
      .join(', ')
      .replace(/^/, 'select '),
  );
  return counts ?? {};
}

describe('retention', () => {
  it('removes a conversation in which nobody has written since, with all that belongs to it', async () => {
    await said(40);
    expect(await left()).toEqual({ conversations: 1, messages: 2, turns: 1, steps: 1, deliveries: 2 });
    await expire(daysAgo(50));
    expect((await left()).conversations).toBe(1);
    expect(await expire(daysAgo(30))).toMatchObject({ conversations: 1 });
    expect(await left()).toEqual({ conversations: 0, messages: 0, turns: 0, steps: 0, deliveries: 0 });
  });

  it('leaves no turns, steps and deliveries behind in a direct message that goes on for years', async () => {
    for (const days of [400, 390, 380]) await said(days);
    await said(1.5);
    expect(await left()).toMatchObject({ messages: 8, turns: 4, steps: 4, deliveries: 8 });
    expect(await expire(daysAgo(365))).toEqual({
      conversations: 0,
      messages: 6,
      turns: 3,
      notices: 0,
      earlySignals: 0,
      mailboxes: 0,
      feedback: 0,
    });
    expect(await left()).toEqual({ conversations: 1, messages: 2, turns: 1, steps: 1, deliveries: 2 });
  });

  it('never removes what waits for an answer, but what was deleted before it got one', async () => {
    await said(400, { deleted: true });
    await said(395, { answered: false });
    await database.query('update konstruct.conversations set last_message_at = now()');
    expect(await expire(daysAgo(365))).toMatchObject({ conversations: 0, messages: 0 }); // work is waiting
    await database.query('update konstruct.conversations set ready_at = null');
    expect(await expire(daysAgo(365))).toMatchObject({ messages: 1 });
    expect(await left()).toMatchObject({ conversations: 1, messages: 1 });
  });

  it('touches no conversation with work in it, however old', async () => {
    await said(400);
    await said(399, { answered: false });
    expect(await expire(daysAgo(1))).toEqual({
      conversations: 0,
      messages: 0,
      turns: 0,
      notices: 0,
      earlySignals: 0,
      mailboxes: 0,
      feedback: 0,
    });
    const [turn] = await database.worker('w').claim(1);
    expect(turn?.messages.length).toBe(3);
    await database.query(`update konstruct.conversations set last_message_at = now() - interval '400 days'`);
    expect(await expire(daysAgo(1))).toEqual({
      conversations: 0,
      messages: 0,
      turns: 0,
      notices: 0,
      earlySignals: 0,
      mailboxes: 0,
      feedback: 0,
    });
  });

  it('keeps what came in within a day, so that late copies are still known, whatever it is asked to remove', async () => {
    await said(0.5);
    const copies = await database.query<{ event_id: string; external_id: string }>(
      `select event_id, external_id from konstruct.messages where direction = 'in'`,
    );
    expect(await expire(new Date(Date.now() + DAY_MS))).toMatchObject({
      conversations: 0,
      messages: 0,
      turns: 0,
    });
    const late = messageEvent(database.tenants[0], {
      channelId: 'D1',
      conversationThreadId: '',
      scope: 'direct',
      messageId: copies[0]?.external_id ?? '',
    });
    expect((await database.gateway()(late)).outcome).toBe('duplicate');
  });

  it('removes old notices, which belong to no turn', async () => {
    const [{ tenantId, connectionId }] = database.tenants;
    for (const days of [400, 2]) {
      await database.query(
        `insert into konstruct.deliveries (tenant_id, connection_id, kind, channel_id, status, created_at)
         values ($1, $2, 'notice', 'C1', 'sent', $3)`,
        [tenantId, connectionId, daysAgo(days)],
      );
    }
    expect(await expire(daysAgo(365))).toMatchObject({ notices: 1, earlySignals: 0 });
    expect((await left()).deliveries).toBe(1);
  });

  it('counts a thread as alive that people go on with among themselves', async () => {
    await said(400);
    const aside = messageEvent(database.tenants[0], {
      channelId: 'D1',
      conversationThreadId: '',
      addressed: 'context',
    });
    expect((await database.gateway()(aside)).outcome).toBe('context');
    expect(await expire(daysAgo(365))).toMatchObject({ conversations: 0, messages: 2, turns: 1 });
    expect(await left()).toMatchObject({ conversations: 1, messages: 1 });
  });

  it('takes smaller bites where one is more than a statement has time for, so that it always comes to its end', async () => {
    const [tenant] = database.tenants;
    await database.query(
      `insert into konstruct.conversations (tenant_id, connection_id, channel_id, thread_id, scope, last_message_at)
       select $1, $2, 'C1', n::text, 'channel', now() - interval '40 days' from generate_series(1, 60) n`,
      [tenant.tenantId, tenant.connectionId],
    );
    // As if much belonged to each of them.
    await database.query(`
      create function public.linger() returns trigger language plpgsql as $$
      begin perform pg_sleep(0.02); return old; end $$;
      create trigger linger before delete on konstruct.conversations for each row execute function public.linger()`);
    const impatient = createDatabasePool({
      url: database.url,
      name: 'impatient',
      size: 1,
      log: silentLog,
      statementTimeoutMs: 500,
    });
    try {
      const expired = await expireOldRows(impatient, daysAgo(30), new AbortController().signal);
      expect(expired).toMatchObject({ conversations: 60 });
      expect(await left()).toMatchObject({ conversations: 0 });
    } finally {
      await impatient.end();
      await database.query('drop function public.linger cascade');
    }
  });

  it('removes the rest although one kind cannot be removed, and says that it could not', async () => {
    await said(400);
    await database.query("update konstruct.conversations set last_message_at = now() - interval '400 days'");
    await database.query(`
      create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
      create trigger refuse before delete on konstruct.conversations
        for each row execute function public.refuse()`);
    try {
      await expect(expire(daysAgo(365))).rejects.toThrow('refused');
      expect(await left()).toEqual({ conversations: 1, messages: 0, turns: 0, steps: 0, deliveries: 0 });
    } finally {
      await database.query('drop function public.refuse cascade');
    }
  });
});
