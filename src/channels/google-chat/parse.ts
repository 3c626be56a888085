import { createHash } from 'node:crypto';
import type { ChannelRequest, ParsedRequest } from '../../core/channel.ts';
import type { ActionEvent, ChannelEvent, DepartureEvent, IgnoredEvent } from '../../core/channel-event.ts';
import { KonstructError } from '../../core/errors.ts';
import { asDateMs, asLabel, asRecord, asText, type JsonRecord } from '../read-json.ts';
import { choiceOf } from './choice-card.ts';
import { asSpace, asUser, messageIdOf } from './ids.ts';
import { type EventBase, parseMessage, placeOf } from './parse-message.ts';
import { projectOf } from './verify.ts';

/** An event in either of its two forms. */
interface Interaction {
  /** As in the older form: `MESSAGE`, `CARD_CLICKED`, … */
  readonly type: string;
  readonly event: JsonRecord;
  readonly space: JsonRecord | null;
  readonly message: JsonRecord | null;
  readonly user: JsonRecord | null;
  readonly eventTime: unknown;
}

/** Payloads of a Workspace add-on's events, by what the older form calls them. */
const payloads: readonly (readonly [field: string, type: string])[] = [
  ['messagePayload', 'MESSAGE'],
  ['appCommandPayload', 'APP_COMMAND'],
  ['addedToSpacePayload', 'ADDED_TO_SPACE'],
  ['removedFromSpacePayload', 'REMOVED_FROM_SPACE'],
  ['buttonClickedPayload', 'CARD_CLICKED'],
];

/**
 * One interaction event: as Chat sends it to apps (`type`), or to those that are Workspace add-ons (`chat`). Whom it is
 * for the token says: the number of the app's project.
 *
 * Source: https://developers.google.com/workspace/chat/api/reference/rest/v1/Event,
 * https://developers.google.com/workspace/add-ons/concepts/event-objects#chat-event-object
 *
 * @throws KonstructError `body_malformed`
 */
export function parseGoogleChatRequest(request: ChannelRequest): ParsedRequest {
  let value: unknown;
  try {
    value = JSON.parse(request.body.toString('utf8'));
  } catch {
    // No cause: it quotes the body, which may be a person's message.
    throw new KonstructError('body_malformed', 'The body is not JSON.');
  }
  const event = asRecord(value);
  if (event === null) throw new KonstructError('body_malformed', 'The body is JSON but not an object.');
  const project = projectOf(request);
  // Answers are sent by the API when they are there: this one is empty.
  const answer = { contentType: 'application/json; charset=utf-8', body: '{}' };
  return { kind: 'events', events: [parseEvent(interactionOf(event), project)], answer };
}

function interactionOf(event: JsonRecord): Interaction {
  const chat = asRecord(event.chat);
  if (chat === null) {
    const { space, message, user, eventTime } = event;
    const type = asText(event.type);
    return {
      type,
      event,
      space: asRecord(space),
      message: asRecord(message),
      user: asRecord(user),
      eventTime,
    };
  }
  const [field = '', type = ''] = payloads.find(([name]) => asRecord(chat[name]) !== null) ?? [];
  const payload = asRecord(chat[field]);
  const message = asRecord(payload?.message);
  const space = asRecord(payload?.space) ?? asRecord(message?.space);
  return { type, event, space, message, user: asRecord(chat.user), eventTime: chat.eventTime };
}

function parseEvent(interaction: Interaction, project: string | null): ChannelEvent {
  const { type, event, space, message } = interaction;
  const base: EventBase = {
    account: { externalIds: project === null ? [] : [project], appId: project, agentUserId: null },
    eventId: eventIdOf(interaction),
  };
  const channelId = asSpace(space?.name);
  if (space === null || channelId === null) return ignored(base, `${asLabel(type)}:space_missing`);
  switch (type) {
    case 'MESSAGE':
    // A command, or a mention that added the app: it comes with what was written, if anything was.
    case 'APP_COMMAND':
    case 'ADDED_TO_SPACE':
      return message === null ? ignored(base, type) : parseMessage(message, space, channelId, base);
    case 'REMOVED_FROM_SPACE':
      return departure(base, channelId, asDateMs(interaction.eventTime));
    case 'CARD_CLICKED':
      return parseClick(interaction, channelId, base);
    default:
      return ignored(base, `event:${asLabel(type === '' ? Object.keys(event)[0] : type)}`);
  }
}

function parseClick(
  interaction: Interaction,
  channelId: string,
  base: EventBase,
): ActionEvent | IgnoredEvent {
  const { event, message, user, eventTime } = interaction;
  const messageId = messageIdOf(message?.name);
  const senderId = asUser(user?.name);
  const choice = choiceOf(event);
  if (message === null || messageId === null || senderId === null) return ignored(base, 'click:incomplete');
  if (choice === null) return ignored(base, 'click:other');
  return {
    ...base,
    type: 'action',
    channelId,
    messageId,
    ...placeOf(message, interaction.space ?? {}),
    // A press has no id of its own.
    actionId: base.eventId ?? messageId,
    sender: { externalId: senderId, name: asText(user?.displayName) || null },
    choice,
    pressedAtMs: asDateMs(eventTime),
    reply: {},
  };
}

function departure(base: EventBase, channelId: string, departedAtMs: number): DepartureEvent {
  return { ...base, type: 'departure', channelId, reason: 'removed', departedAtMs };
}

/** The same for an event that is sent again. Events have no id: it is made of what makes them one. */
function eventIdOf({ type, message, space, user, eventTime, event }: Interaction): string | null {
  const what = message?.name ?? space?.name;
  if (typeof what !== 'string') return null;
  const [who, when] = [user?.name, eventTime].map((part) => (typeof part === 'string' ? part : null));
  const parts = JSON.stringify([type, what, who, when, choiceOf(event)]);
  return createHash('sha256').update(parts).digest('base64url').slice(0, 32);
}

function ignored(base: EventBase, reason: string): IgnoredEvent {
  return { ...base, type: 'ignored', reason };
}
