import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../core/clock.ts';
import type { ControlEvent } from './control-api.ts';

/** Server-sent events for any number of readers, with a memory for those who were cut off. */
export interface EventStream {
  publish(event: ControlEvent): void;
  /** Answers a request with the stream; resumes behind `Last-Event-ID` when that is still remembered. */
  open(request: FastifyRequest, reply: FastifyReply): void;
  close(): void;
}

const REMEMBERED_EVENTS = 1_000;
const HEARTBEAT_MS = 15_000;
/** A reader that lets this much pile up is cut off; it reconnects and resumes. */
const BACKLOG_LIMIT_BYTES = 4_000_000;

/** @param instance tells the ids of this process from those of the one before it */
export function createEventStream(input: { readonly clock: Clock; readonly instance: string }): EventStream {
  const readers = new Set<FastifyReply['raw']>();
  const remembered: { readonly number: number; readonly event: ControlEvent }[] = [];
  let lastNumber = 0;
  let closed = false;

  const frameOf = (event: ControlEvent, number: number) =>
    `id: ${input.instance}-${number}\ndata: ${JSON.stringify(event)}\n\n`;
  const write = (reader: FastifyReply['raw'], frame: string) => {
    reader.write(frame);
    if (reader.writableLength > BACKLOG_LIMIT_BYTES) reader.destroy();
  };

  return {
    publish(event) {
      lastNumber += 1;
      remembered.push({ number: lastNumber, event });
      if (remembered.length > REMEMBERED_EVENTS) remembered.shift();
      if (readers.size === 0) return;
      const frame = frameOf(event, lastNumber);
      for (const reader of readers) write(reader, frame);
    },

    open(request, reply) {
      const after = resumeNumber(request.headers['last-event-id'], input.instance);
      const oldest = remembered[0]?.number ?? lastNumber + 1;
      const resumed = after !== null && after <= lastNumber && after >= oldest - 1;
      reply.hijack();
      const reader = reply.raw;
      reader.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
      });
      const opened: ControlEvent = { type: 'stream.opened', serverTimeMs: input.clock(), resumed };
      // The opening event repeats the number before what follows, so that it can be resumed behind it.
      reader.write(`retry: 1000\n${frameOf(opened, resumed ? after : lastNumber)}`);
      const missed = resumed ? remembered.filter(({ number }) => number > after) : [];
      for (const { number, event } of missed) reader.write(frameOf(event, number));
      if (closed) {
        reader.end();
        return;
      }
      readers.add(reader);
      const heartbeat = setInterval(() => write(reader, ': alive\n\n'), HEARTBEAT_MS);
      heartbeat.unref();
      reader.once('close', () => {
        clearInterval(heartbeat);
        readers.delete(reader);
      });
    },

    close() {
      closed = true;
      for (const reader of readers) reader.end();
    },
  };
}

function resumeNumber(header: string | string[] | undefined, instance: string): number | null {
  if (typeof header !== 'string' || !header.startsWith(`${instance}-`)) return null;
  const number = Number(header.slice(instance.length + 1));
  return Number.isSafeInteger(number) ? number : null;
}
