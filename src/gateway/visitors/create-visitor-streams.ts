import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import type { ChannelRequest } from '../../core/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { isKonstructError, KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { VisitorMailbox } from '../../core/mailbox.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { Visitor } from '../../core/visitor.ts';
import type { MailboxHub } from './create-mailbox-hub.ts';
import type { Caller, VisitorGate } from './create-visitor-gate.ts';
import { streamMailbox } from './stream-mailbox.ts';

export interface VisitorStreamsOptions {
  readonly gate: VisitorGate;
  readonly hub: MailboxHub;
  readonly mailbox: Pick<VisitorMailbox, 'read'>;
  readonly wallClock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

export interface StreamRequest {
  readonly caller: Caller;
  readonly visitor: Visitor;
  readonly request: ChannelRequest;
  /** By which the connection was asked for. */
  readonly name: string;
  /** As in `MailboxStreamOptions`. */
  readonly after: number | null;
}

/** The browsers that are connected to this process. */
export interface VisitorStreams {
  /** Answers with the stream. @throws KonstructError `rate_limited`: there are too many */
  open(wanted: StreamRequest, reply: FastifyReply): void;
  /** Ends those that would not be let in any more. */
  recheck(): void;
  /** Ends all; their browsers come again, to another process. */
  end(): void;
}

interface OpenStream extends StreamRequest {
  readonly ending: AbortController;
}

/** Tabs of one visitor; the one that was opened first goes. */
const MAX_OF_ONE = 8;
const MAX_STREAMS = 10_000;
const BUSY_RETRY_MS = 5_000;
const LOOKS_AT_A_TIME = 100;
const LOOK_PAUSE_MS = 500;
/** The longest time a timer can have. */
const MAX_TIMER_MS = 2_147_483_647;

export function createVisitorStreams(options: VisitorStreamsOptions): VisitorStreams {
  const { gate, hub, mailbox, wallClock, metrics, log } = options;
  const streams = new Set<OpenStream>();
  const ofVisitor = new Map<string, Set<OpenStream>>();
  let isLooking = false;
  /** Something has changed since the last look began. */
  let isDue = false;
  metrics.onCollect(() => metrics.gauge('konstruct_visitor_streams', {}).set(streams.size));

  function add(stream: OpenStream): () => void {
    const key = `${stream.caller.connection.id} ${stream.visitor.channelId}`;
    const tabs = ofVisitor.get(key) ?? new Set();
    ofVisitor.set(key, tabs);
    const [first] = tabs;
    if (tabs.size >= MAX_OF_ONE) first?.ending.abort();
    tabs.add(stream);
    streams.add(stream);
    return () => {
      streams.delete(stream);
      tabs.delete(stream);
      if (tabs.size === 0 && ofVisitor.get(key) === tabs) ofVisitor.delete(key);
    };
  }

  async function serve(stream: OpenStream, reply: FastifyReply): Promise<void> {
    const { caller, visitor, after, ending } = stream;
    const { connection } = caller;
    const box = { connectionId: connection.id, channelId: visitor.channelId };
    const remove = add(stream);
    // Who it is was proved until then and no longer; the browser comes again with a newer proof.
    const untilMs = Math.min(Math.max(0, visitor.expiresAtMs - wallClock()), MAX_TIMER_MS);
    const timer = setTimeout(() => ending.abort(), untilMs);
    timer.unref();
    try {
      await streamMailbox({
        response: reply.raw,
        box,
        hub,
        read: (revision, limit) => mailbox.read(connection, box, revision, limit),
        after,
        signal: ending.signal,
      });
    } catch (error) {
      // The browser comes again and goes on behind the last thing it got.
      const code = isKonstructError(error) ? error.code : 'internal';
      log.warn('visitor.stream_failed', { tenantId: connection.tenantId, connectionId: connection.id, code });
    } finally {
      clearTimeout(timer);
      remove();
    }
  }

  async function isStillWelcome({ name, request, caller }: OpenStream): Promise<boolean> {
    try {
      const now = await gate.reenter(name, request.headers);
      if (now.connection.id !== caller.connection.id) return false;
      await gate.identify(now, request);
      return true;
    } catch (error) {
      return isKonstructError(error) && error.status >= 500; // nobody can say, so it stays
    }
  }

  async function look(stream: OpenStream): Promise<void> {
    if (!(await isStillWelcome(stream))) stream.ending.abort();
  }

  /**
   * Whatever changes anywhere in the installation is a reason to look at every browser; and changes come in bursts, when a
   * file is applied or tokens are renewed. So one look at a time, with room for requests, and one more for what came meanwhile.
   */
  async function lookAtAll(): Promise<void> {
    isLooking = true;
    while (isDue) {
      isDue = false;
      const all = [...streams];
      for (let first = 0; first < all.length; first += LOOKS_AT_A_TIME) {
        await Promise.all(all.slice(first, first + LOOKS_AT_A_TIME).map(look));
        await setImmediate();
      }
      if (isDue) await sleep(LOOK_PAUSE_MS, undefined, { ref: false });
    }
    isLooking = false;
  }

  return {
    open(wanted, reply) {
      if (streams.size >= MAX_STREAMS)
        throw new KonstructError('rate_limited', undefined, { retryAfterMs: BUSY_RETRY_MS });
      const headers = {
        ...reply.getHeaders(),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no', // nginx
        'x-content-type-options': 'nosniff',
      };
      reply.hijack();
      reply.raw.writeHead(200, headers as Record<string, string>);
      void serve({ ...wanted, ending: new AbortController() }, reply);
    },
    recheck() {
      isDue = true;
      if (!isLooking) void lookAtAll();
    },
    end() {
      for (const { ending } of streams) ending.abort();
    },
  };
}
