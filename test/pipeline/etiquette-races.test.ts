import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClaimedTurn, CommitTurn } from '../../src/core/turn.ts';
import type { TurnQueue } from '../../src/queue/create-turn-queue.ts';
import {
  type AdmitMessage,
  type AdmitStop,
  createAdmitWish,
  type WishOutcome,
} from '../../src/router/admit.ts';
import { until } from '../support/conversation.ts';
import {
  createPipelineDatabase,
  deletionOf,
  editOf,
  messageEvent,
  type PipelineDatabase,
} from '../support/pipeline-database.ts';

/** Two who act on one turn at the same moment, on PostgreSQL. */
const ROUNDS = 60;

/** In turn: the one first, the other first, both at once. */
async function inOrder<One, Other>(
  round: number,
  one: () => Promise<One>,
  other: () => Promise<Other>,
): Promise<readonly [One, Other]> {
  if (round % 3 === 0) return [await one(), await other()];
  if (round % 3 === 1) {
    const second = await other();
    return [await one(), second];
  }
  return Promise.all([one(), other()]);
}

let database: PipelineDatabase;
beforeAll(async () => {
  database = await createPipelineDatabase();
});
afterAll(() => database.drop());

function commitOf(turn: ClaimedTurn, overrides: Partial<CommitTurn> = {}): CommitTurn {
  const { tenantId, conversationId, turnId, fence, revision } = turn;
  return {
    tenantId,
    conversationId,
    turnId,
    fence,
    placeholderExternalId: `p-${turnId}`,
    steps: [],
    reply: `answer to ${turn.messages.findLast(({ direction }) => direction === 'in')?.content}`,
    parts: ['answer'],
    agentUserId: 'U0',
    errorCode: null,
    errorDetails: null,
    revision,
    strict: false,
    ...overrides,
  };
}

function finish(worker: TurnQueue, turn: ClaimedTurn, status: 'answered' | 'cancelled'): Promise<boolean> {
  const { tenantId, conversationId, turnId, fence } = turn;
  const externalIds = status === 'answered' ? [`p-${turnId}`] : [];
  return worker.finish({
    ...{ tenantId, conversationId, turnId, fence, status, externalIds },
    errorCode: null,
    followMs: status === 'answered' ? 60_000 : null,
  });
}

function stopOf({ tenantId, connectionId, channelId, messageId, ...message }: AdmitMessage): AdmitStop {
  const { bucketKey, ratePerMinute } = message;
  const on = { tenantId, connectionId, channelId, messageId, bucketKey, ratePerMinute };
  return { type: 'stop', ...on, senderId: 'U2', sentAtMs: Date.now() };
}

async function onlyTurn(worker: TurnQueue): Promise<ClaimedTurn> {
  const turns = await worker.claim(10);
  expect(turns.length).toBe(1);
  return turns[0] as ClaimedTurn;
}

async function turnsOf({ messageId }: AdmitMessage) {
  return database.query<{ status: string; cancel: string | null }>(
    `select t.status, t.cancel from konstruct.turns t
     where t.conversation_id = (select conversation_id from konstruct.messages where external_id = $1)
     order by t.id`,
    [messageId],
  );
}

async function nothingWaits(): Promise<void> {
  expect(
    await database.query(
      'select id, turn_id, ready_at, lease_owner from konstruct.conversations where ready_at is not null or turn_id is not null',
    ),
  ).toEqual([]);
}

describe('a stop and the commit of the answer', () => {
  it('leave either an answer or a cancelled turn, and the worker knows which', async () => {
    const admit = database.gateway();
    const wish = createAdmitWish(database.pool());
    const worker = database.worker('w');
    let answered = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const message = messageEvent(database.tenants[0], { sentAtMs: Date.now() });
      await admit(message);
      const turn = await onlyTurn(worker);
      const commit = () => worker.commit(commitOf(turn));
      const stop = (): Promise<WishOutcome> => wish(stopOf(message));
      const [committed, stopped] = await inOrder(round, commit, stop);
      expect(stopped.outcome).toBe('stopped');
      const [state] = await worker.check([turn]);
      if (committed === null) {
        expect(state).toMatchObject({ state: 'held', cancel: 'stopped' });
        await finish(worker, turn, 'cancelled');
        expect(await turnsOf(message)).toEqual([{ status: 'cancelled', cancel: 'stopped' }]);
      } else {
        answered += 1;
        expect(state).toMatchObject({ state: 'held', cancel: null });
        await finish(worker, turn, 'answered');
        expect(await turnsOf(message)).toEqual([{ status: 'answered', cancel: null }]);
        const [conversation] = await database.query<{ engaged: boolean }>(
          `select engaged_until is not null as engaged from konstruct.conversations where id = $1`,
          [turn.conversationId],
        );
        expect(conversation?.engaged, 'the agent does not follow a thread in which it was stopped').toBe(
          false,
        );
      }
    }
    await nothingWaits();
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThan(ROUNDS);
  });
});

