import type { ChannelRequest, ParsedRequest, WebhookAnswer } from '../../core/channel.ts';
import type {
  AccountRef,
  ActionEvent,
  ChannelEvent,
  MessageEvent,
  ReactionEvent,
} from '../../core/channel-event.ts';
import { KonstructError } from '../../core/errors.ts';
import { asRecord, asText, type JsonRecord } from '../read-json.ts';
import { visitors } from './visitors.ts';

/** The longest message of a visitor, in UTF-16 units. */
const MAX_CHARACTERS = 8_000;
const CLIENT_ID = /^[A-Za-z0-9_-]{8,64}$/;
/** Before the id that a browser chose: no visitor can name a message of the agent's. */
const VISITORS = 'v-';

/** The path names the connection. */
const ACCOUNT: AccountRef = { externalIds: [], appId: null, agentUserId: null };
const ANSWER: WebhookAnswer = { contentType: 'application/json; charset=utf-8', body: '{}' };

/**
 * Turns what a visitor's browser sends into events: `{ id, text }`, `{ id, messageId, choice }` for a pressed button,
 * `{ id, messageId, stop: true }` where the agent is to stop, as a 🛑 on its placeholder does elsewhere, or
 * `{ id, messageId, rating: "up" | "down" | null }` for what they think of an answer, as 👍 and 👎 do.
 * The browser chooses the id, and sends the same again until it gets an ack; `attempt` counts how often.
 *
 * @throws KonstructError `body_malformed`
 */
export function parseWidgetRequest(request: ChannelRequest): ParsedRequest {
  const visitor = visitors.visitorOf(request);
  if (visitor === null) throw malformed('The request says nothing of who sends it.');
  const body = readBody(request.body);
  const id = typeof body.id === 'string' && CLIENT_ID.test(body.id) ? `${VISITORS}${body.id}` : null;
  if (id === null) throw malformed('The message has no id of 8 to 64 letters, digits, - and _.');
  const { channelId, name } = visitor;
  const attempt = Number.isSafeInteger(body.attempt) ? Number(body.attempt) : 0;
  const base = {
    account: ACCOUNT,
    eventId: `${channelId} ${id} ${attempt}`,
    channelId,
    threadId: null,
    scope: 'direct',
    sender: { externalId: channelId, name },
  } as const;
  const atMs = request.receivedAtMs ?? 0;
  return { kind: 'events', events: toEvents(base, id, body, atMs), answer: ANSWER };
}

function toEvents(base: Base, id: string, body: JsonRecord, atMs: number): readonly ChannelEvent[] {
  if (body.stop === true) return [toReaction(base, body, '🛑', true, atMs)];
  if (body.rating !== undefined) return toRating(base, body, atMs);
  return [body.choice === undefined ? toMessage(base, id, body, atMs) : toAction(base, id, body, atMs)];
}

/**
 * A visitor has one opinion at a time: what they think now is put on, and then the other is taken off. In this order, or
 * whoever changes their mind would be counted as one who has taken it back.
 */
function toRating(base: Base, body: JsonRecord, atMs: number): readonly ReactionEvent[] {
  const { rating } = body;
  if (rating !== 'up' && rating !== 'down' && rating !== null)
    throw malformed('A rating is "up", "down" or null.');
  const thumbs = [
    ['up', '👍'],
    ['down', '👎'],
  ] as const;
  return thumbs
    .map(([name, emoji]) => toReaction(base, body, emoji, name === rating, atMs))
    .toSorted((a, b) => Number(b.present) - Number(a.present));
}

function toReaction(
  { account, eventId, channelId }: Base,
  body: JsonRecord,
  emoji: string,
  present: boolean,
  reactedAtMs: number,
): ReactionEvent {
  const messageId = agentsMessageId(body);
  return {
    type: 'reaction',
    account,
    eventId: `${eventId} ${emoji}`,
    channelId,
    messageId,
    senderId: channelId,
    emoji,
    present,
    reactedAtMs,
  };
}

/** @throws KonstructError `body_malformed` */
function agentsMessageId(body: JsonRecord): string {
  const messageId = asText(body.messageId);
  if (!/^[1-9][0-9]{0,18}$/.test(messageId)) throw malformed('The id is none of a message of the agent.');
  return messageId;
}

type Base = Pick<MessageEvent, 'account' | 'eventId' | 'channelId' | 'threadId' | 'scope' | 'sender'>;

function toMessage(base: Base, messageId: string, { text }: JsonRecord, sentAtMs: number): MessageEvent {
  const said = asText(text).trim();
  if (said === '' || said.length > MAX_CHARACTERS)
    throw malformed(`A message has 1 to ${MAX_CHARACTERS} characters.`);
  return {
    ...base,
    type: 'message',
    messageId,
    text: said,
    mentions: [],
    addressee: null,
    mentionsAgent: true,
    attachments: [],
    sentAtMs,
    channelMetadata: {},
  };
}

function toAction(base: Base, actionId: string, body: JsonRecord, pressedAtMs: number): ActionEvent {
  const choice = asText(body.choice).trim();
  const messageId = agentsMessageId(body);
  if (choice === '' || choice.length > MAX_CHARACTERS) throw malformed('A choice has a text.');
  return { ...base, type: 'action', messageId, actionId, choice, pressedAtMs, reply: {} };
}

function readBody(bytes: Buffer): JsonRecord {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    // The cause quotes the body, which may be a person's message: it is not passed on.
    throw malformed('The body is not JSON.');
  }
  const body = asRecord(value);
  if (body === null) throw malformed('The body is JSON but not an object.');
  return body;
}

function malformed(message: string): KonstructError {
  return new KonstructError('body_malformed', message);
}
