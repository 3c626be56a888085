import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ClaimedTurn } from '../../src/core/turn.ts';
import type { TurnQueue } from '../../src/queue/create-turn-queue.ts';
import type { AdmitMessage } from '../../src/router/admit.ts';
import {
  createPipelineDatabase,
  deletionOf,
  editOf,
  messageEvent,
  type PipelineDatabase,
} from '../support/pipeline-database.ts';
import { seededRandom } from '../support/seeded-random.ts';

const SEED = 20_260_301;
const RUN_MS = 4_000;
const CONVERSATIONS = 40;
const LEASE_MS = 150;

let database: PipelineDatabase;
beforeAll(async () => {
  database = await createPipelineDatabase();
});
afterAll(() => database.drop());

/**
 * Two gateways and three workers at once on few conversations of two tenants: copies, edits, deletions, retries, and
 * workers that vanish in the middle of a turn.
 */
it('answers every message in exactly one turn, whatever happens at the same time', async () => {
  const random = seededRandom(SEED);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const admitted: AdmitMessage[] = [];
  const deleted = new Set<string>();
  const gateways = [database.gateway(), database.gateway()];
  const workers = ['a', 'b', 'c'].map((owner) => database.worker(owner, { leaseMs: LEASE_MS }));
  const startedAt = performance.now();
  const running = (): boolean => performance.now() - startedAt < RUN_MS;
  const finished: number[] = [];

  async function speak(): Promise<void> {
    while (running()) {
      const thread = Math.floor(random() * CONVERSATIONS);
      const message = messageEvent(pick(database.tenants), {
        channelId: `C${thread % 5}`,
        conversationThreadId: `thread-${thread}`,
      });
      // At the same moment, and so in the same batch.
      const edits = Array.from({ length: admitted.length > 0 && random() < 0.5 ? 3 : 0 }, () =>
        pick(gateways)(editOf(pick(admitted.slice(-40)), 'edited', Date.now())),
      );
      const copies = await Promise.all(
        Array.from({ length: random() < 0.2 ? 3 : 1 }, () =>
          pick(gateways)({ ...message, eventId: `Ev${random()}` }),
        ),
      );
      await Promise.all(edits);
      expect(copies.filter(({ outcome }) => outcome === 'new').length).toBe(1);
      admitted.push(message);
      if (random() < 0.05) {
        const victim = pick(admitted);
        await pick(gateways)(deletionOf(victim));
        deleted.add(victim.messageId);
      }
      await sleep(random() * 10);
    }
  }

  async function work(worker: TurnQueue): Promise<void> {
    const isIdle = async () =>
      (await database.query('select 1 from konstruct.conversations where ready_at is not null')).length === 0;
    for (;;) {
      const turns = await worker.claim(1 + Math.floor(random() * 8));
      await Promise.all(turns.map((turn) => run(worker, turn)));
      if (turns.length === 0) {
        if (!running() && (await isIdle())) return;
        await sleep(5);
      }
    }
  }

  async function run(worker: TurnQueue, turn: ClaimedTurn): Promise<void> {
    const { tenantId, conversationId, turnId, fence } = turn;
    const key = { tenantId, conversationId, turnId, fence };
    const fate = random();
    await sleep(random() * 20);
    if (fate < 0.05) return; // vanished: the lease runs out
    if (fate < 0.1) await sleep(LEASE_MS * 1.5); // too slow: somebody else has it
    if (turn.placeholderId !== null && random() < 0.5)
      await worker.recordPlaceholder(turn, turn.placeholderId, `p-${turnId}`);
    if (fate < 0.25) {
      await worker.retry({
        ...key,
        delayMs: random() * 30,
        counts: true,
        steps: [],
        placeholderExternalId: null,
        errorCode: null,
        errorDetails: null,
        externalIds: [],
      });
      return;
    }
    if (turn.cancel !== null) {
      await worker.finish({
        ...key,
        status: 'cancelled',
        errorCode: null,
        externalIds: [],
        followMs: null,
      });
      return;
    }
    if (turn.status === 'running') {
      const committed = await worker.commit({
        ...key,
        placeholderExternalId: `p-${turnId}`,
        steps: [],
        reply: 'answer',
        parts: ['answer'],
        agentUserId: 'U0',
        revision: turn.revision,
        strict: false,
        errorCode: null,
        errorDetails: null,
      });
      if (committed === null) return;
    }
    const held = await worker.finish({
      ...key,
      status: 'answered',
      errorCode: null,
      externalIds: [`x-${turnId}`],
      followMs: null,
    });
    if (held) finished.push(turnId);
  }

  await Promise.all([...Array.from({ length: 6 }, speak), ...workers.map(work)]);

  const rows = await database.query<{ external_id: string; turn_id: string | null; status: string | null }>(
    `select m.external_id, m.turn_id, t.status from konstruct.messages m
     left join konstruct.turns t on t.tenant_id = m.tenant_id and t.id = m.turn_id where m.direction = 'in'`,
  );
  expect(admitted.length).toBeGreaterThan(200);
  expect(rows.length).toBe(admitted.length);
  const unanswered = rows.filter(
    ({ external_id, status }) =>
      status !== 'answered' && !((status === null || status === 'cancelled') && deleted.has(external_id)),
  );
  expect(unanswered, `seed ${SEED}`).toEqual([]);
  expect(new Set(finished).size).toBe(finished.length);
  const answers = await database.query<{ finals: number }>(
    `select count(*)::int as finals from konstruct.deliveries where kind = 'answer' group by turn_id`,
  );
  expect(answers.length).toBe(finished.length);
  expect(answers.every(({ finals }) => finals === 1)).toBe(true);

  await database.endPools();
  expect(
    await database.query('select deadlocks::int from pg_stat_database where datname = current_database()'),
  ).toEqual([{ deadlocks: 0 }]);
});