describe('a deletion and the claim', () => {
  it('leave no message answered that was deleted before, and nothing stuck', async () => {
    const admit = database.gateway();
    const workers = [database.worker('a'), database.worker('b')] as const;
    for (let round = 0; round < ROUNDS; round += 1) {
      const message = messageEvent(database.tenants[0]);
      await admit(message);
      const [first, second] = await Promise.all([
        workers[0].claim(10),
        workers[1].claim(10),
        admit(deletionOf(message)),
      ]);
      const owner = first.length > 0 ? workers[0] : workers[1];
      const turns = [...first, ...second];
      expect(turns.length).toBeLessThanOrEqual(1);
      for (const turn of turns) {
        expect(await owner.commit(commitOf(turn))).toBeNull();
        expect(await owner.check([turn])).toMatchObject([{ state: 'held', cancel: 'deleted' }]);
        await finish(owner, turn, 'cancelled');
      }
      await owner.claim(10); // what is left of a conversation that has nothing to answer
    }
    await nothingWaits();
  });
});

describe('an edit and the claim', () => {
  it('end with the newest words answered, whoever comes first', async () => {
    const admit = database.gateway();
    const worker = database.worker('w');
    let lookedAgain = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const message = messageEvent(database.tenants[0], { content: 'old' });
      await admit(message);
      const [turns] = await inOrder(
        round,
        () => worker.claim(10),
        () => admit(editOf(message, 'new', Date.now())),
      );
      let turn = turns[0] ?? (await onlyTurn(worker));
      expect(await worker.commit(commitOf(turn))).not.toBeNull();
      await finish(worker, turn, 'answered');
      const [again] = await worker.claim(10);
      if (again !== undefined) {
        lookedAgain += 1;
        expect(again.revises).toBe(turn.turnId);
        turn = again;
        expect(await worker.commit(commitOf(turn))).not.toBeNull();
        await finish(worker, turn, 'answered');
      }
      const said = await database.query(
        `select content from konstruct.messages where conversation_id = $1 and direction = 'out'`,
        [turn.conversationId],
      );
      expect(said).toEqual([{ content: 'answer to new' }]);
    }
    await nothingWaits();
    expect(lookedAgain).toBeGreaterThan(0);
    expect(lookedAgain).toBeLessThan(ROUNDS);
  });

  it('that the next worker has read after a crash is not looked at again', async () => {
    const admit = database.gateway();
    const dying = database.worker('dying', { leaseMs: 1 });
    const worker = database.worker('w');
    const message = messageEvent(database.tenants[0], { content: 'old' });
    await admit(message);
    await onlyTurn(dying);
    await admit(editOf(message, 'new', Date.now()));
    const turn = await onlyTurn(worker);
    expect(turn).toMatchObject({ fresh: false, revision: 1 });
    expect(turn.messages.map(({ content }) => content)).toEqual(['new']);
    await worker.commit(commitOf(turn));
    await finish(worker, turn, 'answered');
    expect(await worker.claim(10)).toEqual([]);
    expect((await turnsOf(message)).map(({ status }) => status)).toEqual(['answered', 'cancelled']);
    await nothingWaits();
  });
});

it('an edit of one message excuses no answer to another one that was taken back', async () => {
  const admit = database.gateway();
  const worker = database.worker('w1');
  const [tenant] = database.tenants;
  const first = messageEvent(tenant);
  const second = messageEvent(tenant, { conversationThreadId: first.conversationThreadId });
  await admit(first);
  await admit(second);
  const turn = await onlyTurn(worker);
  await admit(editOf(first, 'other words', Date.now()));
  await admit(deletionOf(second));
  expect(await worker.commit(commitOf(turn))).toBeNull();
  await finish(worker, turn, 'cancelled');
  const [look] = await worker.claim(10); // the second look at the edited message
  if (look !== undefined) await finish(worker, look, 'cancelled');
  await nothingWaits();
});

