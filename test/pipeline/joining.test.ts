import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClaimedTurn, CommitTurn, Step } from '../../src/core/turn.ts';
import type { AdmitMessage } from '../../src/router/admit.ts';
import {
  createPipelineDatabase,
  deletionOf,
  messageEvent,
  type PipelineDatabase,
} from '../support/pipeline-database.ts';

let database: PipelineDatabase;
beforeAll(async () => {
  database = await createPipelineDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.query('delete from konstruct.conversations');
});

const thread = '1700000000.000001';
const said = (overrides: Partial<AdmitMessage> = {}) =>
  messageEvent(database.tenants[0], { conversationThreadId: thread, replyThreadId: thread, ...overrides });

const step: Step = {
  position: 0,
  kind: 'model',
  outcome: 'stop',
  provider: 'demo',
  model: 'm',
  inputTokens: null,
  outputTokens: null,
  cachedInputTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: null,
  nanoUsd: null,
  detail: {},
  startedAtMs: 0,
  durationMs: 1,
};

function commitment({ tenantId, conversationId, turnId, fence, revision }: ClaimedTurn): CommitTurn {
  return {
    tenantId,
    conversationId,
    turnId,
    fence,
    placeholderExternalId: `p${turnId}`,
    steps: [step],
    reply: 'answer',
    parts: ['answer'],
    agentUserId: 'U0',
    revision,
    strict: false,
    errorCode: null,
    errorDetails: null,
  };
}

function putBack(turn: ClaimedTurn) {
  const { tenantId, conversationId, turnId, fence } = turn;
  const key = { tenantId, conversationId, turnId, fence };
  const nothing = { placeholderExternalId: null, errorCode: null, errorDetails: null, externalIds: [] };
  return { ...key, ...nothing, delayMs: 0, counts: false, steps: [step] };
}

async function claim(owner: string) {
  const worker = database.worker(owner);
  const [turn] = await worker.claim(1);
  if (!turn) throw new Error('Nothing was to be claimed.');
  return { worker, turn };
}

describe('an answer to what is not all any more', () => {
  it('is refused when a message has joined that the worker knows nothing of, and the next attempt has it', async () => {
    const gateway = database.gateway();
    await gateway(said({ busyMode: 'queue', content: 'first' }));
    const { worker, turn } = await claim('a'); // under the settings of then
    await gateway(said({ busyMode: 'steer', content: 'second' }));
    expect(await worker.commit(commitment(turn))).toBeNull();
    expect(await worker.retry(putBack(turn))).toBe(true);
    const again = await claim('b');
    expect(again.turn.messages.filter(({ ofTurn }) => ofTurn).map(({ content }) => content)).toEqual([
      'first',
      'second',
    ]);
    expect(await again.worker.commit({ ...commitment(again.turn), steps: [] })).not.toBeNull();
  });

  it('is refused when one of its messages was deleted, and the next attempt goes on with the rest', async () => {
    const gateway = database.gateway();
    const secret = said({ content: 'the password is 1234' });
    await gateway(secret);
    await gateway(said({ content: 'what now?' }));
    const { worker, turn } = await claim('a');
    expect(turn.messages).toHaveLength(2);
    expect((await gateway(deletionOf(secret))).outcome).toBe('deleted');
    expect(await worker.commit(commitment(turn))).toBeNull();
    await worker.retry(putBack(turn));
    const again = await claim('b');
    expect(again.turn.messages.map(({ content }) => content)).toEqual(['what now?']);
    expect(await again.worker.commit({ ...commitment(again.turn), steps: [] })).not.toBeNull();
  });

  it('goes out in the end however much is said: what comes after ten is the next turn', async () => {
    const gateway = database.gateway();
    await gateway(said({ busyMode: 'interrupt' }));
    const { turn } = await claim('a');
    for (let index = 0; index < 14; index += 1) await gateway(said({ busyMode: 'interrupt' }));
    const rows = await database.query<{ joined: boolean; n: number }>(
      `select turn_id is not null as joined, count(*)::int as n from konstruct.messages group by 1 order by 1`,
    );
    expect(rows).toEqual([
      { joined: false, n: 4 },
      { joined: true, n: 11 },
    ]);
    expect(turn.revision).toBe(0);
  });
});

it('a turn whose commit was recorded, without anybody hearing of it, is put back with the same steps', async () => {
  const gateway = database.gateway();
  await gateway(said());
  const { worker, turn } = await claim('a');
  expect(await worker.commit(commitment(turn))).not.toBeNull();
  expect(await worker.retry(putBack(turn))).toBe(true);
  const again = await claim('b');
  expect(again.turn).toMatchObject({ status: 'committed', steps: 1, attempts: 0 });
});
