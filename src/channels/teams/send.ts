import { isKonstructError } from '../../core/errors.ts';
import type {
  ConnectionAccess,
  OutboundEdit,
  OutboundMessage,
  OutboundRemoval,
  PostedMessage,
  TypingSign,
} from '../../core/outbound.ts';
import type { JsonRecord } from '../read-json.ts';
import { choiceCard } from './choice-card.ts';
import type { TeamsClient } from './client.ts';
import { asTeamsId } from './conversation-id.ts';
import { renderForTeams } from './render-for-teams.ts';
import { teamsError } from './teams-error.ts';

/** What stands where a text has nothing to show: Teams refuses an empty message. */
const NOTHING = '…';

type Sayable = Pick<OutboundMessage, 'markdown' | 'choices'>;

/**
 * Sends a new message: in a channel into the thread of what it answers.
 *
 * Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference#send-to-conversation
 */
export async function postMessage(
  client: TeamsClient,
  access: ConnectionAccess,
  message: Sayable & Pick<OutboundMessage, 'target' | 'mayStillSend'>,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const { target: place, mayStillSend } = message;
  const name = 'sendActivity';
  const activity = activityOf(message);
  const sent = await client.call(
    access,
    { name, method: 'POST', place, activity, idempotent: false, mayStillSend },
    signal,
  );
  const messageId = asTeamsId(sent.id);
  if (messageId === null) throw teamsError.unavailable(name, 'id_missing', true);
  return { messageId };
}

/** Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/update-and-delete-bot-messages */
export async function editMessage(
  client: TeamsClient,
  access: ConnectionAccess,
  message: OutboundEdit,
  signal: AbortSignal,
): Promise<void> {
  const { target: place, messageId: activityId, mayStillSend } = message;
  const activity = activityOf(message);
  const call = { name: 'updateActivity', method: 'PUT', place, activityId, activity } as const;
  await client.call(access, { ...call, idempotent: true, mayStillSend }, signal);
}

/** Takes a message away; one that is gone already counts as taken away. */
export async function removeMessage(
  client: TeamsClient,
  access: ConnectionAccess,
  { target: place, messageId: activityId, mayStillSend }: OutboundRemoval,
  signal: AbortSignal,
): Promise<void> {
  const call = { name: 'deleteActivity', method: 'DELETE', place, activityId, idempotent: true } as const;
  try {
    await client.call(access, { ...call, mayStillSend }, signal);
  } catch (error) {
    const isGone = isKonstructError(error, 'platform_rejected') && error.details.status === 404;
    if (!isGone) throw error;
  }
}

/** Teams shows "is typing…" for about three seconds, or until a message comes. */
export async function showTyping(
  client: TeamsClient,
  access: ConnectionAccess,
  { target: place }: TypingSign,
  signal: AbortSignal,
): Promise<void> {
  const call = { name: 'sendTyping', method: 'POST', place, idempotent: true } as const;
  await client.call(access, { ...call, activity: { type: 'typing' } }, signal);
}

function activityOf({ markdown, choices = [] }: Sayable): JsonRecord {
  const shown = markdown.trim() === '' ? NOTHING : markdown;
  if (choices.length > 0) return { type: 'message', attachments: [choiceCard(shown, choices)] };
  const text = renderForTeams(shown);
  return { type: 'message', textFormat: 'xml', text: text.trim() === '' ? NOTHING : text };
}
