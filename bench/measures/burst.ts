import { setTimeout as sleep } from 'node:timers/promises';
import { driveAcks } from '../support/drive.ts';
import { interleave, type MeasureContext, withCpu } from './measure.ts';

/** Ten for each of the 200 tenants. */
const MESSAGES = 2_000;
const CONNECTIONS = 64;
/** For a second answer to come, should there be one. */
const SETTLE_MS = 1_000;

export interface BurstSample {
  /** From the first message being sent to the last answer standing in its thread. */
  readonly seconds: number;
  /** Messages without an answer, or with two. */
  readonly notOnce: number;
  /** CPU per message. */
  readonly nodeMs: number;
  readonly postgresMs: number;
}

/** All at once, as fast as they are acked, and nobody waits for an answer: with a model that answers at once. */
export async function measureBurst(context: MeasureContext) {
  context.standIns.setModelDelay(0);
  return interleave(context, await context.running('turns'), async (contender): Promise<BurstSample> => {
    context.standIns.clear();
    const events = context.events.make(MESSAGES, 'all workspaces');
    const { result, nodeMs, postgresMs } = await withCpu(contender, async () => {
      const answered = Promise.all(events.map((event) => context.waits.answered(event)));
      const startedAtMs = performance.now();
      await driveAcks(contender.port, events, CONNECTIONS);
      return (Math.max(...(await answered)) - startedAtMs) / 1_000;
    });
    await sleep(SETTLE_MS);
    return {
      seconds: result,
      notOnce: events.filter(({ threadId }) => context.standIns.answersIn(threadId) !== 1).length,
      nodeMs: nodeMs / MESSAGES,
      postgresMs: postgresMs / MESSAGES,
    };
  });
}
