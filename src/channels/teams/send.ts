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
import { choiceMessage, NOTHING } from './choice-card.ts';
import type { TeamsClient } from './client.ts';
import { asTeamsId, isPersonal } from './conversation-id.ts';
import { renderForTeams } from './render-for-teams.ts';
import { teamsError } from './teams-error.ts';

/** What Teams says of activities that do not fit the state of a stream. */
const STREAM_REFUSALS = ['ContentStreamNotAllowed', 'BadArgument', 'BadRequest'];

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

/**
 * Changes a message. `message_not_found`: it is not there any more.
 *
 * What Teams does with an update of a message that it still streams, because whoever streamed it was killed, is not documented.
 * Should it refuse an answer there, the half one goes, and the answer is a new message.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/update-and-delete-bot-messages
 */
export async function editMessage(
  client: TeamsClient,
  access: ConnectionAccess,
  message: OutboundEdit,
  signal: AbortSignal,
): Promise<void> {
  const { target: place, messageId: activityId, mayStillSend } = message;
  const activity = activityOf(message);
  const call = { name: 'updateActivity', method: 'PUT', place, activityId, activity } as const;
  try {
    await client.call(access, { ...call, idempotent: true, mayStillSend }, signal);
  } catch (error) {
    if (!isKonstructError(error, 'platform_rejected')) throw error;
    const { status, platformError } = error.details;
    const isGone = status === 404 && platformError !== 'ConversationNotFound';
    const mayBeStreamed = access.settings?.streaming === 'native' && isPersonal(place);
    const isStreamed = mayBeStreamed && STREAM_REFUSALS.includes(String(platformError));
    if (!isGone && (!isStreamed || message.isProvisional === true)) throw error;
    if (isStreamed)
      await removeMessage(client, access, message, signal).catch((refused: unknown) => {
        if (!isKonstructError(refused, 'platform_rejected')) throw refused;
      });
    throw teamsError.rejected(call.name, 'message_not_found', { status });
  }
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
  if (choices.length > 0) return choiceMessage(shown, choices);
  const text = renderForTeams(shown);
  return { type: 'message', textFormat: 'xml', text: text.trim() === '' ? NOTHING : text };
}
