import { driveTurns } from '../support/drive.ts';
import { interleave, type MeasureContext, withCpu } from './measure.ts';

const TURNS_PER_ROUND = 1_500;
const IN_FLIGHT = 64;

export interface TurnsSample {
  readonly turnsPerSecond: number;
  readonly nodeMs: number;
  readonly postgresMs: number;
}

/** Whole turns per second with a model that answers at once (placeholder, model, update), and CPU per turn. */
export async function measureTurns(context: MeasureContext) {
  context.standIns.setModelDelay(0);
  return interleave(context, await context.running('turns'), async (contender): Promise<TurnsSample> => {
    context.standIns.clear();
    const events = context.events.make(TURNS_PER_ROUND);
    const { result, nodeMs, postgresMs } = await withCpu(contender, () =>
      driveTurns(contender.port, events, IN_FLIGHT, context.waits),
    );
    return {
      turnsPerSecond: (TURNS_PER_ROUND * 1_000) / result,
      nodeMs: nodeMs / TURNS_PER_ROUND,
      postgresMs: postgresMs / TURNS_PER_ROUND,
    };
  });
}
