import { driveAcks } from '../support/drive.ts';
import { interleave, type MeasureContext, withCpu } from './measure.ts';

const EVENTS_PER_ROUND = 6_000;
const CONNECTIONS = 64;

export interface AcksSample {
  readonly acksPerSecond: number;
  readonly nodeMicroseconds: number;
  readonly postgresMicroseconds: number;
}

/** Acks per second over real HTTP: ours are durable, the peers' are not. */
export async function measureAcks(context: MeasureContext) {
  return interleave(context, await context.running('acks'), async (contender): Promise<AcksSample> => {
    const events = context.events.make(EVENTS_PER_ROUND);
    const { result, nodeMs, postgresMs } = await withCpu(contender, () =>
      driveAcks(contender.port, events, CONNECTIONS),
    );
    return {
      acksPerSecond: (EVENTS_PER_ROUND * 1_000) / result,
      nodeMicroseconds: (nodeMs * 1_000) / EVENTS_PER_ROUND,
      postgresMicroseconds: (postgresMs * 1_000) / EVENTS_PER_ROUND,
    };
  });
}
