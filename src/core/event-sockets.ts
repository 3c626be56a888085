import type { ChannelRequest } from './channel.ts';

/** Connections that we open to a platform because it cannot reach us; events come over them as over HTTP. */
export interface EventSockets {
  /** How many of them are ready for events. */
  ready(): number;
  /** Takes no more events, lets those under way finish for at most `deadlineMs`, and closes. */
  close(deadlineMs: number): Promise<void>;
}

export interface OpenEventSockets {
  /** What is opened with; the platform lets nobody else. Never logged. */
  readonly token: string;
  /** Whose they are, for the log; `null`: the installation's. */
  readonly connectionId: string | null;
  /** When it resolves, what the request holds is durable and may be acked; when it rejects, the platform must repeat it. */
  readonly receive: (request: ChannelRequest) => Promise<void>;
}
