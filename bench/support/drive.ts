import { setTimeout as sleep } from 'node:timers/promises';
import type { SignedEvent } from './events.ts';
import { type LoadConnection, openLoadConnection } from './load-connection.ts';
import type { StandIns } from './stand-ins.ts';

/** Tells when the answer to an event stands in its thread. */
export interface AnswerWaits {
  /** Resolves to `performance.now()` of the answer. @throws Error when there is none within `timeoutMs` */
  answered(event: SignedEvent, timeoutMs?: number): Promise<number>;
}

export function createAnswerWaits(standIns: StandIns): AnswerWaits {
  const waiting = new Map<string, (atMs: number) => void>();
  standIns.onAnswer((threadId) => {
    waiting.get(threadId)?.(performance.now());
    waiting.delete(threadId);
  });
  return {
    answered: ({ threadId }, timeoutMs = 60_000) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(threadId);
          reject(new Error(`No answer in the thread ${threadId} after ${timeoutMs} ms.`));
        }, timeoutMs);
        waiting.set(threadId, (atMs) => {
          clearTimeout(timer);
          resolve(atMs);
        });
      }),
  };
}

export async function openConnections(port: number, count: number): Promise<readonly LoadConnection[]> {
  return Promise.all(Array.from({ length: count }, () => openLoadConnection(port)));
}

/** Sends all events as fast as they are acked, over `connections` at a time. Returns the ms it took. */
export async function driveAcks(
  port: number,
  events: readonly SignedEvent[],
  connections: number,
): Promise<number> {
  const opened = await openConnections(port, connections);
  let next = 0;
  const startedAtMs = performance.now();
  await Promise.all(
    opened.map(async (connection) => {
      for (let event = events[next++]; event; event = events[next++])
        await sendAndExpectAck(connection, event);
    }),
  );
  const elapsedMs = performance.now() - startedAtMs;
  for (const connection of opened) connection.close();
  return elapsedMs;
}

/** Has `inFlight` people each ask, wait for the answer and ask again. Returns the ms until the last answer. */
export async function driveTurns(
  port: number,
  events: readonly SignedEvent[],
  inFlight: number,
  waits: AnswerWaits,
): Promise<number> {
  const opened = await openConnections(port, inFlight);
  let next = 0;
  const startedAtMs = performance.now();
  await Promise.all(
    opened.map(async (connection) => {
      for (let event = events[next++]; event; event = events[next++]) {
        await Promise.all([waits.answered(event), sendAndExpectAck(connection, event)]);
      }
    }),
  );
  const elapsedMs = performance.now() - startedAtMs;
  for (const connection of opened) connection.close();
  return elapsedMs;
}

/** Sends at a steady rate, whatever comes back. Returns for each event the ms from sending it to its answer. */
export async function driveSteadily(
  port: number,
  events: readonly SignedEvent[],
  perSecond: number,
  waits: AnswerWaits,
): Promise<readonly number[]> {
  const free = [...(await openConnections(port, 16))];
  const startedAtMs = performance.now();
  const waitsMs: Promise<number>[] = [];
  for (const [index, event] of events.entries()) {
    const dueMs = startedAtMs + (index * 1_000) / perSecond;
    const earlyMs = dueMs - performance.now();
    if (earlyMs > 0) await sleep(earlyMs);
    const connection = free.pop() ?? (await openConnections(port, 1))[0];
    if (!connection) throw new Error('No connection.');
    const sentAtMs = performance.now();
    waitsMs.push(
      Promise.all([
        waits.answered(event),
        sendAndExpectAck(connection, event).then(() => free.push(connection)),
      ]).then(([atMs]) => atMs - sentAtMs),
    );
  }
  const results = await Promise.all(waitsMs);
  for (const connection of free) connection.close();
  return results;
}

async function sendAndExpectAck(connection: LoadConnection, event: SignedEvent): Promise<void> {
  const status = await connection.send(event.request);
  if (status !== 200) throw new Error(`An event was answered with ${status}.`);
}