describe('a stop and the admission of its message', () => {
  it('stop it, whoever comes first', async () => {
    const admit = database.gateway();
    const wish = createAdmitWish(database.pool());
    const worker = database.worker('w1');
    for (let round = 0; round < ROUNDS; round += 1) {
      const message = messageEvent(database.tenants[0], { sentAtMs: Date.now() - 1_000 });
      await inOrder(
        round,
        () => admit(message),
        () => wish(stopOf(message)),
      );
      expect(await worker.claim(10)).toEqual([]);
      expect((await turnsOf(message)).map(({ cancel }) => cancel)).toEqual(['stopped']);
    }
    await nothingWaits();
  });

  it('a mute that overtakes the first message of its thread holds, and a late copy of it changes nothing', async () => {
    const admit = database.gateway();
    const wish = createAdmitWish(database.pool());
    const message = messageEvent(database.tenants[0], { sentAtMs: Date.now() - 1_000 });
    const mute = { ...stopOf(message), type: 'mute', present: true } as const;
    expect(await wish(mute)).toEqual({ outcome: 'unknown_message' });
    await admit(message);
    expect(await admit(message)).toMatchObject({ outcome: 'duplicate' });
    expect(await database.worker('w1').claim(10)).toEqual([]);
    const [row] = await database.query(
      `select c.muted from konstruct.conversations c join konstruct.messages m on m.conversation_id = c.id
       where m.external_id = $1`,
      [message.messageId],
    );
    expect(row).toEqual({ muted: true });
    await nothingWaits();
  });
});

describe('a message that joins a turn, and its commit', () => {
  it('end in one answer to both, or in a turn for each', async () => {
    const admit = database.gateway();
    const worker = database.worker('w');
    for (let round = 0; round < ROUNDS; round += 1) {
      const first = messageEvent(database.tenants[0]);
      await admit(first);
      const turn = await onlyTurn(worker);
      const { conversationThreadId } = first;
      const second = messageEvent(database.tenants[0], { conversationThreadId, busyMode: 'interrupt' });
      const [committed] = await Promise.all([worker.commit(commitOf(turn, { strict: true })), admit(second)]);
      if (committed === null) {
        expect(await worker.check([turn])).toEqual([{ state: 'held', cancel: null, revision: 1 }]);
        const { tenantId, conversationId, turnId, fence } = turn;
        await worker.retry({
          ...{ tenantId, conversationId, turnId, fence, delayMs: 0, counts: false, steps: [] },
          ...{ placeholderExternalId: null, errorCode: null, errorDetails: null, externalIds: [] },
        });
      } else {
        await finish(worker, turn, 'answered');
      }
      const next = await onlyTurn(worker);
      expect(next.turnId === turn.turnId).toBe(committed === null);
      const asked = next.messages.filter(({ ofTurn, direction }) => ofTurn && direction === 'in');
      expect(asked.length).toBe(committed === null ? 2 : 1);
      expect(await worker.commit(commitOf(next, { strict: true }))).not.toBeNull();
      await finish(worker, next, 'answered');
    }
    await nothingWaits();
  });
});

describe('a stop that comes late', () => {
  it('ends the turn and what waited when it was said, and leaves what people wrote since', async () => {
    const admit = database.gateway();
    const worker = database.worker('w1');
    const saidAtMs = Date.now() - 10_000;
    const first = messageEvent(database.tenants[0], { sentAtMs: saidAtMs });
    const { conversationThreadId } = first;
    const [waiting, newer] = [1_000, 3_000].map((laterMs) =>
      messageEvent(database.tenants[0], { conversationThreadId, sentAtMs: saidAtMs + laterMs }),
    ) as [AdmitMessage, AdmitMessage];
    await admit(first);
    const turn = await onlyTurn(worker);
    await admit(waiting);
    await admit(newer);
    const stop = { ...stopOf(first), sentAtMs: saidAtMs + 2_000 };
    expect(await createAdmitWish(database.pool())(stop)).toMatchObject({ outcome: 'stopped', ready: true });
    expect(await worker.commit(commitOf(turn))).toBeNull();
    await finish(worker, turn, 'cancelled');
    const next = await onlyTurn(worker);
    expect(next.messages.filter(({ ofTurn }) => ofTurn).map(({ externalId }) => externalId)).toEqual([
      newer.messageId,
    ]);
    await worker.commit(commitOf(next));
    await finish(worker, next, 'answered');
    await nothingWaits();
  });
});

describe('a mute', () => {
  it('that was taken off stays off, however late copies of it come', async () => {
    const message = messageEvent(database.tenants[0]);
    await database.gateway()(message);
    const wish = createAdmitWish(database.pool());
    const atMs = Date.now() - 10_000;
    const mute = { ...stopOf(message), type: 'mute', present: true, sentAtMs: atMs } as const;
    const isMuted = async () =>
      (
        await database.query('select muted from konstruct.conversations where thread_id = $1', [
          message.conversationThreadId,
        ])
      )[0]?.muted;
    expect(await wish(mute)).toMatchObject({ outcome: 'muted' });
    expect(await wish({ ...mute, present: false, sentAtMs: atMs + 1_000 })).toMatchObject({
      outcome: 'unmuted',
    });
    expect(await wish(mute)).toEqual({ outcome: 'duplicate' });
    expect(await isMuted()).toBe(false);
    // And the other way round.
    expect(await wish({ ...mute, sentAtMs: atMs + 2_000 })).toMatchObject({ outcome: 'muted' });
    expect(await wish({ ...mute, present: false, sentAtMs: atMs + 1_000 })).toEqual({ outcome: 'duplicate' });
    expect(await isMuted()).toBe(true);
  });
});

