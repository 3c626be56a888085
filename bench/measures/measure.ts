import type { ContenderName, RunningContender } from '../support/contenders.ts';
import type { AnswerWaits } from '../support/drive.ts';
import type { EventSource } from '../support/events.ts';
import type { StandIns } from '../support/stand-ins.ts';

/** What measures share. */
export interface MeasureContext {
  readonly rounds: number;
  readonly standIns: StandIns;
  readonly events: EventSource;
  readonly waits: AnswerWaits;
  /** All contenders in one mode, started when they are first asked for and kept until the end. */
  running(what: 'acks' | 'turns'): Promise<readonly RunningContender[]>;
  /** All contenders afresh, for measures that hurt them. */
  fresh(what: 'acks' | 'turns'): Promise<readonly RunningContender[]>;
}

/**
 * Lets the contenders take turns, so that what disturbs the machine disturbs all; who begins changes from round to
 * round. The first round warms up and is not returned.
 */
export async function interleave<Result>(
  context: MeasureContext,
  contenders: readonly RunningContender[],
  measureOne: (contender: RunningContender) => Promise<Result>,
): Promise<ReadonlyMap<ContenderName, readonly Result[]>> {
  const results = new Map<ContenderName, Result[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= context.rounds; round += 1) {
    const first = round % contenders.length;
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      const result = await measureOne(contender);
      if (round > 0) results.get(contender.name)?.push(result);
    }
  }
  return results;
}

/** CPU that a contender spends on work, in ms, with what is left to do right after it. */
export async function withCpu<Result>(
  contender: RunningContender,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly nodeMs: number; readonly postgresMs: number }> {
  const before = contender.cpu();
  const result = await work();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const after = contender.cpu();
  return { result, nodeMs: after.nodeMs - before.nodeMs, postgresMs: after.postgresMs - before.postgresMs };
}

const SETTLE_MS = 250;
