import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import type { ClaimedTurn } from '../core/turn.ts';
import type { TurnQueue } from './create-turn-queue.ts';
import { createWorker, type Worker } from './create-worker.ts';

let worker: Worker;
afterEach(() => worker.stop(100));

const turn = (conversationId: number) =>
  ({ conversationId, agent: {}, revision: 0 }) as unknown as ClaimedTurn;

/** A worker whose claims come with admissions only, and what it asks the queue. */
function start() {
  const checked: number[] = [];
  let renewals = 0;
  const queue = {
    claim: async () => [],
    beginClaim: () => ({ values: [], end() {} }),
    check: async (turns: readonly ClaimedTurn[]) => {
      checked.push(...turns.map(({ conversationId }) => conversationId));
      return turns.map(() => ({ state: 'held', cancel: null, revision: 0 }));
    },
    async renew(turns: readonly ClaimedTurn[]) {
      renewals += 1;
      return turns.map(() => true);
    },
  } as unknown as TurnQueue;
  worker = createWorker({
    queue,
    concurrency: 10,
    runTurn: (_turn, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
    renewEveryMs: 10,
    pollEveryMs: 60_000,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  worker.start();
  return { checked, renewals: () => renewals };
}

/** The claim of `start` has come back. */
async function offer() {
  await sleep(0);
  const made = worker.offer(1);
  if (made === null) throw new Error('The worker has no room.');
  return made;
}

it('asks about a turn that was interrupted while its claim was under way', async () => {
  const { checked } = start();
  const claim = await offer();
  worker.interrupt(1);
  claim.accept([turn(1)]);
  await expect.poll(() => checked).toEqual([1]);
});

it('forgets interruptions of turns that run elsewhere, also when some claim is under way all the time', async () => {
  const { checked, renewals } = start();
  (await offer()).accept([turn(7)]); // something to renew
  let claim = await offer();
  worker.interrupt(1);
  const before = renewals();
  await expect.poll(renewals).toBeGreaterThan(before + 3);
  const next = await offer(); // begun before the one before has ended
  claim.accept([]);
  claim = next;
  claim.accept([turn(1)]);
  await sleep(0);
  expect(checked).toEqual([]);
});