describe('a worker that dies after a stop was recorded', () => {
  it('leaves the end of the turn to the next one', async () => {
    const admit = database.gateway();
    const dying = database.worker('dying', { leaseMs: 1 });
    const message = messageEvent(database.tenants[0], { sentAtMs: Date.now() });
    await admit(message);
    await onlyTurn(dying);
    await createAdmitWish(database.pool())(stopOf(message));
    const worker = database.worker('w');
    const turn = await onlyTurn(worker);
    expect(turn).toMatchObject({ fresh: false, cancel: 'stopped' });
    expect(await worker.commit(commitOf(turn))).toBeNull();
    await finish(worker, turn, 'cancelled');
    await nothingWaits();
  });
});

it('nobody ever waited for each other in a circle', async () => {
  await database.endPools();
  expect(
    await database.query('select deadlocks::int from pg_stat_database where datname = current_database()'),
  ).toEqual([{ deadlocks: 0 }]);
});

describe('a stop on a placeholder and the recording of its id', () => {
  it.each(['the stop', 'the id'])(
    'at the same moment, and %s is written first: it stops all the same',
    async (first) => {
      const worker = database.worker(`w ${first}`);
      const [tenant] = database.tenants;
      await database.gateway()(messageEvent(tenant));
      const turn = await onlyTurn(worker);
      const { tenantId } = turn;
      const externalId = `p-${turn.turnId}`;
      const placeholder = [{ tenantId, deliveryId: turn.placeholderId, externalId }];
      const stop = { ...stopOf(messageEvent(tenant)), channelId: turn.channelId, messageId: externalId };
      const statements = {
        'the stop': ['select apply_stop($1)', JSON.stringify(stop)],
        'the id': ['select record_placeholders($1)', JSON.stringify(placeholder)],
      } as const;
      const second = first === 'the stop' ? 'the id' : 'the stop';
      const pool = database.pool(2);
      const [holder, other] = await Promise.all([pool.connect(), pool.connect()]);
      try {
        // What the first one has written nobody sees before it commits.
        await holder.query('begin');
        const [text, value] = statements[first as 'the stop'];
        await holder.query(text, [value]);
        const [otherText, otherValue] = statements[second];
        const waiting = other.query(otherText, [otherValue]);
        await until('the other one waits', async () => {
          const waits = await database.query(
            `select 1 from pg_locks where locktype = 'advisory' and not granted
             and database = (select oid from pg_database where datname = current_database())`,
          );
          return waits.length > 0;
        });
        await holder.query('commit');
        await waiting;
      } finally {
        holder.release();
        other.release();
      }
      const [row] = await database.query('select cancel from konstruct.turns where id = $1', [turn.turnId]);
      expect(row?.cancel).toBe('stopped');
      await finish(worker, turn, 'cancelled');
    },
  );

  it.each(['a renewal', 'a message that comes in'])(
    'whose conversation is held by %s: the stop waits for it, and is not dropped',
    async (what) => {
      const worker = database.worker(`w ${what}`);
      const [tenant] = database.tenants;
      const message = messageEvent(tenant);
      await database.gateway()(message);
      const turn = await onlyTurn(worker);
      const externalId = `p-${turn.turnId}`;
      const stop = { ...stopOf(message), messageId: externalId };
      expect(await createAdmitWish(database.pool())(stop)).toEqual({ outcome: 'unknown_message' });
      const { tenantId, conversationId, fence } = turn;
      const [statement, value] =
        what === 'a renewal'
          ? [`select renew_leases('w ${what}', 15000, $1)`, [{ tenantId, conversationId, fence }]]
          : [
              'select admit_batch($1)',
              [messageEvent(tenant, { conversationThreadId: message.conversationThreadId })],
            ];
      const holder = await database.pool(1).connect();
      await holder.query('begin');
      await holder.query(String(statement), [JSON.stringify(value)]);
      const recording = worker.recordPlaceholder(turn, turn.placeholderId as number, externalId);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await holder.query('commit');
      holder.release();
      await recording;
      expect(await worker.check([turn])).toMatchObject([{ state: 'held', cancel: 'stopped' }]);
      expect(await worker.commit(commitOf(turn))).toBeNull();
      await finish(worker, turn, 'cancelled');
      for (const left of await worker.claim(10)) await finish(worker, left, 'cancelled');
      await nothingWaits();
    },
  );
});
