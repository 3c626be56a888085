import type { ChannelRequest, ParsedRequest, WebhookAnswer } from '../../core/channel.ts';
import { KonstructError } from '../../core/errors.ts';
import { readRecord } from '../read-json.ts';
import { INTERACTIONS, parseInteraction } from './parse-interaction.ts';

const JSON_TYPE = 'application/json';
/** Source: https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-response-object-interaction-callback-type */
export const CALLBACKS = { pong: 1, message: 4, deferredUpdate: 6 } as const;

const PONG: WebhookAnswer = { contentType: JSON_TYPE, body: JSON.stringify({ type: CALLBACKS.pong }) };
/** The press is taken; what becomes of the message with the buttons is seen later. */
const TAKEN: WebhookAnswer = {
  contentType: JSON_TYPE,
  body: JSON.stringify({ type: CALLBACKS.deferredUpdate }),
};
/** It was answered by a call of its own. */
const ANSWERED: WebhookAnswer = { contentType: JSON_TYPE, body: '', status: 202 };

/**
 * What Discord sends to an app's interactions endpoint: presses of buttons, and commands. Messages come over the gateway
 * only.
 *
 * Source: https://discord.com/developers/docs/interactions/receiving-and-responding
 *
 * @throws KonstructError `body_malformed`: not a JSON object
 */
export function parseDiscordRequest({ body }: ChannelRequest): ParsedRequest {
  const interaction = readRecord(body.toString('utf8'));
  // The cause would quote the body, which may be a person's question: it is not passed on.
  if (interaction === null) throw new KonstructError('body_malformed', 'The body is not a JSON object.');
  if (interaction.type === INTERACTIONS.ping) return { kind: 'challenge', ...PONG };
  const event = parseInteraction(interaction);
  const answer = event.type === 'action' ? TAKEN : event.type === 'command' ? ANSWERED : undefined;
  return { kind: 'events', events: [event], ...(answer !== undefined && { answer }) };
}
