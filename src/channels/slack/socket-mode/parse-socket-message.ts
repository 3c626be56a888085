import type { ChannelRequest } from '../../../core/channel.ts';
import { asId, asLabel, asRecord, isWritable, type JsonRecord } from '../../read-json.ts';

/** What Slack says over a socket, as far as we act on it. */
export type SocketMessage =
  | { readonly kind: 'hello'; readonly appId: string | null; readonly sockets: number | null }
  | { readonly kind: 'disconnect'; readonly reason: string }
  | { readonly kind: 'envelope'; readonly envelopeId: string; readonly request: ChannelRequest }
  /** Something new of Slack's: nothing to do, and nothing to ack. */
  | { readonly kind: 'unknown'; readonly type: string };

/**
 * Reads one message of a socket. An envelope becomes the request that Slack would have made over HTTP, so that both ways
 * share one parser: events are JSON, interactions and slash commands are forms.
 *
 * Source: https://docs.slack.dev/apis/events-api/using-socket-mode
 */
export function parseSocketMessage(text: string): SocketMessage {
  const message = parseRecord(text);
  if (message === null) return { kind: 'unknown', type: 'not_json' };
  switch (message.type) {
    case 'hello': {
      const sockets = message.num_connections;
      return {
        kind: 'hello',
        appId: asId(asRecord(message.connection_info)?.app_id),
        sockets: typeof sockets === 'number' ? sockets : null,
      };
    }
    case 'disconnect':
      return { kind: 'disconnect', reason: asLabel(message.reason) };
    default:
      return parseEnvelope(message);
  }
}

function parseEnvelope(message: JsonRecord): SocketMessage {
  const envelopeId = asId(message.envelope_id);
  const payload = asRecord(message.payload);
  if (envelopeId === null || payload === null || !isWritable(payload))
    return { kind: 'unknown', type: asLabel(message.type) };
  switch (message.type) {
    case 'events_api':
      return envelope(message, envelopeId, '/slack/events', 'application/json', JSON.stringify(payload));
    case 'interactive': {
      const form = new URLSearchParams({ payload: JSON.stringify(payload) });
      return envelope(message, envelopeId, '/slack/interactions', FORM, form.toString());
    }
    case 'slash_commands': {
      const form = new URLSearchParams();
      for (const [name, value] of Object.entries(payload))
        form.set(name, typeof value === 'object' ? '' : String(value));
      return envelope(message, envelopeId, '/slack/commands', FORM, form.toString());
    }
    default:
      return { kind: 'unknown', type: asLabel(message.type) };
  }
}

const FORM = 'application/x-www-form-urlencoded';

function envelope(
  { retry_attempt: attempt, retry_reason: reason }: JsonRecord,
  envelopeId: string,
  path: string,
  contentType: string,
  body: string,
): SocketMessage {
  const retry =
    typeof attempt === 'number' && attempt > 0
      ? { 'x-slack-retry-num': String(attempt), 'x-slack-retry-reason': asLabel(reason) }
      : {};
  const headers = { 'content-type': contentType, ...retry };
  return { kind: 'envelope', envelopeId, request: { path, headers, body: Buffer.from(body) } };
}

function parseRecord(text: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}
