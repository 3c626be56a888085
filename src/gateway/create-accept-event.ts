import type { ChannelEvent, IgnoredEvent } from '../core/channel-event.ts';
import type { Clock } from '../core/clock.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import type { JourneyRecorder } from '../core/journey.ts';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';

export interface AcceptEventOptions {
  /** Stores an event; resolves when it is durable. */
  readonly route: (connection: ResolvedConnection, event: ChannelEvent) => Promise<string>;
  readonly clock: Clock;
  readonly journeys: JourneyRecorder;
  readonly metrics?: Metrics;
  readonly log: Log;
}

/** On the clock of `AcceptEventOptions`, in ms. */
export interface ArrivalTimes {
  readonly receivedAtMs: number;
  /** When it was certain that the platform sent it. */
  readonly verifiedAtMs: number;
}

/** Takes in an event of a connection, however it came: when the promise resolves it is durable. */
export type AcceptEvent = (
  connection: ResolvedConnection,
  event: ChannelEvent,
  times: ArrivalTimes,
) => Promise<void>;

export function createAcceptEvent(options: AcceptEventOptions): AcceptEvent {
  const { route, clock, journeys, metrics = noMetrics, log } = options;
  const count = (channel: string, outcome: string): void =>
    metrics.counter('konstruct_events_total', { channel, outcome }).increment();
  return async (connection, event, { receivedAtMs, verifiedAtMs }) => {
    if (event.type === 'ignored') {
      reportIgnored(log, connection.channel, event);
      count(connection.channel, 'ignored');
      return;
    }
    const resolvedAtMs = clock();
    const outcome = await route(connection, event);
    const admittedAtMs = clock();
    count(connection.channel, outcome);
    log.debug('event.received', {
      channel: connection.channel,
      tenantId: connection.tenantId,
      connectionId: connection.id,
      type: event.type,
      outcome,
      ms: Math.round(admittedAtMs - receivedAtMs),
    });
    if (event.type !== 'message' || outcome !== 'new') return;
    const key = {
      externalId: connection.externalId,
      channelId: event.channelId,
      messageId: event.messageId,
      threadId: event.threadId ?? event.messageId,
    };
    journeys.mark(key, 'received', receivedAtMs);
    journeys.mark(key, 'verified', verifiedAtMs, verifiedAtMs - receivedAtMs);
    journeys.mark(key, 'resolved', resolvedAtMs, resolvedAtMs - verifiedAtMs);
    journeys.mark(key, 'admitted', admittedAtMs, admittedAtMs - resolvedAtMs);
  };
}

export function reportIgnored(log: Log, channel: string, { eventId, reason }: IgnoredEvent): void {
  log.debug('event.ignored', { channel, eventId, reason });
}
