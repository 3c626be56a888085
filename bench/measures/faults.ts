import { setTimeout as sleep } from 'node:timers/promises';
import type { ContenderName, RunningContender } from '../support/contenders.ts';
import { openConnections } from '../support/drive.ts';
import type { SignedEvent } from '../support/events.ts';
import type { LoadConnection } from '../support/load-connection.ts';
import type { MeasureContext } from './measure.ts';

const MODEL_MS = 200;
const PER_SECOND = 200;
const EVENTS = 600;
const DOUBLED_EVENTS = 300;
/** A lease is 15 s long: what a killed process held goes on within 20. */
const RECOVERY_MS = 25_000;
const RETRY_MS = 200;

export interface FaultsResult {
  /** Acked, but never answered. */
  readonly lostOf600: number;
  /** Answered more than once although they were sent once. */
  readonly doubledAfterKill: number;
  /** Answered more than once of 300 that were sent twice. */
  readonly doubledOf300: number;
}

/** kill -9 in the middle of 600 messages, and every event twice. Each contender starts afresh. */
export async function measureFaults(
  context: MeasureContext,
): Promise<ReadonlyMap<ContenderName, FaultsResult>> {
  context.standIns.setModelDelay(MODEL_MS);
  context.standIns.clear();
  const sent = new Map<ContenderName, Sent>();
  for (const contender of await context.fresh('turns')) {
    sent.set(contender.name, await hurt(context, contender)); // one after the other: each has the machine to itself
  }
  const all = [...sent.values()].flatMap(({ once }) => once);
  const unanswered = (events: readonly SignedEvent[]) =>
    events.filter(({ threadId }) => context.standIns.answersIn(threadId) === 0).length;
  const doubled = (events: readonly SignedEvent[]) =>
    events.filter(({ threadId }) => context.standIns.answersIn(threadId) > 1).length;
  const untilMs = performance.now() + RECOVERY_MS;
  while (unanswered(all) > 0 && performance.now() < untilMs) await sleep(100);
  await sleep(1_000); // time for a second answer, should one come
  return new Map(
    [...sent].map(([name, { once, twice }]) => [
      name,
      { lostOf600: unanswered(once), doubledAfterKill: doubled(once), doubledOf300: doubled(twice) },
    ]),
  );
}

interface Sent {
  readonly once: readonly SignedEvent[];
  readonly twice: readonly SignedEvent[];
}

async function hurt(context: MeasureContext, contender: RunningContender): Promise<Sent> {
  const twice = context.events.make(DOUBLED_EVENTS);
  await sendAll(
    contender,
    twice.flatMap((event) => [event, context.events.again(event)]),
  );
  const once = context.events.make(EVENTS);
  const killing = sleep((EVENTS / PER_SECOND / 2) * 1_000).then(() => contender.killAndRestart());
  await sendAll(contender, once);
  await killing;
  return { once, twice };
}

/** Sends at a steady rate and, as Slack does, again until it is acked. */
async function sendAll(contender: RunningContender, events: readonly SignedEvent[]): Promise<void> {
  const free: LoadConnection[] = [];
  const startedAtMs = performance.now();
  const sendOne = async (event: SignedEvent, index: number): Promise<void> => {
    await sleep(Math.max(0, startedAtMs + (index * 1_000) / PER_SECOND - performance.now()));
    for (;;) {
      try {
        const connection = free.pop() ?? (await openConnections(contender.port, 1))[0];
        if (!connection) throw new Error('No connection.');
        const status = await connection.send(event.request);
        free.push(connection);
        if (status === 200) return;
      } catch {
        await sleep(RETRY_MS);
      }
    }
  };
  await Promise.all(events.map(sendOne));
  for (const connection of free) connection.close();
}
