import { createHmac } from 'node:crypto';
import type { Clock, Sleep } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { DeliveryAttempt } from './control-api.ts';
import type { FaultBoard } from './fault-board.ts';
import type { SocketMode } from './socket-mode.ts';
import type { WireObject } from './wire-message.ts';

/** An event on its way to the app: its bytes never change, its signature and timestamp do with every attempt. */
export interface OutgoingEvent {
  readonly workspaceId: string;
  readonly channelId: string | null;
  readonly messageId: string | null;
  readonly eventId: string;
  readonly label: string;
  readonly kind: OutgoingKind;
  /** JSON of an event; of what people do with a message or a command, a form. */
  readonly body: string;
  readonly signingSecret: string;
  /** Set where the app uses Socket Mode: the event then goes over one of its sockets and to no address. */
  readonly appToken: string | null;
}

/** As Socket Mode calls them. */
export type OutgoingKind = 'events_api' | 'interactive' | 'slash_commands';

const paths = {
  events_api: '/slack/events',
  interactive: '/slack/interactions',
  slash_commands: '/slack/commands',
} as const satisfies Record<OutgoingKind, string>;

export interface EventSender {
  /**
   * Delivers events in this order, `gapMs` apart, without waiting for one ack before the next event; each is retried
   * as Slack does. Resolves when all are acked (true) or one was given up or dropped (false); never rejects.
   */
  send(events: readonly OutgoingEvent[], gapMs: number): Promise<boolean>;
  /** Ends everything that is under way. */
  stop(): Promise<void>;
}

export interface EventSenderInput {
  readonly eventsUrl: string | (() => string);
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly fetch: typeof globalThis.fetch;
  readonly log: Log;
  readonly faults: FaultBoard;
  readonly sockets: Pick<SocketMode, 'deliver'>;
  /** Slack waits 3,000 ms for an ack. */
  readonly ackTimeoutMs: number;
  /** Waits before the retries; Slack: nearly none, 1 min, 5 min. */
  readonly retryDelaysMs: readonly number[];
  readonly attempted: (attempt: DeliveryAttempt) => void;
}

/** How one attempt ended, in the words of Slack's `X-Slack-Retry-Reason`. */
interface AttemptResult {
  readonly outcome: 'ok' | 'http_timeout' | 'http_error' | 'connection_failed';
  readonly status: number | null;
  /** The app answered `X-Slack-No-Retry: 1`. */
  readonly noRetry: boolean;
}

