import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClaimedTurn, CommitTurn, FinishTurn, RetryTurn, Step, TurnKey } from '../../src/core/turn.ts';
import type { AdmitMessage } from '../../src/router/admit.ts';
import { createMetrics } from '../../src/telemetry/create-metrics.ts';
import {
  conversationOf,
  createPipelineDatabase,
  deletionOf,
  editOf,
  messageEvent,
  type PipelineDatabase,
} from '../support/pipeline-database.ts';
import { silentLog } from '../support/silent-log.ts';

let database: PipelineDatabase;
beforeAll(async () => {
  database = await createPipelineDatabase();
});
afterEach(async () => {
  await database.endPools(); // each worker has one of its own, and a server only so many connections
  await database.query('delete from konstruct.conversations');
  await database.query(`update konstruct.connections set status = 'active'`);
});
afterAll(() => database.drop());

const mention = (overrides: Partial<AdmitMessage> = {}) => messageEvent(database.tenants[0], overrides);

function key({ tenantId, conversationId, turnId, fence }: ClaimedTurn): TurnKey {
  return { tenantId, conversationId, turnId, fence };
}

function commitment(turn: ClaimedTurn): CommitTurn {
  return {
    ...key(turn),
    placeholderExternalId: `placeholder-${turn.turnId}`,
    steps: [],
    reply: 'answer',
    parts: ['answer'],
    agentUserId: 'U0',
    revision: 0,
    strict: false,
    errorCode: null,
    errorDetails: null,
  };
}

function ending(turn: ClaimedTurn, overrides: Partial<FinishTurn> = {}): FinishTurn {
  return {
    ...key(turn),
    status: 'answered',
    errorCode: null,
    externalIds: [`answer-${turn.turnId}`],
    followMs: 60_000,
    ...overrides,
  };
}

function retry(turn: ClaimedTurn, delayMs: number, overrides: Partial<RetryTurn> = {}): RetryTurn {
  return {
    ...key(turn),
    delayMs,
    counts: true,
    steps: [],
    placeholderExternalId: null,
    errorCode: 'model_unavailable',
    errorDetails: null,
    externalIds: [],
    ...overrides,
  };
}

function only<T>(items: readonly T[]): T {
  if (items.length !== 1) throw new Error(`One was expected, there are ${items.length}.`);
  return items[0] as T;
}

const pendingIds = (turn: ClaimedTurn) =>
  turn.messages.filter(({ ofTurn }) => ofTurn).map(({ externalId }) => externalId);

async function conversation(id: number) {
  return only(
    await database.query<{ ready: boolean; lease_owner: string | null; turn_id: string | null }>(
      'select ready_at is not null as ready, lease_owner, turn_id from konstruct.conversations where id = $1',
      [id],
    ),
  );
}

/** How many rows a statement returns, and whether its commit waits for the disk. */
async function durability(statement: string, values: readonly unknown[] = []) {
  const client = await database.pool(1).connect();
  try {
    await client.query('begin');
    const { rowCount } = await client.query(statement, [...values]);
    const { rows } = await client.query('show synchronous_commit');
    return { rowCount, ...rows[0] };
  } finally {
    await client.query('rollback');
    client.release();
  }
}

const durable = { rowCount: 1, synchronous_commit: 'on' };

describe('an admission', () => {
  it.each([
    ['by a gateway', 'select admit_batch($1)'],
    [
      'with the claim that comes along',
      `select * from admit_and_claim($1, 'w', 1, 15000, 60, gen_random_uuid())`,
    ],
  ])('waits for the disk before it is acked, %s', async (_how, statement) => {
    expect(await durability(statement, [JSON.stringify([mention()])])).toEqual(durable);
  });
});

describe('a claim', () => {
  it('waits for the disk: lost in a crash of the server, nobody would know the placeholder that was sent for it', async () => {
    await database.gateway()(mention());
    expect(await durability(`select claim_turns('w', 1, 15000, 60, gen_random_uuid())`)).toEqual(durable);
  });
});

