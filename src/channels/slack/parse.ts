import type { ChannelRequest, ParsedRequest } from '../../core/channel.ts';
import type { ChannelEvent, IgnoredEvent } from '../../core/channel-event.ts';
import { KonstructError } from '../../core/errors.ts';
import { asId, asLabel, asRecord, asTimeMs, type JsonRecord } from '../read-json.ts';
import { accountOf, accountOfForm, uninstalledAccountOf } from './account.ts';
import { parseCommand } from './parse-command.ts';
import { parseInteraction } from './parse-interaction.ts';
import { parseMessage } from './parse-message.ts';
import { parseHomeOpening, parseOpening } from './parse-opening.ts';
import { parseReaction } from './parse-reaction.ts';

/**
 * Turns a request of Slack's Events API into events. Takes what is there and derives what can be derived; what it does
 * not know is `ignored` with a reason, so that new events of Slack's never fail.
 *
 * Source: https://docs.slack.dev/apis/events-api
 *
 * @throws KonstructError `body_malformed`: not a JSON object (or form of Slack's), or a challenge without its text
 */
export function parseSlackRequest(request: ChannelRequest): ParsedRequest {
  if (isForm(request)) return events(parseForm(request));
  const envelope = parseObject(request.body.toString('utf8'));
  switch (envelope.type) {
    case 'url_verification':
      if (typeof envelope.challenge !== 'string') throw malformed('A url_verification holds no challenge.');
      return { kind: 'challenge', contentType: 'text/plain; charset=utf-8', body: envelope.challenge };
    case 'event_callback':
      return events(parseCallback(envelope, request));
    default:
      return events(ignored(envelope, asLabel(envelope.type)));
  }
}

function parseCallback(envelope: JsonRecord, request: ChannelRequest): ChannelEvent {
  const event = asRecord(envelope.event);
  if (event === null) return ignored(envelope, 'event_missing');
  switch (event.type) {
    case 'message':
    case 'app_mention':
      return parseMessage(event, {
        account: accountOf(envelope),
        eventId: asId(envelope.event_id),
        envelope,
        retry: retryOf(request),
      });
    case 'reaction_added':
    case 'reaction_removed':
      return parseReaction(event, { account: accountOf(envelope), eventId: asId(envelope.event_id) });
    case 'app_home_opened':
      return parseHomeOpening(event, { account: accountOf(envelope), eventId: asId(envelope.event_id) });
    case 'assistant_thread_started':
      return parseOpening(event, { account: accountOf(envelope), eventId: asId(envelope.event_id) });
    case 'app_uninstalled':
      return uninstall(envelope, 'app_uninstalled');
    case 'tokens_revoked': {
      // People's own tokens are revoked one by one as they leave; the agent works on while its bot token holds.
      const botTokens = asRecord(event.tokens)?.bot;
      return Array.isArray(botTokens) && botTokens.length > 0
        ? uninstall(envelope, 'tokens_revoked')
        : ignored(envelope, 'tokens_revoked:not_the_bots');
    }
    default:
      return ignored(envelope, `event:${asLabel(event.type)}`);
  }
}

function uninstall(envelope: JsonRecord, reason: string): ChannelEvent {
  const { event_time: seconds } = envelope;
  const happenedAtMs = typeof seconds === 'number' ? asTimeMs(seconds * 1_000) : 0;
  return {
    type: 'uninstall',
    account: uninstalledAccountOf(envelope),
    eventId: asId(envelope.event_id),
    reason,
    ...(happenedAtMs > 0 && { happenedAtMs }),
  };
}

function ignored(envelope: JsonRecord, reason: string): IgnoredEvent {
  return { type: 'ignored', account: accountOf(envelope), eventId: asId(envelope.event_id), reason };
}

/** Interactions and slash commands come as forms, with the same signature. */
function parseForm({ body, headers }: ChannelRequest): ChannelEvent {
  const form = new URLSearchParams(body.toString('utf8'));
  const payload = form.get('payload');
  if (payload !== null) return parseInteraction(parseObject(payload));
  const fields = Object.fromEntries(form);
  if (form.has('command')) return parseCommand(fields, headers['x-slack-retry-num'] !== undefined);
  if (!form.has('ssl_check')) throw malformed('The form is neither an interaction nor a slash command.');
  return { type: 'ignored', account: accountOfForm(fields), eventId: null, reason: 'ssl_check' };
}

function isForm({ headers }: ChannelRequest): boolean {
  const contentType = headers['content-type'];
  return typeof contentType === 'string' && contentType.startsWith('application/x-www-form-urlencoded');
}

/** Slack repeats what was not acked in time; the numbers are kept for operators and decide nothing. */
function retryOf({ headers }: ChannelRequest): Readonly<Record<string, unknown>> {
  const number = headers['x-slack-retry-num'];
  if (number === undefined) return {};
  const retryNumber = Number(number);
  return {
    retryNumber: Number.isSafeInteger(retryNumber) ? retryNumber : 0,
    retryReason: asLabel(headers['x-slack-retry-reason']),
  };
}

function parseObject(json: string): JsonRecord {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    // The cause quotes the body, which may be a person's message: it is not passed on.
    throw malformed(cause instanceof SyntaxError ? 'The body is not JSON.' : 'The body cannot be read.');
  }
  const record = asRecord(value);
  if (record === null) throw malformed('The body is JSON but not an object.');
  return record;
}

function malformed(message: string): KonstructError {
  return new KonstructError('body_malformed', message);
}

function events(event: ChannelEvent): ParsedRequest {
  return { kind: 'events', events: [event] };
}
