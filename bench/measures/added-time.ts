import { driveSteadily } from '../support/drive.ts';
import { percentile } from '../support/statistics.ts';
import { interleave, type MeasureContext, withCpu } from './measure.ts';

const MODEL_MS = 200;
const PER_SECOND = 50;
const TURNS_PER_ROUND = 400;

export interface AddedTimeSample {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly nodeMs: number;
  readonly postgresMs: number;
}

/** What is added to a model's own 200 ms at 50 messages a second, from sending the event to the answer in the thread. */
export async function measureAddedTime(context: MeasureContext) {
  context.standIns.setModelDelay(MODEL_MS);
  return interleave(context, await context.running('turns'), async (contender): Promise<AddedTimeSample> => {
    context.standIns.clear();
    const events = context.events.make(TURNS_PER_ROUND);
    const { result, nodeMs, postgresMs } = await withCpu(contender, () =>
      driveSteadily(contender.port, events, PER_SECOND, context.waits),
    );
    const added = result.map((ms) => ms - MODEL_MS);
    return {
      p50Ms: percentile(added, 50),
      p99Ms: percentile(added, 99),
      nodeMs: nodeMs / TURNS_PER_ROUND,
      postgresMs: postgresMs / TURNS_PER_ROUND,
    };
  });
}
