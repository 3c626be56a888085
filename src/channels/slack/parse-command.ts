import type { CommandEvent, IgnoredEvent } from '../../core/channel-event.ts';
import { asId, asText, type JsonRecord } from '../read-json.ts';
import { accountOfForm } from './account.ts';
import { scopeOf } from './scope.ts';
import { normaliseText } from './text.ts';

/**
 * A slash command. Slack sends it once, over HTTP, and shows it to nobody else.
 *
 * Source: https://docs.slack.dev/interactivity/implementing-slash-commands
 */
export function parseCommand(fields: JsonRecord, isRepeated: boolean): CommandEvent | IgnoredEvent {
  const account = accountOfForm(fields);
  const channelId = asId(fields.channel_id);
  const senderId = asId(fields.user_id);
  const commandId = asId(fields.trigger_id);
  if (channelId === null || senderId === null || commandId === null)
    return { type: 'ignored', account, eventId: null, reason: 'command_incomplete' };
  const { text, mentions } = normaliseText(asText(fields.text).trim());
  return {
    type: 'command',
    account,
    eventId: null,
    channelId,
    scope: scopeOf(null, channelId),
    commandId,
    sender: { externalId: senderId, name: null },
    text,
    mentions,
    reply: { command: asText(fields.command), responseUrl: asText(fields.response_url), isRepeated },
  };
}