describe('a commit', () => {
  it('waits for the disk before the answer is sent', async () => {
    await database.gateway()(mention());
    const turn = only(await database.worker('w').claim(1));
    const turns = JSON.stringify([commitment(turn)]);
    expect(await durability(`select commit_turns('w', $1)`, [turns])).toEqual(durable);
  });
});

describe('claiming', () => {
  it('brings the same of a turn, whether it comes alone, among many or again', async () => {
    const admit = database.gateway();
    const worker = database.worker('w');
    const fieldsOf = (turn: ClaimedTurn) => [...Object.keys(turn), ...Object.keys(turn.agent)].sort();
    await admit(mention());
    const alone = only(await worker.claim(1));
    await Promise.all(Array.from({ length: 8 }, () => admit(mention())));
    const [among, ...others] = await worker.claim(10);
    expect(others).toHaveLength(7);
    await worker.retry(retry(alone, 0));
    for (const turn of [among, only(await worker.claim(1))]) {
      expect(turn && fieldsOf(turn)).toEqual(fieldsOf(alone));
    }
  });

  it('gives no conversation to two workers', async () => {
    const admit = database.gateway();
    await Promise.all(Array.from({ length: 120 }, () => admit(mention())));
    const workers = ['a', 'b', 'c'].map((owner) => database.worker(owner));
    const claims = await Promise.all(
      Array.from({ length: 24 }, (_, index) => workers[index % 3]?.claim(5) ?? Promise.resolve([])),
    );
    const ids = claims.flat().map(({ conversationId }) => conversationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBe(120);
  });

  it('takes the longest waiting first, and no more than asked for', async () => {
    const admit = database.gateway();
    const first = conversationOf(await admit(mention()));
    const second = conversationOf(await admit(mention()));
    const worker = database.worker('w');
    expect(only(await worker.claim(1)).conversationId).toBe(first);
    expect(only(await worker.claim(1)).conversationId).toBe(second);
    expect(await worker.claim(1)).toEqual([]);
  });

  it('takes everything that is pending into one turn; what comes later is the next turn', async () => {
    const admit = database.gateway();
    const worker = database.worker('w');
    const messages = Array.from({ length: 3 }, () => mention({ conversationThreadId: 't' }));
    for (const message of messages) await admit(message);
    const turn = only(await worker.claim(10));
    expect(pendingIds(turn)).toEqual(messages.map(({ messageId }) => messageId));
    const later = mention({ conversationThreadId: 't' });
    expect(await admit(later)).toMatchObject({ outcome: 'new', wasIdle: false });
    expect(await worker.claim(10)).toEqual([]);
    await worker.commit(commitment(turn));
    expect(await worker.finish(ending(turn))).toBe(true);
    const next = only(await worker.claim(10));
    expect(pendingIds(next)).toEqual([later.messageId]);
    expect(next.turnId).not.toBe(turn.turnId);
    expect(next.messages.map(({ direction }) => direction)).toEqual(['in', 'in', 'in', 'in', 'out']);
  });

  it('brings all that it answers, however many there are and however much was said since', async () => {
    const gateway = database.gateway();
    const first = mention();
    const inThread = { conversationThreadId: first.conversationThreadId };
    await gateway(first);
    for (let batch = 0; batch < 2; batch += 1) {
      const addressed = batch === 0 ? 'yes' : 'context';
      await Promise.all(Array.from({ length: 70 }, () => gateway(mention({ ...inThread, addressed }))));
    }
    const worker = database.worker('w', { leaseMs: 1 });
    expect(pendingIds(only(await worker.claim(10)))).toHaveLength(71);
    await sleep(20);
    expect(pendingIds(only(await worker.claim(10)))).toHaveLength(71);
  });

  it('leaves no stuck conversation when the only pending message was deleted', async () => {
    const admit = database.gateway();
    const message = mention();
    const id = conversationOf(await admit(message));
    await admit(deletionOf(message));
    expect(await database.worker('w').claim(10)).toEqual([]);
    expect(await conversation(id)).toEqual({ ready: false, lease_owner: null, turn_id: null });
    expect(await admit(mention({ conversationThreadId: message.conversationThreadId }))).toMatchObject({
      outcome: 'new',
      wasIdle: true,
    });
    expect((await database.worker('w').claim(10)).length).toBe(1);
  });

  it('goes on with the agent that the connection names when the turn’s agent was removed', async () => {
    const admit = database.gateway();
    const worker = database.worker('w');
    await admit(mention());
    const turn = only(await worker.claim(1));
    await worker.retry(retry(turn, 0));
    await database.query('update konstruct.turns set agent_id = null');
    expect(only(await worker.claim(1)).agent.id).toBe(database.tenants[0].agentId);
  });
});

describe('a lease', () => {
  it('that ran out hands the turn over with its steps, and the late worker can write nothing', async () => {
    const admit = database.gateway();
    const slow = database.worker('slow', { leaseMs: 500 });
    const other = database.worker('other');
    const id = conversationOf(await admit(mention()));
    const stale = only(await slow.claim(1));
    expect(stale.fresh).toBe(true);
    expect(await other.claim(1)).toEqual([]);
    await sleep(550);
    const taken = only(await other.claim(1));
    expect(taken).toMatchObject({
      conversationId: id,
      turnId: stale.turnId,
      fence: stale.fence + 1,
      fresh: false,
    });
    expect(pendingIds(taken)).toEqual(pendingIds(stale));

    expect(await slow.renew([stale])).toEqual([false]);
    expect(await slow.commit(commitment(stale))).toBeNull();
    expect(await slow.retry(retry(stale, 0))).toBe(false);
    expect(await slow.finish(ending(stale))).toBe(false);
    expect(await conversation(id)).toMatchObject({ lease_owner: 'other', turn_id: String(stale.turnId) });

    // A thief with the right fence is not the owner either.
    const thief = database.worker('thief');
    expect(await thief.renew([taken])).toEqual([false]);
    expect(await thief.commit(commitment(taken))).toBeNull();
    expect(await thief.retry(retry(taken, 0))).toBe(false);
    expect(await thief.finish(ending(taken))).toBe(false);

    expect(await other.commit(commitment(taken))).toMatchObject({ turnId: taken.turnId });
    expect(await other.commit(commitment(taken))).toBeNull(); // once
    expect(await other.finish(ending(taken))).toBe(true);
    expect(await other.finish(ending(taken))).toBe(false);
  });

  it('that ran out counts as an attempt, as nothing was written back', async () => {
    const gateway = database.gateway();
    await gateway(mention());
    const mortal = database.worker('mortal', { leaseMs: 1 });
    const attempts: number[] = [];
    for (let claim = 0; claim < 3; claim += 1) {
      attempts.push(only(await mortal.claim(10)).attempts);
      await sleep(20);
    }
    expect(attempts).toEqual([0, 1, 2]);
  });

  it('that is renewed is kept', async () => {
    await database.gateway()(mention());
    const worker = database.worker('w', { leaseMs: 1_000 });
    const turn = only(await worker.claim(1));
    for (let index = 0; index < 4; index += 1) {
      await sleep(350);
      expect(await worker.renew([turn])).toEqual([true]);
      expect(await database.worker('other').claim(1)).toEqual([]);
    }
  });

  it.each([
    ['while this process was stopped', 1_001, 1_001],
    ['while the machine slept, and the steady clock with it', 5, 60_000],
    ['before somebody set the clock back', 1_001, -60_000],
  ])('has run out for its worker %s', async (_when, steadyMs, wallMs) => {
    await database.gateway()(mention());
    const passed = { steadyMs: 0, wallMs: 0 };
    const startMs = Date.now();
    const worker = database.worker('w', {
      leaseMs: 1_000,
      clock: () => startMs + passed.steadyMs,
      wallClock: () => startMs + passed.wallMs,
    });
    const turn = only(await worker.claim(1));
    expect(worker.isHeld(turn)).toBe(true);
    Object.assign(passed, { steadyMs, wallMs });
    expect(worker.isHeld(turn)).toBe(false);
  });

  it('that ends while it is being renewed is not lost', async () => {
    const metrics = createMetrics({ process: false, log: silentLog });
    const losses = async () => (await metrics.read()).body.match(/^konstruct_lease_losses_total.*$/gm);
    const id = conversationOf(await database.gateway()(mention()));
    const worker = database.worker('w', { metrics });
    const turn = only(await worker.claim(1));
    await worker.commit(commitment(turn));
    const held = await database.pool(1).connect();
    await held.query('begin');
    await held.query('set local role konstruct_pipeline');
    await held.query('select 1 from konstruct.conversations where id = $1 for update', [id]);
    const both = Promise.all([worker.finish(ending(turn)), sleep(50).then(() => worker.renew([turn]))]);
    await sleep(100);
    await held.query('rollback');
    held.release();
    expect(await both).toEqual([true, [true]]);
    expect(await losses()).toBeNull();
    expect(await worker.renew([turn])).toEqual([false]);
    expect(await losses()).toEqual(['konstruct_lease_losses_total{at="renew"} 1']);
  });

  it('that the same worker lost and took again is held by the newer turn only', async () => {
    await database.gateway()(mention());
    const worker = database.worker('w', { leaseMs: 20 });
    const older = only(await worker.claim(1));
    await sleep(40);
    const newer = only(await worker.claim(1));
    expect(await worker.renew([older, newer])).toEqual([false, true]);
    expect(await worker.renew([newer, older])).toEqual([true, false]);
  });

  it('of one tenant cannot be used on a turn of another', async () => {
    const admit = database.gateway();
    const worker = database.worker('w');
    await admit(mention());
    await admit(messageEvent(database.tenants[1]));
    const [first, second] = (await worker.claim(2)) as [ClaimedTurn, ClaimedTurn];
    const forged = { ...commitment(first), turnId: second.turnId };
    expect(await worker.commit(forged)).toBeNull();
    expect(await worker.finish({ ...ending(first), tenantId: second.tenantId })).toBe(false);
    expect(await worker.finish({ ...ending(first), turnId: second.turnId })).toBe(false);
  });
});

describe('a turn that is put back', () => {
  it('comes again after its delay and not before, whatever arrives meanwhile', async () => {
    const admit = database.gateway();
    const worker = database.worker('w');
    const message = mention();
    await admit(message);
    const turn = only(await worker.claim(1));
    expect(await worker.retry(retry(turn, 200))).toBe(true);
    const putBackAt = performance.now();
    await admit(mention({ conversationThreadId: message.conversationThreadId }));
    expect(await worker.claim(1)).toEqual([]);
    let again: readonly ClaimedTurn[] = [];
    while (again.length === 0) {
      await sleep(10);
      again = await worker.claim(1);
    }
    expect(performance.now() - putBackAt).toBeGreaterThan(180);
    expect(only(again)).toMatchObject({ turnId: turn.turnId, attempts: 1, fresh: false });
    expect(pendingIds(only(again))).toEqual([message.messageId]);
  });

  it('by a worker that shuts down comes at once and counts as no attempt', async () => {
    await database.gateway()(mention());
    const turn = only(await database.worker('leaving').claim(1));
    // Not its owner any more: a worker knows itself by its name only.
    expect(await database.worker('leaving').retry(retry(turn, 0, { counts: false }))).toBe(true);
    expect(only(await database.worker('staying').claim(1))).toMatchObject({ attempts: 0 });
  });

  it('keeps the logged steps, and the placeholder’s id wherever it was recorded', async () => {
    await database.gateway()(mention());
    const worker = database.worker('w');
    const turn = only(await worker.claim(1));
    await worker.recordPlaceholder(turn, turn.placeholderId as number, 'p1');
    const step = {
      position: 0,
      kind: 'model' as const,
      outcome: 'model_unavailable',
      provider: 'demo',
      model: 'm',
      inputTokens: null,
      outputTokens: null,
      cachedInputTokens: null,
      cacheWriteTokens: null,
      reasoningTokens: null,
      nanoUsd: null,
      detail: {},
      startedAtMs: Date.now(),
      durationMs: 5,
    };
    await worker.retry(retry(turn, 0, { steps: [step] }));
    expect(only(await worker.claim(1))).toMatchObject({
      steps: 1,
      deliveries: [{ kind: 'placeholder', status: 'sent', externalId: 'p1' }],
    });
  });
});

describe('the log of a turn', () => {
  const step = (position: number, overrides: Partial<Step> = {}): Step => ({
    position,
    kind: 'tool',
    outcome: 'ok',
    provider: null,
    model: null,
    inputTokens: null,
    outputTokens: null,
    cachedInputTokens: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
    nanoUsd: null,
    detail: { output: `of ${position}` },
    startedAtMs: Date.now(),
    durationMs: 5,
    ...overrides,
  });
  const outcomes = (turn: ClaimedTurn) =>
    turn.loggedSteps.map(({ position, outcome }) => `${position} ${outcome}`);

  it('is handed to whoever takes the turn over, and goes on behind its last step', async () => {
    await database.gateway()(mention());
    const mortal = database.worker('mortal', { leaseMs: 100 });
    const turn = only(await mortal.claim(1));
    expect(turn).toMatchObject({ steps: 0, loggedSteps: [] });
    const model = step(0, { kind: 'model', outcome: 'tool_calls', detail: { text: 'x' } });
    expect(await mortal.logSteps({ ...key(turn), steps: [model, step(3)] })).toBe(true);
    await sleep(120);
    const taken = only(await database.worker('other').claim(1));
    expect(outcomes(taken)).toEqual(['0 tool_calls', '3 ok']);
    expect(taken.loggedSteps[1]).toMatchObject({ kind: 'tool', detail: { output: 'of 3' }, durationMs: 5 });
    expect(taken.steps).toBe(4); // 1 and 2 are calls that did not come to their end
  });

  it('waits for the disk', async () => {
    const client = await database.pool(1).connect();
    try {
      await client.query('begin');
      await client.query(`select log_steps('w', '[]')`);
      const { rows } = await client.query('show synchronous_commit');
      expect(rows).toEqual([{ synchronous_commit: 'on' }]);
    } finally {
      await client.query('rollback');
      client.release();
    }
  });

  it('takes the end of a call once, in the place of its start; a write that comes twice changes nothing', async () => {
    await database.gateway()(mention());
    const worker = database.worker('w');
    const turn = only(await worker.claim(1));
    const log = (...steps: readonly Step[]) => worker.logSteps({ ...key(turn), steps });
    expect(await log(step(0, { outcome: 'started', detail: {} }))).toBe(true);
    expect(await log(step(0, { outcome: 'started', detail: {} }))).toBe(true);
    expect(await log(step(0))).toBe(true);
    expect(await log(step(0, { outcome: 'error' }))).toBe(true);
    expect(await log(step(0, { outcome: 'started' }))).toBe(true);
    await worker.retry(retry(turn, 0));
    expect(outcomes(only(await worker.claim(1)))).toEqual(['0 ok']);
  });

  it('is closed to a worker that lost the turn, to other owners, tenants and turns, and after the commit', async () => {
    const admit = database.gateway();
    const slow = database.worker('slow', { leaseMs: 20 });
    await admit(mention());
    const stale = only(await slow.claim(1));
    await sleep(40);
    const worker = database.worker('w');
    const turn = only(await worker.claim(1));
    await admit(messageEvent(database.tenants[1]));
    const foreign = only(await worker.claim(1));
    const steps = [step(0)];
    expect(await slow.logSteps({ ...key(stale), steps })).toBe(false);
    expect(await database.worker('thief').logSteps({ ...key(turn), steps })).toBe(false);
    expect(await worker.logSteps({ ...key(turn), tenantId: foreign.tenantId, steps })).toBe(false);
    expect(await worker.logSteps({ ...key(turn), turnId: foreign.turnId, steps })).toBe(false);
    await worker.commit(commitment(turn));
    expect(await worker.logSteps({ ...key(turn), steps })).toBe(false);
    expect(await database.query('select 1 from konstruct.steps where turn_id = $1', [turn.turnId])).toEqual(
      [],
    );
  });
});

describe('locks', () => {
  /** Runs work while another transaction holds what the statement locks. */
  async function whileLocked(
    statement: string,
    id: number | string,
    work: () => Promise<void>,
  ): Promise<void> {
    const client = await database.pool(1).connect();
    try {
      await client.query('begin');
      await client.query('set local role konstruct_pipeline');
      await client.query(statement, [id]);
      await work();
    } finally {
      await client.query('rollback');
      client.release();
    }
  }

  it('of an edit begin with the conversation: it holds no message while it waits', async () => {
    const admit = database.gateway();
    const message = mention();
    const id = conversationOf(await admit(message));
    let edit: Promise<unknown> = Promise.resolve();
    await whileLocked('select 1 from konstruct.conversations where id = $1 for update', id, async () => {
      edit = admit(editOf(message, 'edited', 5_000));
      await expect(Promise.race([edit, sleep(150, 'waits')])).resolves.toBe('waits');
      await database.query('select 1 from konstruct.messages where conversation_id = $1 for update nowait', [
        id,
      ]);
    });
    await expect(edit).resolves.toEqual({ outcome: 'edited' });
  });

  it('of a batch are taken in the order of the conversations, edits and all', async () => {
    const admit = database.gateway();
    const first = mention({ channelId: 'C1' });
    const id = conversationOf(await admit(first));
    const second = mention({ channelId: 'C2' });
    const later = conversationOf(await admit(second));
    let batch: Promise<unknown> = Promise.resolve();
    await whileLocked('select 1 from konstruct.conversations where id = $1 for update', id, async () => {
      const next = mention({ channelId: 'C2', conversationThreadId: second.conversationThreadId });
      batch = Promise.all([admit(next), admit(editOf(first, 'edited', 5_000))]);
      await expect(Promise.race([batch, sleep(150, 'waits')])).resolves.toBe('waits');
      await database.query('select 1 from konstruct.conversations where id = $1 for update nowait', [later]);
    });
    await expect(batch).resolves.toMatchObject([{ outcome: 'new' }, { outcome: 'edited' }]);
  });

  it('do not keep a placeholder’s record waiting: whoever holds the row records it', async () => {
    await database.gateway()(mention());
    const worker = database.worker('w');
    const turn = only(await worker.claim(1));
    const deliveryId = turn.placeholderId as number;
    const lock = 'select 1 from konstruct.deliveries where id = $1 for update';
    await whileLocked(lock, deliveryId, () => worker.recordPlaceholder(turn, deliveryId, 'p1'));
  });

  it('of a foreign key’s check do not hide a ready conversation from a claim', async () => {
    const id = conversationOf(await database.gateway()(mention()));
    const keyCheck = 'select 1 from konstruct.conversations where id = $1 for key share';
    await whileLocked(keyCheck, id, async () => {
      expect((await database.worker('w').claim(1)).length).toBe(1);
    });
  });
});
