import type { ChannelRequest, ParsedRequest } from '../../core/channel.ts';
import type { ActionEvent, ChannelEvent, CommandEvent, IgnoredEvent } from '../../core/channel-event.ts';
import { asText, type JsonRecord } from '../read-json.ts';
import { pressedChoice } from './choices.ts';
import { asMattermostId } from './ids.ts';
import { normaliseText } from './normalise-text.ts';
import { ACCOUNT, besideIt, ignored } from './parse-post.ts';
import { readFields, webhookTokenOf } from './read-fields.ts';

/**
 * Turns what a server sends into events: an outgoing webhook, or the press of a button. What it does not know is `ignored`.
 *
 * @throws KonstructError `body_malformed`
 */
export function parseMattermostRequest(request: ChannelRequest): ParsedRequest {
  const fields = readFields(request);
  const event: ChannelEvent = webhookTokenOf(fields) === null ? parsePress(fields) : parseWebhook(fields);
  return { kind: 'events', events: [event] };
}

/**
 * An outgoing webhook says that somebody wrote, and not in which thread, nor whether it was a person. So it is a hint: the
 * post is read from the server before it is a message (`showCommand`), with the id under which the socket brings it, too.
 *
 * Source: https://developers.mattermost.com/integrate/webhooks/outgoing/
 */
function parseWebhook(fields: JsonRecord): CommandEvent | IgnoredEvent {
  const commandId = asMattermostId(fields.post_id);
  const channelId = asMattermostId(fields.channel_id);
  const senderId = asMattermostId(fields.user_id);
  if (commandId === null || channelId === null || senderId === null) return ignored('webhook_incomplete');
  const { text, mentions } = normaliseText(fields.text);
  return {
    account: ACCOUNT,
    eventId: null,
    type: 'command',
    channelId,
    scope: 'channel', // Mattermost calls webhooks for public channels only
    commandId,
    sender: { externalId: senderId, name: null },
    text,
    mentions,
    reply: { triggerWord: asText(fields.trigger_word) },
  };
}

/** Somebody pressed a button of ours. Twice by the same person is once: Mattermost numbers presses, not repetitions. */
function parsePress(fields: JsonRecord): ActionEvent | IgnoredEvent {
  const pressed = pressedChoice(fields);
  const messageId = asMattermostId(fields.post_id);
  const channelId = asMattermostId(fields.channel_id);
  const senderId = asMattermostId(fields.user_id);
  if (pressed === null || messageId === null || channelId === null || senderId === null)
    return ignored('press_unknown');
  const { threadId: thread, scope, place, text } = pressed.choice;
  const threadId = asMattermostId(thread);
  return {
    account: ACCOUNT,
    eventId: null,
    type: 'action',
    channelId,
    messageId,
    threadId,
    ...besideIt(scope, threadId),
    scope,
    actionId: `${messageId}.${place}.${senderId}`,
    sender: { externalId: senderId, name: null },
    choice: text,
    pressedAtMs: null,
    reply: {},
  };
}