/** Source: https://docs.slack.dev/apis/events-api#retries and …/authentication/verifying-requests-from-slack */
export function createEventSender(input: EventSenderInput): EventSender {
  const stopping = new AbortController();
  const underWay = new Set<Promise<unknown>>();

  const attempt = async (
    event: OutgoingEvent,
    retry: { readonly number: number; readonly reason: string } | null,
  ): Promise<AttemptResult> => {
    if (event.appToken !== null) {
      const envelope = { type: event.kind, payload: socketPayload(event), retry } as const;
      const outcome = await input.sockets.deliver(
        event.appToken,
        envelope,
        input.ackTimeoutMs,
        stopping.signal,
      );
      return { outcome, status: outcome === 'ok' ? 200 : null, noRetry: false };
    }
    const timestamp = Math.floor(input.clock() / 1000);
    const deadline = AbortSignal.timeout(input.ackTimeoutMs);
    try {
      const eventsUrl = typeof input.eventsUrl === 'string' ? input.eventsUrl : input.eventsUrl();
      const url = eventsUrl.replace(paths.events_api, paths[event.kind]);
      const response = await input.fetch(url, {
        method: 'POST',
        body: event.body,
        redirect: 'manual',
        signal: AbortSignal.any([deadline, stopping.signal]),
        headers: {
          'content-type':
            event.kind === 'events_api' ? 'application/json' : 'application/x-www-form-urlencoded',
          'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
          'x-slack-request-timestamp': String(timestamp),
          'x-slack-signature': slackSignature(event.signingSecret, timestamp, event.body),
          ...(retry
            ? { 'x-slack-retry-num': String(retry.number), 'x-slack-retry-reason': retry.reason }
            : {}),
        },
      });
      await response.arrayBuffer();
      const noRetry = response.headers.get('x-slack-no-retry') === '1';
      return { outcome: response.ok ? 'ok' : 'http_error', status: response.status, noRetry };
    } catch {
      return {
        outcome: deadline.aborted ? 'http_timeout' : 'connection_failed',
        status: null,
        noRetry: false,
      };
    }
  };

  const deliver = async (event: OutgoingEvent): Promise<boolean> => {
    let retry: { readonly number: number; readonly reason: string } | null = null;
    for (;;) {
      await input.faults.outageOver(event.workspaceId, stopping.signal);
      const startedAtMs = input.clock();
      let result = await attempt(event, retry);
      stopping.signal.throwIfAborted();
      const occasion = { workspaceId: event.workspaceId, target: event.label };
      if (result.outcome === 'ok' && input.faults.strike(['event_ack_lost'], occasion).length > 0) {
        result = { ...result, outcome: 'http_timeout' };
      }
      const number: number = retry?.number ?? 0;
      // What somebody waits for before their screen is not repeated over HTTP: they are told that it failed.
      const isOnce = event.kind !== 'events_api' && event.appToken === null;
      const isLast = result.outcome === 'ok' || result.noRetry || isOnce;
      const delayMs = isLast ? undefined : input.retryDelaysMs[number];
      const nowMs = input.clock();
      input.attempted({
        workspaceId: event.workspaceId,
        channelId: event.channelId,
        messageId: event.messageId,
        eventId: event.eventId,
        eventType: event.label,
        retryNumber: number,
        startedAtMs,
        durationMs: nowMs - startedAtMs,
        status: result.status,
        outcome: result.outcome,
        nextAttemptAtMs: delayMs === undefined ? null : nowMs + delayMs,
      });
      if (result.outcome === 'ok') return true;
      if (delayMs === undefined) {
        const { workspaceId, eventId, label } = event;
        input.log.warn('simulator.event_given_up', { workspaceId, eventId, label, outcome: result.outcome });
        return false;
      }
      await input.sleep(delayMs, stopping.signal);
      retry = { number: number + 1, reason: result.outcome };
    }
  };

  const deliverWithFaults = async (event: OutgoingEvent): Promise<boolean> => {
    const occasion = { workspaceId: event.workspaceId, target: event.label };
    if (input.faults.strike(['event_drop'], occasion).length > 0) return false;
    const delays = input.faults.strike(['event_delay'], occasion).map((fault) => fault.delayMs);
    if (delays.length > 0) await input.sleep(sum(delays), stopping.signal);
    const copies = sum(input.faults.strike(['event_duplicate'], occasion).map((fault) => fault.copies));
    const results = await Promise.all(Array.from({ length: 1 + copies }, () => deliver(event)));
    return results.every(Boolean);
  };

  const sendAll = async (events: readonly OutgoingEvent[], gapMs: number): Promise<boolean> => {
    try {
      const deliveries: Promise<boolean>[] = [];
      for (const [index, event] of events.entries()) {
        if (index > 0 && gapMs > 0) await input.sleep(gapMs, stopping.signal);
        deliveries.push(deliverWithFaults(event).catch(() => false));
      }
      return (await Promise.all(deliveries)).every(Boolean);
    } catch {
      return false;
    }
  };

  return {
    send(events, gapMs) {
      const sending = sendAll(events, gapMs);
      underWay.add(sending);
      void sending.finally(() => underWay.delete(sending));
      return sending;
    },
    async stop() {
      stopping.abort();
      await Promise.allSettled(underWay);
    },
  };
}

function socketPayload({ kind, body }: OutgoingEvent): WireObject {
  if (kind === 'events_api') return JSON.parse(body);
  const form = new URLSearchParams(body);
  return kind === 'interactive' ? JSON.parse(form.get('payload') ?? '{}') : Object.fromEntries(form);
}

/** `v0=` + HMAC-SHA256 over `v0:{timestamp}:{body}`. */
function slackSignature(secret: string, timestampSeconds: number, body: string): string {
  return `v0=${createHmac('sha256', secret).update(`v0:${timestampSeconds}:${body}`).digest('hex')}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0);
}
